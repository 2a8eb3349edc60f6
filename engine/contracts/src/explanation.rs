//! Why a payment, a refund or a dispute is where it is, and what moves it next. The sentences are for people; programs read the other
//! fields.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::id::{JobId, PaymentId};

/// Where a payment, a refund or a dispute stands, why, what it waits for, and what can be done.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ExplanationView {
    /// Always `explanation`.
    pub object: Cow<'static, str>,
    /// The payment, or the payment that the refund or the dispute belongs to.
    pub payment_id: PaymentId,
    /// The id of what is explained: of the payment, of the refund or of the dispute.
    pub subject: String,
    /// Its status.
    pub status: Cow<'static, str>,
    /// Whether it is over: nothing more happens unless somebody asks for it, or Stripe reports a later change.
    pub at_rest: bool,
    /// Whose turn it is.
    pub waits_for: WaitsFor,
    /// Where it stands, why, and whose turn it is, in plain sentences.
    pub summary: String,
    /// The transition that led to the status.
    pub reached: Option<ReachedView>,
    /// The calls to Stripe and the reads of Stripe's objects that are not finished.
    pub calls: Vec<CallView>,
    /// What happens next without anybody's help, the soonest first.
    pub next: Vec<NextView>,
    /// What a client can ask for now.
    pub client_can: Vec<ActionView>,
    /// What an operator can do.
    pub operator_can: Vec<ActionView>,
    /// The edges that lead out of the status in the ordinary course.
    pub edges: Vec<EdgeView>,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// Nobody's: it is at rest.
    Nothing,
    /// The merchant's program: a command.
    Client,
    /// The customer's: an action such as 3-D Secure.
    Customer,
    /// A bank's, or a payment method's.
    Bank,
    /// Stripe's: a call was sent and its outcome is not known.
    Stripe,
    /// Pawl's: a call or a read is about to be made.
    Pawl,
    /// An operator's: Pawl does not go on by itself.
    Operator,
}

/// The transition that led to a status.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReachedView {
    /// The status before; nothing for a start.
    pub from: Option<String>,
    /// The edge that was taken, in the past tense.
    pub kind: String,
    /// What made it happen: a request, an event of Stripe, a job, a timer or an operator.
    pub cause: String,
    /// Its number in the payment's stream.
    pub version: i64,
    /// When it was committed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: OffsetDateTime,
}

/// A call to Stripe, or a read of its objects, that is not finished.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CallView {
    /// Its job.
    pub job_id: JobId,
    /// What it does: `create_intent`, `confirm_intent`, `resync`, …
    pub kind: String,
    /// Where it stands: `queued`, `running`, `unknown` or `dead`.
    pub state: Cow<'static, str>,
    /// How often it called Stripe.
    pub tries: i32,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it is to run, next or again.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub due_at: OffsetDateTime,
    /// What is known of a call whose outcome is unknown.
    pub unknown: Option<UnknownView>,
}

/// A call to Stripe that may or may not have been executed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UnknownView {
    /// When its idempotency key was first sent.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<OffsetDateTime>,
    /// What would show the outcome and has not been seen yet.
    pub missing: String,
    /// When Stripe is asked again, with the same key or by a read.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub next_probe_at: OffsetDateTime,
}

/// Something that happens without anybody's help.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NextView {
    /// What kind of thing.
    pub kind: NextKind,
    /// What happens, in a sentence.
    pub sentence: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: OffsetDateTime,
}

/// A kind of thing that happens without anybody's help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NextKind {
    /// A worker calls Stripe, or reads its objects.
    Call,
    /// A timer compares the payment with Stripe's object.
    Check,
    /// A timer asks for the cancellation of a payment that was not finished.
    Expiry,
    /// The authorization of the money ends at the bank.
    AuthorizationEnds,
    /// A timer reminds of evidence of a dispute that is due.
    EvidenceReminder,
    /// A timer tells that an authorization ends, and captures or cancels it where the payment asks for that.
    AuthorizationReminder,
}

/// Something that can be asked for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ActionView {
    /// Its name: `confirm`, `capture`, `cancel`, `refund`, `evidence`, `accept`, `retry_job`, `resync`, `force`.
    pub name: Cow<'static, str>,
    /// The request that asks for it; those of operators go to the core service.
    pub request: String,
    /// What it does, in a sentence.
    pub sentence: String,
}

/// An edge that leads out of a status.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EdgeView {
    /// The id of its rule in docs/machines.md.
    pub id: Cow<'static, str>,
    /// What happens, in the past tense.
    pub kind: Cow<'static, str>,
    /// The statuses that it leads to.
    pub to: Vec<Cow<'static, str>>,
    /// Who drives it: `client`, `Stripe`, `resync`, `operator` or `engine`.
    pub driver: Cow<'static, str>,
    /// What drives it, in a sentence.
    pub driven_by: Cow<'static, str>,
}
