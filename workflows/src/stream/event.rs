//! The events of a stream.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::dispute::Funds;
use crate::effect::{Call, Effect};
use crate::hold::Hold;
use crate::stripe::{Charge, Dispute, Intent, Refund, StripeError};
use crate::{attempt, payment};

/// An occurrence, or a command of a client. The caller makes the ids that a step may need; they arrive in the event.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "events live for one step; a box would cost an allocation for each"
)]
pub enum Event {
    /// A client asks to confirm.
    ConfirmRequested(ConfirmRequest),
    /// A client asks to capture.
    CaptureRequested(CaptureRequest),
    /// A client asks to cancel.
    CancelRequested {
        /// One of Stripe's reasons.
        reason: Option<String>,
    },
    /// A client asks for a refund.
    RefundRequested(RefundRequest),
    /// A client asks to store or submit evidence of a dispute.
    EvidenceRequested(EvidenceRequest),
    /// A client asks to accept a dispute.
    AcceptRequested {
        /// Our id of the dispute.
        dispute: Uuid,
    },
    /// The timer before the last moment for evidence fired.
    EvidenceDue {
        /// The time now, in Unix seconds.
        now: i64,
    },
    /// The timer before the end of an authorization fired.
    AuthorizationExpiring {
        /// The time now, in Unix seconds.
        now: i64,
        /// The id of the capture, if the payment's policy asks for one.
        capture: Uuid,
    },
    /// An operator moves the payment by hand.
    Forced {
        /// The status to move to.
        to: payment::Status,
        /// Why; the caller keeps it beside the transition.
        reason: String,
    },
    /// Stripe showed the intent: in an answer to a call, in a webhook, or in a read.
    IntentSeen(IntentReport),
    /// Stripe refused for good to create the intent.
    IntentRejected {
        /// Stripe's error.
        error: StripeError,
    },
    /// Stripe refused for good to confirm, and did not show the intent.
    ConfirmRefused {
        /// The attempt that the call confirmed.
        attempt: Uuid,
        /// Stripe's error.
        error: StripeError,
    },
    /// Stripe refused for good to capture or cancel, and did not show the intent.
    CallRefused {
        /// The call.
        call: Call,
        /// Stripe's error.
        error: StripeError,
    },
    /// The answer of a call was lost, and Stripe's object proves that the call had no effect: it is to be made anew.
    CallProvedVoid(VoidCall),
    /// Stripe showed a charge of the payment.
    ChargeSeen(ChargeReport),
    /// Stripe showed a refund of the payment.
    RefundSeen(RefundReport),
    /// Stripe refused for good to make a refund.
    RefundRejected {
        /// Our id of the refund.
        refund: Uuid,
        /// Stripe's error.
        error: StripeError,
    },
    /// Stripe showed a dispute of the payment.
    DisputeSeen(DisputeReport),
    /// Stripe refused for good a call about a dispute.
    DisputeCallRefused {
        /// Our id of the dispute.
        dispute: Uuid,
        /// The call.
        call: Call,
        /// Stripe's error.
        error: StripeError,
    },
    /// Stripe showed a review or an early warning of fraud about the payment.
    HoldSeen(HoldReport),
    /// Stripe's object may have changed, but the report does not show how: a checkout event, or a check that is due.
    Hinted,
    /// The intent, its refunds and its disputes were read at Stripe, and the stream has not moved since before that read.
    Resynced(Snapshot),
}

/// A client's wish to confirm: a new attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmRequest {
    /// The id of the new attempt.
    pub attempt: Uuid,
    /// Replaces the payment's method, if given.
    pub payment_method: Option<String>,
    /// Replaces the payment's return address, if given.
    pub return_url: Option<String>,
}

/// A client's wish to capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureRequest {
    /// The id of the new capture.
    pub capture: Uuid,
    /// How much, in the currency's unit; all that can be captured if absent.
    pub amount: Option<i64>,
    /// Whether the rest is released; more can be captured later if not.
    pub is_final: bool,
}

/// A client's wish for a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRequest {
    /// The id of the new refund.
    pub refund: Uuid,
    /// How much, in the currency's unit; all that is left if absent.
    pub amount: Option<i64>,
    /// One of Stripe's reasons.
    pub reason: Option<String>,
}

/// A client's wish to answer a dispute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceRequest {
    /// Our id of the dispute.
    pub dispute: Uuid,
    /// Texts and ids of files by Stripe's names of the fields.
    pub evidence: BTreeMap<String, String>,
    /// Whether the bank gets it now. It gets evidence once.
    pub submit: bool,
}

/// An intent as Stripe showed it.
#[derive(Clone, Debug, PartialEq)]
pub struct IntentReport {
    /// The intent.
    pub intent: Intent,
    /// The meaning of the report: from the event type, or [`payment::Kind::of_intent`] of its status.
    pub kind: payment::Kind,
    /// The call that this report answers.
    pub answers: Option<Call>,
    /// The attempt that the answered call confirmed.
    pub attempt: Option<Uuid>,
    /// The id of an attempt that the step adds, should it add one.
    pub fresh_attempt: Uuid,
    /// The id of a capture that the step adds, should it add one.
    pub fresh_capture: Uuid,
}

