//! What operators read: jobs with their tries, errors by class, Stripe's webhooks, and the timeline of a payment.

use std::borrow::Cow;

use infra::id::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::explanation::UnknownView;
use crate::id::{DeliveryId, EventId, JobId, PaymentId, WebhookEndpointId};
use crate::view::EventView;
use crate::webhook::DeliveryTryView;

/// A job, for operators.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// Always `job`.
    pub object: Cow<'static, str>,
    /// The merchant of its payment.
    pub account_id: AccountId,
    /// The payment it works for.
    pub payment_id: PaymentId,
    /// What it does: `create_intent`, `confirm_intent`, …
    pub kind: String,
    /// Where it stands: `queued`, `running`, `done`; `unknown` while its call may or may not have been executed; `dead`
    /// needs an operator.
    pub state: String,
    /// Changes whenever the job changes. A request that names it acts only on the job as it was shown.
    pub version: i64,
    /// How often it called Stripe.
    pub tries: i32,
    /// How often a worker claimed it.
    pub picks: i32,
    /// Its last error.
    pub last_error: Option<String>,
    /// The class of that error: the same for errors that differ in ids and numbers only.
    pub error_class: Option<String>,
    /// What is known of a call whose outcome is unknown.
    pub unknown: Option<UnknownView>,
    /// When it is due, or was last.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub due_at: OffsetDateTime,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// When it ended. It is kept for a week after that.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<OffsetDateTime>,
}

/// A job with its arguments and its tries.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobDetail {
    /// The job as lists show it.
    #[serde(flatten)]
    pub job: JobView,
    /// Its arguments, such as `{"amount": 300}`. They hold ids, amounts and names of fields, never a secret and no text about a customer.
    pub arguments: Value,
    /// The `Idempotency-Key` of its call. It never changes.
    pub idempotency_key: String,
    /// When a call with this key was first sent, or may have been.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub first_sent_at: Option<OffsetDateTime>,
    /// The process that performs it, or performed it last.
    pub worker: Option<String>,
    /// While it runs: when another worker may take it over.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub lease_until: Option<OffsetDateTime>,
    /// What a retry would do now.
    pub retry: RetryView,
    /// Its tries, the oldest first: the first one and the newest 49.
    pub log: Vec<JobTryView>,
}

/// What a retry of a job would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetryView {
    /// Whether the job can be retried as it stands.
    pub allowed: bool,
    /// What a retry does; or why there is none, and what to do instead.
    pub explanation: String,
    /// The `Idempotency-Key` that would be sent.
    pub idempotency_key: String,
    /// Whether Stripe may already have executed the call. Under the same key it does not execute it a second time.
    pub stripe_may_have_answered: bool,
    /// The key is so old that Stripe may have deleted it: the worker reads Stripe's object and sends no call.
    pub key_too_old: bool,
}

/// A try of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobTryView {
    /// Its number, from 1. Tries that reached Stripe are counted, so one that was not sent has the number of the next.
    pub number: i32,
    /// When a worker began with it.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<OffsetDateTime>,
    /// When its result was committed, or its lease was found to have run out.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub ended_at: OffsetDateTime,
    /// The process that performed it.
    pub worker: Option<String>,
    /// `done`; `again` (it failed and was tried again later); `unsent` (no call reached Stripe); `dead`; `lost` (the lease ran
    /// out without a result); `superseded` (its outcome was known before its answer came).
    pub outcome: String,
    /// Why it was no success.
    pub error: Option<String>,
    /// How often this happened in a row; above 1 only for `unsent`.
    pub times: i32,
    /// Its requests to Stripe, in order.
    pub calls: Vec<StripeCallView>,
}

/// A request to Stripe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StripeCallView {
    /// What it asked for: `confirm_intent`, `retrieve_intent`, …
    pub call: String,
    /// The `Idempotency-Key` that it carried; a request that only reads has none.
    pub idempotency_key: Option<String>,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// Stripe's `Request-Id`, by which Stripe's own logs show it.
    pub request_id: Option<String>,
    /// Stripe answered with what it had saved of an earlier request with this key.
    pub replayed: bool,
    /// How long it took.
    pub duration_ms: u64,
}

/// How many jobs are in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobCount {
    /// The state.
    pub state: String,
    /// How many jobs in this state meet the filter.
    pub count: i64,
    /// Whether the number is exact; above 10,000 jobs in a state it is an estimate.
    pub exact: bool,
}

