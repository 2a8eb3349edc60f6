//! An attempt: one confirmation of a payment. At most one of a payment's attempts is open.

mod rules;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::edge::Edge;
use crate::names::names;
use crate::stripe::{Charge, ChargeStatus, StripeError};
use crate::{edge, payment};

pub(crate) use rules::AttemptGraph;
pub use rules::RULES;

names! {
    /// The status of an attempt.
    pub enum Status: "attempt status" {
        /// Requested; Stripe has not reported anything about it.
        Started = "started",
        /// The customer must act.
        RequiresAction = "requires_action",
        /// The bank or the method is working on it.
        Pending = "pending",
        /// The money is reserved at the bank.
        Authorized = "authorized",
        /// The money was taken. Closed.
        Captured = "captured",
        /// Declined, or not authenticated. Closed.
        Failed = "failed",
        /// The authorization ran out. Closed.
        Expired = "expired",
        /// Abandoned before money was taken: the payment was canceled or another attempt replaced it. Closed.
        Voided = "voided",
    }
}

names! {
    /// What happened to an attempt: the name of an edge.
    pub enum Kind: "attempt edge" {
        /// We asked Stripe to confirm.
        Started = "started",
        /// Another party confirmed, such as the customer's browser, and Stripe showed the result.
        Observed = "observed",
        /// The customer must act.
        ActionRequired = "action_required",
        /// The bank or the method is working on it.
        Pended = "pended",
        /// The money is reserved at the bank.
        Authorized = "authorized",
        /// The money was taken.
        Captured = "captured",
        /// Declined, or not authenticated.
        Failed = "failed",
        /// The authorization ran out.
        Expired = "expired",
        /// Abandoned before money was taken.
        Voided = "voided",
        /// Stripe's object was read and differed.
        Resync = "resync",
    }
}

/// One confirmation of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Ours, a UUIDv7.
    pub id: Uuid,
    /// 1 for the payment's first.
    pub number: i32,
    /// Its status.
    pub status: Status,
    /// `ch_…`, once Stripe made one for it.
    pub charge_id: Option<String>,
    /// `pm_…`
    pub payment_method: Option<String>,
    /// Why it failed.
    pub error: Option<StripeError>,
}

impl Status {
    /// Whether it may still take the money.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(
            self,
            Self::Started | Self::RequiresAction | Self::Pending | Self::Authorized
        )
    }

    /// The status of the newest attempt that an intent in this status shows; `None` where the status alone does not show
    /// it.
    #[must_use]
    pub const fn of_intent(status: payment::Status) -> Option<Self> {
        match status {
            payment::Status::RequiresAction => Some(Self::RequiresAction),
            payment::Status::Processing => Some(Self::Pending),
            payment::Status::RequiresCapture => Some(Self::Authorized),
            payment::Status::Succeeded => Some(Self::Captured),
            payment::Status::RequiresPaymentMethod
            | payment::Status::RequiresConfirmation
            | payment::Status::Canceled
            | payment::Status::LocalCreated
            | payment::Status::LocalRejected => None,
        }
    }

    /// The status of an attempt whose charge is this one; `None` where Stripe's status is unknown.
    #[must_use]
    pub const fn of_charge(charge: &Charge) -> Option<Self> {
        match charge.status {
            ChargeStatus::Succeeded if charge.captured => Some(Self::Captured),
            ChargeStatus::Succeeded => Some(Self::Authorized),
            ChargeStatus::Pending => Some(Self::Pending),
            ChargeStatus::Failed => Some(Self::Failed),
            ChargeStatus::Unknown => None,
        }
    }
}

/// The edge from `from` (`None`: the attempt does not exist yet) by `kind` to `to`, if there is one.
#[must_use]
pub fn edge(from: Option<Status>, kind: Kind, to: Status) -> Option<Edge> {
    edge::take::<AttemptGraph>(from, kind, to)
}

/// The kind by which a report of Stripe moves an attempt from `from` to `to` in the ordinary course, if it can.
#[must_use]
pub fn find_kind(from: Option<Status>, to: Status) -> Option<Kind> {
    edge::find_kind::<AttemptGraph>(from, to)
}
