//! A refund: money of a captured payment that goes back to the customer.

mod rules;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::edge;
use crate::edge::Edge;
use crate::names::names;
use crate::stripe::{RefundStatus, StripeError};

pub use rules::RULES;
pub(crate) use rules::RefundGraph;

names! {
    /// The status of a refund: Stripe's own name, or a name with `local_` for what exists only here.
    pub enum Status: "refund status" {
        /// Accepted here, its amount reserved; Stripe has not yet answered.
        LocalRequested = "local_requested",
        /// Under way.
        Pending = "pending",
        /// The customer must act to receive the money.
        RequiresAction = "requires_action",
        /// The money is on its way back. Left only by `resync` and `forced`.
        Succeeded = "succeeded",
        /// The bank sent the money back to us. Never left, except by `resync` and `forced`.
        Failed = "failed",
        /// Withdrawn before it happened. Never left, except by `resync` and `forced`.
        Canceled = "canceled",
        /// Stripe refused to make it. Never left, except by `resync` and `forced`.
        LocalRejected = "local_rejected",
    }
}

names! {
    /// What happened to a refund: the name of an edge.
    pub enum Kind: "refund edge" {
        /// R0: a client asked for it; its amount is reserved.
        Requested = "requested",
        /// R1: Stripe made it.
        Created = "created",
        /// R2: Stripe refused to make it.
        Rejected = "rejected",
        /// R3: the money is on its way back.
        Succeeded = "succeeded",
        /// R4: the customer acted.
        Pended = "pended",
        /// R4: the customer must act.
        ActionRequired = "action_required",
        /// R5: the bank sent the money back to us.
        Failed = "failed",
        /// R7: withdrawn before it happened.
        Canceled = "canceled",
        /// R8: it was made outside of Pawl.
        Imported = "imported",
        /// R9: Stripe released money that was authorized and never captured.
        AuthRelease = "auth_release",
        /// Stripe's object was read and differed.
        Resync = "resync",
        /// An operator decided.
        Forced = "forced",
    }
}

/// Money of a captured payment that goes back to the customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Ours, a UUIDv7.
    pub id: Uuid,
    /// Its status.
    pub status: Status,
    /// In the unit of the payment's currency; always positive.
    pub amount: i64,
    /// `re_…`, once Stripe made it.
    pub stripe_id: Option<String>,
    /// Why it was made.
    pub reason: Option<String>,
    /// Why it was refused or failed.
    pub error: Option<StripeError>,
}

impl Status {
    /// Whether only `resync` and `forced` lead out of it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::Canceled | Self::LocalRejected
        )
    }

    /// The status of the same name as Stripe's; `None` where Stripe's status is unknown.
    #[must_use]
    pub const fn of_refund(status: RefundStatus) -> Option<Self> {
        match status {
            RefundStatus::Pending => Some(Self::Pending),
            RefundStatus::RequiresAction => Some(Self::RequiresAction),
            RefundStatus::Succeeded => Some(Self::Succeeded),
            RefundStatus::Failed => Some(Self::Failed),
            RefundStatus::Canceled => Some(Self::Canceled),
            RefundStatus::Unknown => None,
        }
    }
}

impl Refund {
    /// Its share in its payment's sums: `(reserved, refunded)`. A release has none, because its money was never captured.
    #[must_use]
    pub fn contribution(&self) -> (i64, i64) {
        match self.status {
            _ if is_release(self.reason.as_deref()) => (0, 0),
            Status::LocalRequested | Status::Pending | Status::RequiresAction => (self.amount, 0),
            Status::Succeeded => (0, self.amount),
            Status::Failed | Status::Canceled | Status::LocalRejected => (0, 0),
        }
    }
}

/// Whether a refund with this reason is Stripe's release of money that was authorized and never captured: history, and
/// no money that is given back. Stripe gives this reason; a client cannot.
#[must_use]
pub fn is_release(reason: Option<&str>) -> bool {
    reason == Some("expired_uncaptured_charge")
}

/// The edge from `from` (`None`: the refund does not exist yet) by `kind` to `to`, if there is one.
#[must_use]
pub fn edge(from: Option<Status>, kind: Kind, to: Status) -> Option<Edge> {
    edge::take::<RefundGraph>(from, kind, to)
}

/// The kind by which a report of Stripe moves a refund from `from` to `to` in the ordinary course, if it can.
#[must_use]
pub fn find_kind(from: Option<Status>, to: Status) -> Option<Kind> {
    edge::find_kind::<RefundGraph>(from, to)
}