/// The jobs of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueView {
    /// What they do: `create_intent`, `confirm_intent`, …
    pub kind: String,
    /// Always `queue`.
    pub object: Cow<'static, str>,
    /// Whether an operator has stopped them.
    pub paused: bool,
    /// Why.
    pub reason: Option<String>,
    /// Who.
    pub paused_by: Option<String>,
    /// Since when.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub paused_at: Option<OffsetDateTime>,
    /// How many of them are queued, among the first 100,000 queued jobs.
    pub waiting: i64,
    /// When the oldest of these is, or was, due.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest_due_at: Option<OffsetDateTime>,
}

/// The dead jobs whose errors differ in ids and numbers only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorGroupView {
    /// The class of the errors.
    pub error_class: String,
    /// How many dead jobs have it.
    pub count: i64,
    /// The error of the newest one.
    pub error: String,
    /// What the newest one does.
    pub kind: String,
    /// The newest one.
    pub newest_job_id: JobId,
}

/// A webhook of Stripe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceivedWebhookView {
    /// Stripe's id of the event; `sha256:…` for a body without one.
    pub id: String,
    /// Always `received_webhook`.
    pub object: Cow<'static, str>,
    /// Stripe's type of the event.
    pub r#type: String,
    /// `received`, `retrying`, `deferred` or `dead` while it is open; `applied`, `ignored`, `foreign`, `other_mode` or
    /// `not_understood` afterwards.
    pub status: String,
    /// The payment that it is about, once that is known.
    pub payment_id: Option<PaymentId>,
    /// How often it was tried.
    pub tries: i32,
    /// Why it is open, or was not applied.
    pub error: Option<String>,
    /// When it came.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub received_at: OffsetDateTime,
    /// When it was dealt with.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub done_at: Option<OffsetDateTime>,
}

/// A webhook of Stripe with its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceivedWebhookDetail {
    /// The webhook as lists show it.
    #[serde(flatten)]
    pub webhook: ReceivedWebhookView,
    /// The body as Stripe sent it; what is no UTF-8 is replaced.
    pub body: String,
    /// What a replay would do now.
    pub replay: ReplayView,
}

/// What the replay of a webhook would do to its payment as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayView {
    /// In a sentence.
    pub explanation: String,
    /// The transitions that it would lead to: `payment processing → succeeded (succeeded)`.
    pub transitions: Vec<String>,
}

/// A machine: what can happen to a payment, an attempt or a refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MachineView {
    /// Its name.
    pub machine: String,
    /// Always `machine`.
    pub object: Cow<'static, str>,
    /// Its rules, in the order of its table.
    pub rules: Vec<RuleView>,
}

/// A rule of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleView {
    /// Its id: `P7`.
    pub id: String,
    /// The statuses that it leaves; `none` where the thing begins.
    pub from: Vec<String>,
    /// What happened.
    pub kind: String,
    /// The statuses that it leads to; absent where the status stays.
    pub to: Option<Vec<String>>,
    /// The cause.
    pub driven_by: String,
}

/// How many payments are in a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusCount {
    /// The status.
    pub status: String,
    /// How many payments are in it.
    pub count: i64,
    /// Whether the number is exact.
    pub exact: bool,
}

/// One moment of a payment.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    /// When it happened, by the clock of the database.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: OffsetDateTime,
    /// What happened.
    #[serde(flatten)]
    pub entry: TimelineItem,
}

/// What happened at a moment of a payment.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum TimelineItem {
    /// A machine moved.
    Transition {
        /// The transition.
        transition: EventView,
    },
    /// The event of a transition goes to Kafka.
    KafkaMessage {
        /// The event.
        event_id: EventId,
        /// The shard of the outbox from which it is published.
        shard: i16,
        /// Whether Kafka has acknowledged it; otherwise it waits in the outbox.
        acknowledged: bool,
    },
    /// A job was tried, or is running.
    JobTry {
        /// The job.
        job_id: JobId,
        /// What it does.
        kind: String,
        /// Its state now.
        state: String,
        /// The try.
        r#try: JobTryView,
    },
    /// A job waits, runs or is dead: it has not ended.
    OpenJob {
        /// The job.
        job: JobView,
    },
    /// A request went to Stripe.
    StripeCall {
        /// The job that made it.
        job_id: JobId,
        /// The request.
        request: StripeCallView,
    },
    /// A webhook of Stripe came.
    Webhook {
        /// The webhook.
        webhook: ReceivedWebhookView,
    },
    /// A webhook went to an endpoint of the merchant.
    DeliveryTry {
        /// The delivery.
        delivery_id: DeliveryId,
        /// The endpoint.
        endpoint_id: WebhookEndpointId,
        /// The event that it reports.
        event_id: EventId,
        /// The delivery's status now.
        status: String,
        /// The call.
        r#try: DeliveryTryView,
    },
}
