//! A payment: one sum of money that a merchant asks of a customer, driven through one Stripe `PaymentIntent`.

mod machine;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::edges::Edge;
use crate::money::Money;
use crate::stripe::{IntentStatus, StripeError};
use crate::words::words;

words! {
    /// Where a payment stands: Stripe's own word, or a word with `local_` for what exists only here.
    pub enum Status: "payment status" {
        /// Accepted here; Stripe has not yet answered.
        LocalCreated = "local_created",
        /// A payment method is missing, or the last one was declined.
        RequiresPaymentMethod = "requires_payment_method",
        /// A payment method is there; nobody has confirmed.
        RequiresConfirmation = "requires_confirmation",
        /// The customer must act, for example with 3-D Secure.
        RequiresAction = "requires_action",
        /// An asynchronous method is under way.
        Processing = "processing",
        /// The money is authorized and waits for its capture.
        RequiresCapture = "requires_capture",
        /// The money is ours. Never left, except by `resync` and `forced`.
        Succeeded = "succeeded",
        /// It ended without money. Never left, except by `resync` and `forced`.
        Canceled = "canceled",
        /// Stripe refused to create it. Never left, except by `resync` and `forced`.
        LocalRejected = "local_rejected",
    }
}

words! {
    /// What makes a payment move: the name of an edge.
    pub enum Kind: "payment edge" {
        /// P0: a client asked for it and we took it on.
        Accepted = "accepted",
        /// P1: Stripe made the intent.
        IntentCreated = "intent_created",
        /// P2, P4: an intent that had already moved turned out to be ours.
        IntentAdopted = "intent_adopted",
        /// P3: Stripe refused to make the intent.
        IntentRejected = "intent_rejected",
        /// P5: a payment method was attached.
        MethodAttached = "method_attached",
        /// P6: the customer must act.
        ActionRequired = "action_required",
        /// P7, P10: an asynchronous method is under way.
        ProcessingStarted = "processing_started",
        /// P8, P9: money was authorized, or the sum that can be captured changed.
        CapturableUpdated = "capturable_updated",
        /// P9c: a client asked for the capture.
        CaptureRequested = "capture_requested",
        /// P11: the money is ours.
        Succeeded = "succeeded",
        /// P12, P13: the attempt failed.
        PaymentFailed = "payment_failed",
        /// P14: a client asked to cancel.
        CancelRequested = "cancel_requested",
        /// P14: Stripe canceled the intent.
        Canceled = "canceled",
        /// P19: Stripe's object was read and differed.
        Resync = "resync",
        /// P19: an operator decided.
        Forced = "forced",
    }
}

words! {
    /// Whether the money is taken at once.
    pub enum CaptureMethod: "capture method" {
        /// Taken when the customer confirms.
        Automatic = "automatic",
        /// Authorized when the customer confirms, taken by a capture.
        Manual = "manual",
    }
}

words! {
    /// One request to Stripe that changes something there.
    pub enum Call: "call" {
        /// Creates the intent.
        CreateIntent = "create_intent",
        /// Confirms the intent: one attempt.
        ConfirmIntent = "confirm_intent",
        /// Captures authorized money.
        CaptureIntent = "capture_intent",
        /// Cancels the intent.
        CancelIntent = "cancel_intent",
        /// Gives money back; never a payment's `open_call`, since refunds run beside each other.
        CreateRefund = "create_refund",
    }
}

/// A payment as the machines see it. What only a merchant cares about (description, customer, metadata) is not here.
///
/// Its JSON has the names of the columns that hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Ours, a UUIDv7.
    pub id: Uuid,
    /// Where it stands.
    pub status: Status,
    /// What was asked for.
    #[serde(flatten)]
    pub money: Money,
    /// Whether the money is taken at once.
    pub capture_method: CaptureMethod,
    /// Whether it is confirmed as soon as the intent exists and a payment method is known.
    pub confirm: bool,
    /// `pm_…`
    pub payment_method: Option<String>,
    /// Where the customer's browser returns to after an action.
    pub return_url: Option<String>,
    /// `pi_…`, once Stripe made it.
    pub intent_id: Option<String>,
    /// What the customer's browser proves itself with. Secret: in no log and no Kafka message.
    pub client_secret: Option<String>,
    /// What the customer must do next; only in [`Status::RequiresAction`]. In no log and no Kafka message.
    pub next_action: Option<Value>,
    /// Why the last attempt or call failed.
    pub last_error: Option<StripeError>,
    /// Why it was canceled, or is asked to be.
    pub cancellation_reason: Option<String>,
    /// The most that was ever authorized. Never below `captured`.
    #[serde(rename = "amount_authorized")]
    pub authorized: i64,
    /// What can still be captured.
    #[serde(rename = "amount_capturable")]
    pub capturable: i64,
    /// What was captured. Never below `refunded`.
    #[serde(rename = "amount_captured")]
    pub captured: i64,
    /// What was given back.
    #[serde(rename = "amount_refunded")]
    pub refunded: i64,
    /// What open refunds will give back.
    #[serde(rename = "amount_reserved")]
    pub reserved: i64,
    /// Until when it can be captured, in Unix seconds.
    pub capture_before: Option<i64>,
    /// Whether a cancel is asked for that Stripe has not yet answered.
    pub cancel_requested: bool,
    /// The one create, confirm, capture or cancel call whose outcome is not known.
    pub open_call: Option<Call>,
    /// How many attempts were made.
    pub attempts: i32,
    /// The number of the stream's last transition; the first has 1.
    pub version: i64,
}

impl Status {
    /// Whether only `resync` and `forced` lead out of it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Canceled | Self::LocalRejected)
    }

    /// The status that says the same as Stripe's; `None` where the word is not known.
    #[must_use]
    pub const fn of_intent(status: IntentStatus) -> Option<Self> {
        match status {
            IntentStatus::RequiresPaymentMethod => Some(Self::RequiresPaymentMethod),
            IntentStatus::RequiresConfirmation => Some(Self::RequiresConfirmation),
            IntentStatus::RequiresAction => Some(Self::RequiresAction),
            IntentStatus::Processing => Some(Self::Processing),
            IntentStatus::RequiresCapture => Some(Self::RequiresCapture),
            IntentStatus::Succeeded => Some(Self::Succeeded),
            IntentStatus::Canceled => Some(Self::Canceled),
            IntentStatus::Unknown => None,
        }
    }
}

impl Kind {
    /// The kind that a look at an intent means when no event says more: what led to its status.
    #[must_use]
    pub const fn of_intent(status: IntentStatus) -> Option<Self> {
        match status {
            IntentStatus::RequiresPaymentMethod => Some(Self::IntentCreated),
            IntentStatus::RequiresConfirmation => Some(Self::MethodAttached),
            IntentStatus::RequiresAction => Some(Self::ActionRequired),
            IntentStatus::Processing => Some(Self::ProcessingStarted),
            IntentStatus::RequiresCapture => Some(Self::CapturableUpdated),
            IntentStatus::Succeeded => Some(Self::Succeeded),
            IntentStatus::Canceled => Some(Self::Canceled),
            IntentStatus::Unknown => None,
        }
    }
}

/// The edge from `from` (`None`: the payment does not exist yet) by `kind` to `to`, if there is one.
#[must_use]
pub fn edge(from: Option<Status>, kind: Kind, to: Status) -> Option<Edge> {
    machine::edge(from, kind, to)
}
