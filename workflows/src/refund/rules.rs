//! The whole life of a refund, rule by rule.

use super::{Kind, Status};
use crate::edge::{Driver, From, Graph, Machine, Rule, To};

/// The machine of refunds.
pub(crate) struct RefundGraph;

impl Graph for RefundGraph {
    const MACHINE: Machine = Machine::Refund;
    type Status = Status;
    type Kind = Kind;
    const RULES: &'static [Rule<Status, Kind>] = RULES;
}

/// The statuses that Stripe's object can have.
const OF_STRIPE: &[Status] = &[
    Status::Pending,
    Status::RequiresAction,
    Status::Succeeded,
    Status::Failed,
    Status::Canceled,
];

/// Every rule of the machine: id, from, kind, to, and what drives it.
pub const RULES: &[Rule<Status, Kind>] = &[
    Rule {
        id: "R0",
        from: From::Nothing,
        kind: Kind::Requested,
        to: To::Any(&[Status::LocalRequested]),
        driver: Driver::Client,
        driven_by: "a client asks for a refund",
    },
    Rule {
        id: "R1",
        from: From::Any(&[Status::LocalRequested]),
        kind: Kind::Created,
        to: To::Any(&[
            Status::Pending,
            Status::RequiresAction,
            Status::Succeeded,
            Status::Failed,
        ]),
        driver: Driver::Stripe,
        driven_by: "the answer to create_refund, or the first report of the refund",
    },
    Rule {
        id: "R2",
        from: From::Any(&[Status::LocalRequested]),
        kind: Kind::Rejected,
        to: To::Any(&[Status::LocalRejected]),
        driver: Driver::Stripe,
        driven_by: "Stripe refuses create_refund for good",
    },
    Rule {
        id: "R3",
        from: From::Any(&[Status::Pending, Status::RequiresAction]),
        kind: Kind::Succeeded,
        to: To::Any(&[Status::Succeeded]),
        driver: Driver::Stripe,
        driven_by: "the money is on its way back: refund.updated",
    },
    Rule {
        id: "R4",
        from: From::Any(&[Status::RequiresAction]),
        kind: Kind::Pended,
        to: To::Any(&[Status::Pending]),
        driver: Driver::Stripe,
        driven_by: "the customer has acted; a resync sees it",
    },
    Rule {
        id: "R4",
        from: From::Any(&[Status::Pending]),
        kind: Kind::ActionRequired,
        to: To::Any(&[Status::RequiresAction]),
        driver: Driver::Stripe,
        driven_by: "the customer must act; a resync sees it",
    },
    Rule {
        id: "R5",
        from: From::Any(&[
            Status::Pending,
            Status::RequiresAction,
            Status::LocalRequested,
        ]),
        kind: Kind::Failed,
        to: To::Any(&[Status::Failed]),
        driver: Driver::Stripe,
        driven_by: "the bank sent the money back: refund.failed",
    },
    Rule {
        id: "R7",
        from: From::Any(&[Status::RequiresAction, Status::Pending]),
        kind: Kind::Canceled,
        to: To::Any(&[Status::Canceled]),
        driver: Driver::Stripe,
        driven_by: "the refund was withdrawn: refund.updated",
    },
    Rule {
        id: "R8",
        from: From::Nothing,
        kind: Kind::Imported,
        to: To::Any(&[
            Status::Pending,
            Status::RequiresAction,
            Status::Succeeded,
            Status::Failed,
            Status::Canceled,
        ]),
        driver: Driver::Stripe,
        driven_by: "Stripe shows a refund that was made outside of Pawl",
    },
    Rule {
        id: "R9",
        from: From::Nothing,
        kind: Kind::AuthRelease,
        to: To::Any(OF_STRIPE),
        driver: Driver::Stripe,
        driven_by: "Stripe released what was authorized and never captured",
    },
    Rule {
        id: "P19",
        from: From::Every,
        kind: Kind::Resync,
        to: To::Any(OF_STRIPE),
        driver: Driver::Resync,
        driven_by: "Stripe's object was read and differs",
    },
    Rule {
        id: "P19",
        from: From::Every,
        kind: Kind::Forced,
        to: To::Any(&[
            Status::LocalRequested,
            Status::Pending,
            Status::RequiresAction,
            Status::Succeeded,
            Status::Failed,
            Status::Canceled,
            Status::LocalRejected,
        ]),
        driver: Driver::Operator,
        driven_by: "an operator moves the refund by hand, with a reason",
    },
];
