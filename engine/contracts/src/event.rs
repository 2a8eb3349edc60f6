//! What Kafka carries on the topic `pawl.payments.v1`: one `CloudEvents` 1.0 message in structured JSON per transition,
//! keyed by the payment's id. It holds no `client_secret` and no `next_action`.

use std::borrow::Cow;

use infra::id::AccountId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::id::{EventId, PaymentId};
use crate::request::Metadata;
use crate::schema;
use crate::schema::{Currency, DisputeStatus, Machine};
use crate::view::ErrorView;

/// The topic of all transitions.
pub const TOPIC: &str = "pawl.payments.v1";

/// The content type of a structured event.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// The version of [`EventData`]. It rises when a field changes its meaning or goes; a new field does not change it.
pub const SCHEMA_VERSION: i32 = 1;

/// One transition as a `CloudEvent`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CloudEvent<D = EventData> {
    /// Always `1.0`.
    #[schema(pattern = "^1[.]0$")]
    pub specversion: Cow<'static, str>,
    /// The payment and the version. A message delivered twice bears the same one.
    pub id: EventId,
    /// Always `/pawl`.
    #[schema(pattern = "^/pawl$")]
    pub source: Cow<'static, str>,
    /// `pawl.` and the type of the event, which names the outcome: `pawl.payment.succeeded`.
    pub r#type: String,
    /// The payment's id, which is also the key of the message.
    pub subject: PaymentId,
    /// When the transition was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub time: OffsetDateTime,
    /// Always `application/json`.
    #[schema(pattern = "^application/json$")]
    pub datacontenttype: Cow<'static, str>,
    /// The trace of the payment, as W3C Trace Context writes it (the extension Distributed Tracing of `CloudEvents`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$")]
    pub traceparent: Option<String>,
    /// The id of the command on `pawl.commands.v1` that led to the transition; absent where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255)]
    pub commandid: Option<String>,
    /// The transition.
    pub data: D,
}

/// The transition, and the payment's notes and money after it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventData {
    /// The version of this description. It rises when a field changes its meaning or goes; ignore fields that you do not know.
    #[schema(minimum = 1)]
    pub schema_version: i32,
    /// The payment in whose stream it happened.
    pub payment_id: PaymentId,
    /// The merchant it belongs to.
    pub account_id: AccountId,
    /// Whose transition it is: `payment`, `attempt`, `capture`, `refund`, `dispute`, `dispute_funds` or `dispute_evidence`.
    #[schema(value_type = Machine)]
    pub machine: Cow<'static, str>,
    /// The id of what moved.
    pub subject: String,
    /// The edge that was taken, in the past tense. Different edges lead to one outcome.
    pub kind: Cow<'static, str>,
    /// The status before; nothing for a start.
    pub from: Option<Cow<'static, str>>,
    /// The status after.
    pub to: Cow<'static, str>,
    /// Its gap-free number in the stream.
    #[schema(minimum = 1)]
    pub version: i64,
    /// What made it happen.
    pub cause: String,
    /// The merchant's own order id of the payment.
    pub reference: Option<String>,
    /// The merchant's notes on the payment by key.
    #[schema(schema_with = schema::metadata)]
    pub metadata: Metadata,
    /// What the refund gives back, in the currency's smallest unit; nothing where the subject is no refund.
    #[schema(minimum = 1)]
    pub refund_amount: Option<i64>,
    /// Why Stripe or the bank refused it, with the advice what to do next; nothing where the subject shows no error.
    pub error: Option<ErrorView>,
    /// What the capture takes, in the currency's smallest unit; nothing where the subject is no capture.
    #[schema(minimum = 1)]
    pub capture_amount: Option<i64>,
    /// Why the payment was canceled, or is asked to be: the client's reason, `abandoned` where it expired, or Stripe's own.
    pub cancellation_reason: Option<String>,
    /// The dispute; nothing where the subject is no dispute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispute: Option<DisputeData>,
    /// What is asked of the customer, in the currency's smallest unit.
    pub amount: i64,
    /// ISO 4217 in lower case.
    #[schema(value_type = Currency, example = "eur")]
    pub currency: String,
    /// What can still be captured.
    pub amount_capturable: i64,
    /// What was captured.
    pub amount_captured: i64,
    /// What went back to the customer.
    pub amount_refunded: i64,
    /// What refunds under way hold back.
    pub amount_reserved: i64,
}

/// The facts of a dispute after a transition of it. Never its evidence.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DisputeData {
    /// Its status.
    #[schema(value_type = DisputeStatus)]
    pub status: String,
    /// What is disputed, in the smallest unit of `currency`.
    pub amount: i64,
    /// ISO 4217 in lower case; the bank may dispute in another currency than the payment's.
    pub currency: String,
    /// Stripe's reason, for instance `fraudulent`.
    pub reason: String,
    /// Until when evidence may be sent.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub evidence_due_by: Option<OffsetDateTime>,
}

impl CloudEvent {
    /// The event of a transition that was made at `time`. Its type is `event_type` after `pawl.`.
    #[must_use]
    pub fn new(id: EventId, event_type: &str, time: OffsetDateTime, data: EventData) -> Self {
        Self {
            specversion: "1.0".into(),
            id,
            source: "/pawl".into(),
            r#type: format!("pawl.{event_type}"),
            subject: data.payment_id,
            time,
            datacontenttype: "application/json".into(),
            traceparent: None,
            commandid: None,
            data,
        }
    }
}

impl<D> CloudEvent<D> {
    /// The same event with its place in a trace.
    #[must_use]
    pub fn within(self, traceparent: String) -> Self {
        Self {
            traceparent: Some(traceparent),
            ..self
        }
    }

    /// The same event as the answer to a command, if there is one.
    #[must_use]
    pub fn answering(self, command: Option<String>) -> Self {
        Self {
            commandid: command,
            ..self
        }
    }
}

/// What stands in for a transition whose event Kafka refuses for good, so that the stream's order goes on without a
/// gap. The transition itself can be read from the API.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Withheld {
    /// The payment in whose stream it happened.
    pub payment_id: PaymentId,
    /// Its gap-free number in the stream.
    pub version: i64,
    /// Why Kafka refused the event.
    pub reason: String,
}

impl CloudEvent<Withheld> {
    /// The stand-in for the event of a transition that was made at `time`: its type is `pawl.event.withheld`.
    #[must_use]
    pub fn withheld(id: EventId, time: OffsetDateTime, reason: String) -> Self {
        Self {
            specversion: "1.0".into(),
            id,
            source: "/pawl".into(),
            r#type: "pawl.event.withheld".to_owned(),
            subject: id.payment,
            time,
            datacontenttype: "application/json".into(),
            traceparent: None,
            commandid: None,
            data: Withheld {
                payment_id: id.payment,
                version: id.version,
                reason,
            },
        }
    }
}