/// A call that proved to have had no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoidCall {
    /// The effect that made the call.
    pub effect: Effect,
    /// The id of the next attempt, where the call confirmed.
    pub fresh_attempt: Uuid,
}

/// A charge as Stripe showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeReport {
    /// The charge.
    pub charge: Charge,
    /// The status of its attempt: from the event type, or [`attempt::Status::of_charge`].
    pub status: attempt::Status,
    /// The id of an attempt that the step adds, should it add one.
    pub fresh_attempt: Uuid,
}

/// A refund as Stripe showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundReport {
    /// The refund.
    pub refund: Refund,
    /// Our refund, where this report answers the call that makes it.
    pub answers: Option<Uuid>,
    /// The id of a refund that the step imports, should it import one.
    pub fresh_refund: Uuid,
}

/// A dispute as Stripe showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisputeReport {
    /// The dispute.
    pub dispute: Dispute,
    /// What the type of the event says of its money; none where it says nothing.
    pub funds: Option<Funds>,
    /// Our dispute and the call about it, where this report answers that call.
    pub answers: Option<(Uuid, Call)>,
    /// The id of a dispute that the step imports, should it import one.
    pub fresh_dispute: Uuid,
}

/// An object that holds a payment, or no longer does, as Stripe showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldReport {
    /// The object.
    pub hold: Hold,
    /// `pi_…`
    pub intent_id: Option<String>,
    /// `ch_…`
    pub charge_id: Option<String>,
}

/// A payment's objects as they were read at Stripe.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The intent.
    pub intent: Intent,
    /// Its newest charge.
    pub charge: Option<Charge>,
    /// Its refunds.
    pub refunds: Vec<Refund>,
    /// Its disputes; none where Stripe says that there never was one.
    pub disputes: Vec<Dispute>,
    /// The id of an attempt that the step adds, should it add one.
    pub fresh_attempt: Uuid,
    /// The id of a capture that the step adds, should it add one.
    pub fresh_capture: Uuid,
    /// Ids of refunds that the step imports, at least as many as `refunds`.
    pub fresh_refunds: Vec<Uuid>,
    /// Ids of disputes that the step imports, at least as many as `disputes`.
    pub fresh_disputes: Vec<Uuid>,
}

/// The subjects of a stream that a step reads beside its payment, its newest attempt and its captures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// All refunds of the payment.
    pub refunds: bool,
    /// All disputes of the payment.
    pub disputes: bool,
}

impl Needs {
    /// The subjects that one of two steps reads.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            refunds: self.refunds || other.refunds,
            disputes: self.disputes || other.disputes,
        }
    }
}

impl Effect {
    /// Which subjects the job of this effect, and a step about its outcome, read.
    #[must_use]
    pub const fn needs(&self) -> Needs {
        Needs {
            refunds: matches!(self, Self::CreateRefund { .. }),
            disputes: matches!(self, Self::UpdateDispute { .. } | Self::CloseDispute { .. }),
        }
    }
}

impl Event {
    /// Which subjects [`super::step`] reads to decide about this event; the stream must hold them.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let none = Needs::default();
        let refunds = Needs {
            refunds: true,
            ..none
        };
        let disputes = Needs {
            disputes: true,
            ..none
        };
        match self {
            Self::RefundRequested(_) | Self::RefundSeen(_) | Self::RefundRejected { .. } => refunds,
            Self::EvidenceRequested(_)
            | Self::AcceptRequested { .. }
            | Self::EvidenceDue { .. }
            | Self::DisputeSeen(_)
            | Self::DisputeCallRefused { .. } => disputes,
            Self::Resynced(snapshot) => Needs {
                refunds: true,
                disputes: !snapshot.disputes.is_empty(),
            },
            Self::CallProvedVoid(void) => void.effect.needs(),
            Self::ConfirmRequested(_)
            | Self::CaptureRequested(_)
            | Self::CancelRequested { .. }
            | Self::AuthorizationExpiring { .. }
            | Self::Forced { .. }
            | Self::IntentSeen(_)
            | Self::IntentRejected { .. }
            | Self::ConfirmRefused { .. }
            | Self::CallRefused { .. }
            | Self::Hinted
            | Self::HoldSeen(_)
            | Self::ChargeSeen(_) => none,
        }
    }

    /// Whether this is the result of a call of the payment, so that the job of that call ends together with it.
    #[must_use]
    pub fn closes_call(&self) -> bool {
        match self {
            Self::IntentSeen(report) => report.answers.is_some(),
            Self::CallProvedVoid(_)
            | Self::ConfirmRefused { .. }
            | Self::CallRefused { .. }
            | Self::IntentRejected { .. } => true,
            _ => false,
        }
    }
}
