//! What clients read. Statuses are Stripe's own strings, times are RFC 3339 in UTC, amounts are in the currency's
//! smallest unit.

use std::borrow::Cow;

use infra::id::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::id::{AttemptId, CaptureId, DisputeId, EventId, PaymentId, RefundId};
use crate::request::{Customer, Metadata};
use crate::schema;
use crate::schema::{
    AttemptStatus, CaptureStatus, Currency, DisputeEvidence, DisputeFunds, DisputeStatus,
    HoldSource, Machine, Multicapture, PaymentStatus, RefundStatus,
};

/// A payment.
///
/// It carries `client_secret` and `next_action`, so it belongs in answers and in the cache, and in no log, list or
/// Kafka message.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PaymentView {
    /// Its id.
    pub id: PaymentId,
    /// Always `payment`.
    pub object: Cow<'static, str>,
    /// The merchant it belongs to.
    pub account_id: AccountId,
    /// Stripe's status of the intent; `local_created` before there is one, `local_rejected` when Stripe refused it.
    #[schema(value_type = PaymentStatus, example = "succeeded")]
    pub status: Cow<'static, str>,
    /// What is asked of the customer.
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
    /// Whether a dispute of it is open or lost: `needs_response`, `under_review` or `lost`. No refund is accepted then. An
    /// inquiry does not count.
    pub disputed: bool,
    /// Reviews and early warnings of fraud that are open: look at the payment before the goods leave.
    #[serde(default)]
    pub holds: Vec<HoldView>,
    /// Stripe's id of the intent, once there is one.
    pub intent_id: Option<String>,
    /// What a browser needs to confirm it with Stripe.js.
    pub client_secret: Option<String>,
    /// What the customer must do next, as Stripe describes it.
    pub next_action: Option<Value>,
    /// The latest confirmation.
    pub latest_attempt: Option<AttemptView>,
    /// Why Stripe last refused something.
    pub last_error: Option<ErrorView>,
    /// Why it was canceled, or is asked to be: the merchant's reason, `abandoned` where it expired, or Stripe's own.
    pub cancellation_reason: Option<String>,
    /// Whether it may be captured in several parts; nothing where the merchant did not ask for that.
    #[schema(value_type = Option<Multicapture>)]
    pub multicapture: Option<Cow<'static, str>>,
    /// Its captures, the oldest first; none where the money is taken at once.
    #[serde(default)]
    pub captures: Vec<CaptureView>,
    /// When an authorisation lapses that is not captured before.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub capture_before: Option<OffsetDateTime>,
    /// What happens before that: `alert`, `capture` or `cancel`.
    #[serde(default)]
    pub authorization_expiry: Cow<'static, str>,
    /// The merchant's own order id.
    pub reference: Option<String>,
    /// Who pays.
    pub customer: Option<Customer>,
    /// Shown to the customer on receipts.
    pub description: Option<String>,
    /// The types of payment methods that the customer may pay with; empty where Stripe's dashboard decides.
    #[serde(default)]
    pub payment_method_types: Vec<String>,
    /// Notes of the merchant.
    #[schema(schema_with = schema::metadata)]
    pub metadata: Metadata,
    /// How many transitions the payment and all that belongs to it have made.
    pub version: i64,
    /// When it was accepted.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// When `version` was reached.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: OffsetDateTime,
}

/// A sign that a payment should be looked at. It moves nothing.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HoldView {
    /// `review`: by Radar or by a person at Stripe; `early_fraud_warning`: of the customer's bank.
    #[schema(value_type = HoldSource)]
    pub source: Cow<'static, str>,
    /// Stripe's id of the review or the warning.
    pub stripe_id: String,
}

/// One confirmation of a payment.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    /// Its id.
    pub id: AttemptId,
    /// 1 for the first confirmation of the payment.
    pub number: i32,
    /// `started`, `requires_action`, `pending`, `authorized`, `captured`, `failed`, `expired` or `voided`.
    #[schema(value_type = AttemptStatus)]
    pub status: Cow<'static, str>,
    /// Stripe's id of the charge, once there is one.
    pub charge_id: Option<String>,
    /// Stripe's id of the payment method.
    pub payment_method: Option<String>,
    /// Why it failed.
    pub error: Option<ErrorView>,
}

