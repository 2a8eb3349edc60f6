//! Webhooks that merchants receive: their endpoints, what is sent there, and the log of it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, Type};

use crate::event::EventData;
use crate::id::{DeliveryId, EventId, PaymentId, WebhookEndpointId};

/// The longest address of an endpoint.
pub const LONGEST_URL: usize = 2048;

/// The longest description of an endpoint, in characters.
pub const LONGEST_DESCRIPTION: usize = 500;

/// How long, in seconds, a secret that is replaced signs on when nothing is said.
pub const SECRET_OVERLAP_SECONDS: i64 = 86_400;

/// The longest time, in seconds, that a replaced secret may sign on.
pub const LONGEST_OVERLAP_SECONDS: i64 = 604_800;

/// Every type of event.
pub use workflows::event_type::ALL as EVENT_TYPES;

/// The type of the test event, which an endpoint is sent when its merchant asks for it.
pub const TEST_EVENT: &str = "endpoint.test";

/// What an endpoint may ask for besides single types: all events, or all of one machine.
pub const EVENT_GROUPS: [&str; 6] = [
    "*",
    "payment.*",
    "attempt.*",
    "capture.*",
    "refund.*",
    "dispute.*",
];

/// How many of them an endpoint may ask for: more would be repetitions.
pub const MOST_EVENT_FILTERS: usize = EVENT_GROUPS.len() + EVENT_TYPES.len();

/// Whether an endpoint may ask for this: a type of event, or a group of them.
#[must_use]
pub fn is_event_filter(word: &str) -> bool {
    EVENT_GROUPS.contains(&word) || EVENT_TYPES.contains(&word)
}

/// The body of a delivery: what happened, when, and the facts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookMessage)]
pub struct Message {
    /// The outcome: `payment.succeeded`.
    pub r#type: String,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: OffsetDateTime,
    /// The transition.
    pub data: MessageData,
}

/// The facts of the transition, as on Kafka, with its place among what this endpoint was sent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookData)]
pub struct MessageData {
    /// Names the event everywhere: in the API, on Kafka, and at other endpoints.
    pub event_id: EventId,
    /// Where it is sent.
    pub endpoint_id: WebhookEndpointId,
    /// Numbers the events of this payment at this endpoint from 1, without a gap.
    #[schema(minimum = 1)]
    pub sequence: i64,
    /// The transition and the payment's money after it.
    #[serde(flatten)]
    pub event: EventData,
}

/// `POST /api/v1/webhook_endpoints`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWebhookEndpoint {
    /// Where events are sent: an `https` address that the internet can reach, without a user, a password and a fragment.
    #[schema(schema_with = url_schema)]
    pub url: String,
    /// A note of the merchant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500)]
    pub description: Option<String>,
    /// Which events: types, `payment.*` and the like, or `*` for all, which is meant when this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = event_filters_schema)]
    pub enabled_events: Option<Vec<String>>,
}

/// `PATCH /api/v1/webhook_endpoints/{id}`. What is absent stays as it is.
#[derive(Debug, Default, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateWebhookEndpoint {
    /// Where events are sent from now on, those that wait among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = optional_url_schema)]
    pub url: Option<String>,
    /// A note of the merchant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500)]
    pub description: Option<String>,
    /// Which events, of those that happen from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = event_filters_schema)]
    pub enabled_events: Option<Vec<String>>,
    /// `disabled` stops it; `enabled` lets what happens from now on flow again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<EndpointStatus>,
}

/// `POST /api/v1/webhook_endpoints/{id}/rotate_secret`.
#[derive(Debug, Default, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RotateSecret {
    /// Seconds for which the old secret signs beside the new one: 86400 when absent, 0 ends it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 604_800)]
    pub expires_in: Option<i64>,
}

/// Whether an endpoint is sent events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndpointStatus {
    /// It is.
    Enabled,
    /// It is not, and nothing is kept for it.
    Disabled,
}

