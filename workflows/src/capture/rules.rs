//! The whole life of a capture, rule by rule.

use super::{Kind, Status};
use crate::edge::{Driver, From, Graph, Machine, Rule, To};

/// The machine of captures.
pub(crate) struct CaptureGraph;

impl Graph for CaptureGraph {
    const MACHINE: Machine = Machine::Capture;
    type Status = Status;
    type Kind = Kind;
    const RULES: &'static [Rule<Status, Kind>] = RULES;
}

/// Every rule of the machine: id, from, kind, to, and what drives it.
pub const RULES: &[Rule<Status, Kind>] = &[
    Rule {
        id: "C0",
        from: From::Nothing,
        kind: Kind::Requested,
        to: To::Any(&[Status::Requested]),
        driver: Driver::Client,
        driven_by: "a client asks to capture",
    },
    Rule {
        id: "C1",
        from: From::Nothing,
        kind: Kind::Observed,
        to: To::Any(&[Status::Succeeded]),
        driver: Driver::Stripe,
        driven_by: "Stripe shows captured money of no capture that is known, such as one in the dashboard",
    },
    Rule {
        id: "C2",
        from: From::Any(&[Status::Requested]),
        kind: Kind::Submitted,
        to: To::Any(&[Status::Submitted]),
        driver: Driver::Stripe,
        driven_by: "the capture takes its time: the intent is in processing",
    },
    Rule {
        id: "C3",
        from: From::Any(&[Status::Requested, Status::Submitted]),
        kind: Kind::Succeeded,
        to: To::Any(&[Status::Succeeded]),
        driver: Driver::Stripe,
        driven_by: "the money is captured: an answer, payment_intent.succeeded, or a larger captured sum",
    },
    Rule {
        id: "C4",
        from: From::Any(&[Status::Requested, Status::Submitted]),
        kind: Kind::Failed,
        to: To::Any(&[Status::Failed]),
        driver: Driver::Stripe,
        driven_by: "Stripe refuses the capture, or the authorization or the payment ended without it",
    },
    Rule {
        id: "P19",
        from: From::Every,
        kind: Kind::Resync,
        to: To::Any(&[Status::Submitted, Status::Succeeded, Status::Failed]),
        driver: Driver::Resync,
        driven_by: "Stripe's objects were read and differ",
    },
];