/// Authorised money that is taken, or was asked to be.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CaptureView {
    /// Its id.
    pub id: CaptureId,
    /// Always `capture`.
    pub object: Cow<'static, str>,
    /// The payment whose money it takes.
    pub payment_id: PaymentId,
    /// `requested` before Stripe has answered, `submitted` while the method takes its time, `succeeded` or `failed`.
    #[schema(value_type = CaptureStatus)]
    pub status: Cow<'static, str>,
    /// What it takes.
    pub amount: i64,
    /// ISO 4217 in lower case.
    #[schema(value_type = Currency)]
    pub currency: String,
    /// Whether the rest of what was authorised is released with it.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Why it failed.
    pub error: Option<ErrorView>,
}

/// Why Stripe refused something, in Stripe's words.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ErrorView {
    /// Stripe's type: `card_error`, `invalid_request_error`, …
    pub r#type: Option<String>,
    /// Stripe's code, for instance `card_declined`.
    pub code: Option<String>,
    /// The issuer's reason, for instance `insufficient_funds`.
    pub decline_code: Option<String>,
    /// What to do next, for instance `do_not_try_again` or `try_again_later`.
    pub advice_code: Option<String>,
    /// The card network's own code for the decline.
    pub network_decline_code: Option<String>,
    /// The card network's own code for what to do next.
    pub network_advice_code: Option<String>,
    /// The parameter that Stripe refused.
    pub param: Option<String>,
    /// Stripe's sentence for people.
    pub message: Option<String>,
}

/// A refund.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RefundView {
    /// Its id.
    pub id: RefundId,
    /// Always `refund`.
    pub object: Cow<'static, str>,
    /// The payment it gives back.
    pub payment_id: PaymentId,
    /// Stripe's status; `local_requested` before Stripe knows it, `local_rejected` when Stripe refused it.
    #[schema(value_type = RefundStatus)]
    pub status: Cow<'static, str>,
    /// What goes back to the customer.
    pub amount: i64,
    /// ISO 4217 in lower case.
    #[schema(value_type = Currency)]
    pub currency: String,
    /// Why the merchant gave it.
    pub reason: Option<String>,
    /// Stripe's id, once there is one.
    pub stripe_id: Option<String>,
    /// Why Stripe or the bank refused it.
    pub error: Option<ErrorView>,
    /// When it was accepted.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// When its status last changed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: OffsetDateTime,
}

/// A dispute: a customer's claim at their bank against a payment.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DisputeView {
    /// Its id.
    pub id: DisputeId,
    /// Always `dispute`.
    pub object: Cow<'static, str>,
    /// The disputed payment.
    pub payment_id: PaymentId,
    /// Stripe's status. One that begins with `warning_` is an inquiry, which moves no money and blocks no refund.
    #[schema(value_type = DisputeStatus)]
    pub status: Cow<'static, str>,
    /// What is disputed, which may be less than was paid.
    pub amount: i64,
    /// ISO 4217 in lower case; the bank may dispute in another currency than the payment's.
    pub currency: String,
    /// Stripe's reason, for instance `fraudulent` or `product_not_received`.
    pub reason: String,
    /// The disputed money: `none`, `withdrawn` from the merchant's balance, or `reinstated`. It says nothing of the outcome.
    #[schema(value_type = DisputeFunds)]
    pub funds: Cow<'static, str>,
    /// The evidence: `none`, `staged` at Stripe, or `submitted` to the bank.
    #[schema(value_type = DisputeEvidence)]
    pub evidence: Cow<'static, str>,
    /// Until when evidence may be sent.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub evidence_due_by: Option<OffsetDateTime>,
    /// What was asked for and Stripe has not answered yet: `update_dispute` (evidence) or `close_dispute` (accept).
    #[schema(pattern = "^(update_dispute|close_dispute)$")]
    pub open_call: Option<Cow<'static, str>>,
    /// Stripe's id.
    pub stripe_id: String,
    /// Stripe's id of the disputed charge.
    pub charge_id: Option<String>,
    /// Why Stripe refused the last thing that was asked.
    pub error: Option<ErrorView>,
    /// When Pawl learned of it.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: OffsetDateTime,
}

/// One transition: what happened, once, to the payment or to something that belongs to it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Its id.
    pub id: EventId,
    /// Always `event`.
    pub object: Cow<'static, str>,
    /// The outcome, as endpoints and Kafka get it: `payment.succeeded`.
    pub r#type: Cow<'static, str>,
    /// The payment in whose stream it happened.
    pub payment_id: PaymentId,
    /// `payment`, `attempt`, `capture`, `refund`, or `dispute` with `dispute_funds` and `dispute_evidence`, whose subject is
    /// the dispute.
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
    pub version: i64,
    /// What made it happen: a request, an event of Stripe, a job, a timer or an operator.
    pub cause: String,
    /// When it was committed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}
