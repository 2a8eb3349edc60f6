//! An attempt: one confirmation of a payment. At most one of a payment's attempts is open.

mod machine;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::edges::Edge;
use crate::stripe::StripeError;
use crate::words::words;

words! {
    /// Where an attempt stands.
    pub enum Status: "attempt status" {
        /// Asked for; Stripe has not said anything about it.
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
        /// Given up before money was taken: the payment was canceled or another attempt took its place. Closed.
        Voided = "voided",
    }
}

words! {
    /// What makes an attempt move: the name of an edge.
    pub enum Kind: "attempt edge" {
        /// We asked Stripe to confirm.
        Started = "started",
        /// Someone else confirmed, such as the customer's browser, and we saw what came of it.
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
        /// Given up before money was taken.
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
    /// Where it stands.
    pub status: Status,
    /// `ch_…`, once Stripe made one for it.
    pub charge_id: Option<String>,
    /// `pm_…`
    pub payment_method: Option<String>,
    /// Why it failed.
    pub error: Option<StripeError>,
}

impl Status {
    /// Whether something can still come of it.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(
            self,
            Self::Started | Self::RequiresAction | Self::Pending | Self::Authorized
        )
    }
}

impl Kind {
    /// The kind that leads to `status` in the ordinary course.
    #[must_use]
    pub const fn towards(status: Status) -> Self {
        match status {
            Status::Started => Self::Started,
            Status::RequiresAction => Self::ActionRequired,
            Status::Pending => Self::Pended,
            Status::Authorized => Self::Authorized,
            Status::Captured => Self::Captured,
            Status::Failed => Self::Failed,
            Status::Expired => Self::Expired,
            Status::Voided => Self::Voided,
        }
    }
}

/// The edge from `from` (`None`: the attempt does not exist yet) by `kind` to `to`, if there is one.
#[must_use]
pub fn edge(from: Option<Status>, kind: Kind, to: Status) -> Option<Edge> {
    machine::edge(from, kind, to)
}
