//! A capture: authorized money of a payment that is taken. At most one of a payment's captures is open.

mod rules;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::edge;
use crate::edge::Edge;
use crate::names::names;
use crate::stripe::StripeError;

pub(crate) use rules::CaptureGraph;
pub use rules::RULES;

names! {
    /// The status of a capture.
    pub enum Status: "capture status" {
        /// Accepted here; Stripe has not answered the call.
        Requested = "requested",
        /// Stripe has accepted it, and the method takes its time: the intent is processing.
        Submitted = "submitted",
        /// The money is taken. Left only by `resync`.
        Succeeded = "succeeded",
        /// Refused, or not executed before the authorization ended. Left only by `resync`.
        Failed = "failed",
    }
}

names! {
    /// What happened to a capture: the name of an edge.
    pub enum Kind: "capture edge" {
        /// C0: a client asked for it.
        Requested = "requested",
        /// C1: it was made outside of Pawl, and Stripe shows the money.
        Observed = "observed",
        /// C2: the method takes its time.
        Submitted = "submitted",
        /// C3: the money is taken.
        Succeeded = "succeeded",
        /// C4: refused, or overtaken by the end of the authorization.
        Failed = "failed",
        /// Stripe's object was read and differed.
        Resync = "resync",
    }
}

names! {
    /// Whether a payment may be captured in several parts.
    pub enum Multicapture: "multicapture" {
        /// Its merchant asks for it; Stripe has not answered.
        Requested = "requested",
        /// Stripe allows it for the charge.
        Available = "available",
        /// Stripe does not allow it for the charge.
        Unavailable = "unavailable",
    }
}

/// Authorized money of a payment that is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// Ours, a UUIDv7.
    pub id: Uuid,
    /// Its status.
    pub status: Status,
    /// In the unit of the payment's currency; always positive.
    pub amount: i64,
    /// Whether the rest of the authorized sum is released with it.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Why it failed.
    pub error: Option<StripeError>,
}

impl Status {
    /// Whether it may still take money.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Requested | Self::Submitted)
    }
}

/// The edge from `from` (`None`: the capture does not exist yet) by `kind` to `to`, if there is one.
#[must_use]
pub fn edge(from: Option<Status>, kind: Kind, to: Status) -> Option<Edge> {
    edge::take::<CaptureGraph>(from, kind, to)
}

/// The kind by which a report of Stripe moves a capture from `from` to `to` in the ordinary course, if it can.
#[must_use]
pub fn find_kind(from: Option<Status>, to: Status) -> Option<Kind> {
    edge::find_kind::<CaptureGraph>(from, to)
}