/// Where a merchant is told of events.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WebhookEndpointView {
    /// Its id.
    pub id: WebhookEndpointId,
    /// Always `webhook_endpoint`.
    pub object: Cow<'static, str>,
    /// Where events are sent.
    pub url: String,
    /// The merchant's note.
    pub description: Option<String>,
    /// Which events are sent.
    pub enabled_events: Vec<String>,
    /// Whether any are.
    pub status: EndpointStatus,
    /// Why it is disabled: `gone` when it answered 410, `requested` when its merchant wanted it so.
    #[schema(pattern = "^(gone|requested)$")]
    pub disabled_reason: Option<String>,
    /// Since when.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub disabled_at: Option<OffsetDateTime>,
    /// What its events are signed with. It is shown when it is made, and never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^whsec_[A-Za-z0-9+/]{32,86}={0,2}$")]
    pub secret: Option<String>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: OffsetDateTime,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It waits for a try.
    Pending,
    /// The endpoint took it.
    Delivered,
    /// Every try failed.
    Failed,
    /// Its endpoint was disabled or deleted when its time came.
    Skipped,
}

impl DeliveryStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Failed, Self::Skipped];

    /// The word in the API and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One event for one endpoint.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// Its id, which is the header `webhook-id` of each of its tries.
    pub id: DeliveryId,
    /// Always `delivery`.
    pub object: Cow<'static, str>,
    /// Where it is sent.
    pub endpoint_id: WebhookEndpointId,
    /// The event that it tells of.
    pub event_id: EventId,
    /// The payment that the event is about.
    pub payment_id: PaymentId,
    /// The type of the event.
    pub r#type: String,
    /// Its number among the events of this payment at this endpoint, from 1 without a gap.
    pub sequence: i64,
    /// What became of it.
    pub status: DeliveryStatus,
    /// How often it was sent.
    pub tries: i32,
    /// The HTTP status of the last answer; absent when the last try had none.
    pub last_code: Option<i32>,
    /// When it is sent next.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_try_at: Option<OffsetDateTime>,
    /// When the event happened.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// When it was taken, or given up.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<OffsetDateTime>,
    /// Its tries, the latest 100 of them, the newest first. Lists leave this out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Vec<DeliveryTryView>>,
}

/// One call to an endpoint.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeliveryTryView {
    /// Its number, from 1.
    pub number: i32,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub started_at: OffsetDateTime,
    /// How long it took.
    pub duration_ms: i32,
    /// The HTTP status of the answer, if there was one.
    pub code: Option<i32>,
    /// Why it was no success.
    pub error: Option<String>,
    /// The first 500 characters of the answer.
    pub response_body: Option<String>,
}

/// Names and IPv4 addresses. One with an IPv6 address is taken too.
fn url_pattern() -> String {
    const LABEL: &str = "[a-z0-9]([a-z0-9]{0,20}-)?[a-z0-9]{0,20}";
    const OCTET: &str = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    const PORT: &str = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3})";
    format!(
        "^https?://(({LABEL}\\.)*[a-z]{{1,20}}|{OCTET}(\\.{OCTET}){{3}})(:{PORT})?(/[A-Za-z0-9._~/-]*(\\?[A-Za-z0-9=&_.-]*)?)?$"
    )
}

fn url_of(kinds: impl Into<SchemaType>) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(kinds)
        .description(Some(
            "Where events are sent: an `https` address that the internet can reach, without a user, a password and a fragment.",
        ))
        .pattern(Some(url_pattern()))
        .max_length(Some(LONGEST_URL))
        .examples(["https://shop.example/webhooks"])
        .build()
        .into()
}

fn url_schema() -> RefOr<Schema> {
    url_of(Type::String)
}

fn optional_url_schema() -> RefOr<Schema> {
    url_of(SchemaType::from_iter([Type::String, Type::Null]))
}

fn event_filters_schema() -> RefOr<Schema> {
    let words = EVENT_GROUPS.iter().chain(&EVENT_TYPES).copied();
    let word = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
        .build();
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(RefOr::T(Schema::from(word)))
        .description(Some(
            "Which events: types, `payment.*` and the like, or `*` for all.",
        ))
        .min_items(Some(1))
        .max_items(Some(MOST_EVENT_FILTERS))
        .examples([serde_json::json!(["payment.succeeded", "refund.*"])])
        .build()
        .into()
}
