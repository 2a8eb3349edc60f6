//! What can happen to a stream.

use uuid::Uuid;

use crate::payment::Call;
use crate::stripe::{Charge, Intent, Refund, StripeError};
use crate::{attempt, payment};

/// What happened, or what a client asks for. Ids that a step may need are minted by the caller and arrive in the event.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "events live for one step; a box would cost an allocation for each"
)]
pub enum Event {
    /// A client asks to confirm: a new attempt.
    ConfirmRequested {
        /// The id of the new attempt.
        attempt: Uuid,
        /// Replaces the payment's method, if given.
        payment_method: Option<String>,
        /// Replaces the payment's return address, if given.
        return_url: Option<String>,
    },
    /// A client asks to capture.
    CaptureRequested {
        /// How much, in the currency's unit; all that can be captured if absent.
        amount: Option<i64>,
    },
    /// A client asks to cancel.
    CancelRequested {
        /// Why, in one of Stripe's words.
        reason: Option<String>,
    },
    /// A client asks for money back.
    RefundRequested {
        /// The id of the new refund.
        refund: Uuid,
        /// How much, in the currency's unit; all that is left if absent.
        amount: Option<i64>,
        /// Why, in one of Stripe's words.
        reason: Option<String>,
    },
    /// An operator moves the payment by hand.
    Forced {
        /// Where to.
        to: payment::Status,
        /// Why; kept by the caller beside the transition.
        reason: String,
    },
    /// Stripe showed its intent: in an answer to a call of ours, in a webhook, or because we looked.
    IntentSeen {
        /// The snapshot.
        intent: Intent,
        /// What the report means: from the event type, or [`payment::Kind::of_intent`] of its status.
        kind: payment::Kind,
        /// The call that this is the answer of.
        answers: Option<Call>,
        /// The attempt that the answered call confirmed.
        attempt: Option<Uuid>,
        /// The id of an attempt made here, if one must be.
        fresh_attempt: Uuid,
    },
    /// Stripe refused for good to create the intent.
    IntentRejected {
        /// Why.
        error: StripeError,
    },
    /// Stripe refused for good to confirm, without saying how the intent stands.
    ConfirmRefused {
        /// The attempt that the call confirmed.
        attempt: Uuid,
        /// Why.
        error: StripeError,
    },
    /// Stripe refused for good to capture or cancel, without saying how the intent stands.
    CallRefused {
        /// The call.
        call: Call,
        /// Why.
        error: StripeError,
    },
    /// A call's outcome was lost and Stripe's object proves that nothing came of it: it is to be made anew.
    CallProvedVoid {
        /// The call.
        call: Call,
        /// The refund that the call was about.
        refund: Option<Uuid>,
        /// What the call was to capture, in the currency's unit.
        amount: Option<i64>,
        /// The id of the next attempt, where the call confirmed.
        fresh_attempt: Uuid,
    },
    /// Stripe showed a charge of the payment.
    ChargeSeen {
        /// The snapshot.
        charge: Charge,
        /// What the report means: from the event type.
        kind: attempt::Kind,
        /// The id of an attempt made here, if one must be.
        fresh_attempt: Uuid,
    },
    /// Stripe showed a refund of the payment.
    RefundSeen {
        /// The snapshot.
        refund: Refund,
        /// Our refund, where this is the answer of the call that makes it.
        answers: Option<Uuid>,
        /// The id of a refund made here, if it must be imported.
        fresh_refund: Uuid,
    },
    /// Stripe refused for good to make a refund.
    RefundRejected {
        /// Ours.
        refund: Uuid,
        /// Why.
        error: StripeError,
    },
    /// Something hints that Stripe's object has moved on, without saying how: a checkout event, or the reconciler.
    Hinted,
    /// The intent and its refunds were read at Stripe, and the stream has not moved since before that.
    Resynced {
        /// The snapshot.
        intent: Intent,
        /// Its newest charge.
        charge: Option<Charge>,
        /// Its refunds.
        refunds: Vec<Refund>,
        /// The id of an attempt made here, if one must be.
        fresh_attempt: Uuid,
        /// Ids of refunds made here, at least as many as `refunds`.
        fresh_refunds: Vec<Uuid>,
    },
}

/// The subjects of a stream that a step reads beside its payment and its newest attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// All refunds of the payment.
    pub refunds: bool,
}

impl Needs {
    /// The subjects that one of two steps reads.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            refunds: self.refunds || other.refunds,
        }
    }
}

impl Event {
    /// Which subjects [`super::step`] reads to decide about this event; the stream must hold them.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let refunds = match self {
            Self::RefundRequested { .. }
            | Self::RefundSeen { .. }
            | Self::RefundRejected { .. }
            | Self::Resynced { .. } => true,
            Self::CallProvedVoid { refund, .. } => refund.is_some(),
            Self::ConfirmRequested { .. }
            | Self::CaptureRequested { .. }
            | Self::CancelRequested { .. }
            | Self::Forced { .. }
            | Self::IntentSeen { .. }
            | Self::IntentRejected { .. }
            | Self::ConfirmRefused { .. }
            | Self::CallRefused { .. }
            | Self::Hinted
            | Self::ChargeSeen { .. } => false,
        };
        Needs { refunds }
    }

    /// Whether this is the result of a call of the payment, so that the job of that call ends together with it.
    #[must_use]
    pub fn closes_call(&self) -> bool {
        match self {
            Self::IntentSeen { answers, .. } => answers.is_some(),
            Self::CallProvedVoid { .. }
            | Self::ConfirmRefused { .. }
            | Self::CallRefused { .. }
            | Self::IntentRejected { .. } => true,
            _ => false,
        }
    }
}
