//! The work that a step asks for: an effect is decided by `step`, stored in the row of its job, and performed by a worker.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::names::names;

names! {
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
        /// Makes a refund; never a payment's `open_call`, since refunds run beside each other.
        CreateRefund = "create_refund",
        /// Stores or submits evidence of a dispute; never a payment's `open_call`, and at most one of a dispute's.
        UpdateDispute = "update_dispute",
        /// Accepts a dispute; like [`Call::UpdateDispute`].
        CloseDispute = "close_dispute",
    }
}

/// Work that a step asks for. The row of its job holds its JSON, such as `{"kind": "cancel_intent", "reason": "abandoned"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    /// Ask Stripe to create the intent.
    CreateIntent,
    /// Ask Stripe to confirm it, as this attempt.
    ConfirmIntent {
        /// The attempt.
        attempt: Uuid,
    },
    /// Ask Stripe to capture.
    CaptureIntent {
        /// Our id of the capture.
        capture: Uuid,
        /// How much, in the currency's unit.
        amount: i64,
        /// Whether the rest is released.
        #[serde(rename = "final")]
        is_final: bool,
    },
    /// Ask Stripe to cancel the intent.
    CancelIntent {
        /// One of Stripe's reasons.
        reason: Option<String>,
    },
    /// Ask Stripe to make a refund.
    CreateRefund {
        /// Our id of the refund.
        refund: Uuid,
    },
    /// Ask Stripe to store evidence of a dispute, or to send it to the bank.
    UpdateDispute {
        /// Our id of the dispute.
        dispute: Uuid,
        /// Texts and ids of files by Stripe's names of the fields.
        evidence: BTreeMap<String, String>,
        /// Whether the bank gets it now.
        submit: bool,
    },
    /// Ask Stripe to accept a dispute, which is then lost.
    CloseDispute {
        /// Our id of the dispute.
        dispute: Uuid,
    },
    /// Read the intent, its refunds and its disputes at Stripe, and report them as [`crate::stream::Event::Resynced`]; one per payment
    /// is enough.
    Resync,
}

/// What a job does: a call, or a read of Stripe's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A call.
    Call(Call),
    /// [`Effect::Resync`].
    Resync,
}

impl Effect {
    /// The call that it makes; none for a read.
    #[must_use]
    pub const fn call(&self) -> Option<Call> {
        match self {
            Self::CreateIntent => Some(Call::CreateIntent),
            Self::ConfirmIntent { .. } => Some(Call::ConfirmIntent),
            Self::CaptureIntent { .. } => Some(Call::CaptureIntent),
            Self::CancelIntent { .. } => Some(Call::CancelIntent),
            Self::CreateRefund { .. } => Some(Call::CreateRefund),
            Self::UpdateDispute { .. } => Some(Call::UpdateDispute),
            Self::CloseDispute { .. } => Some(Call::CloseDispute),
            Self::Resync => None,
        }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.call() {
            Some(call) => Kind::Call(call),
            None => Kind::Resync,
        }
    }

    /// The id of its subject: an attempt, a capture, a refund, a dispute, or else the payment.
    #[must_use]
    pub const fn subject(&self, payment: Uuid) -> Uuid {
        match self {
            Self::ConfirmIntent { attempt } => *attempt,
            Self::CaptureIntent { capture, .. } => *capture,
            Self::CreateRefund { refund } => *refund,
            Self::UpdateDispute { dispute, .. } | Self::CloseDispute { dispute } => *dispute,
            Self::CreateIntent | Self::CancelIntent { .. } | Self::Resync => payment,
        }
    }
}

impl Kind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        let calls = Call::ALL.iter().copied().map(Self::Call);
        calls.chain([Self::Resync])
    }

    /// The name, as it is stored, sent and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call(call) => call.as_str(),
            Self::Resync => "resync",
        }
    }

    /// Whether a payment has at most one open job of this kind and of its like: the calls that can move the payment.
    #[must_use]
    pub const fn is_exclusive(self) -> bool {
        !matches!(
            self,
            Self::Call(Call::CreateRefund | Call::UpdateDispute | Call::CloseDispute)
                | Self::Resync
        )
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
