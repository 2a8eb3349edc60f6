//! The whole life of an attempt, rule by rule.

use super::{Kind, Status};
use crate::edge::{Driver, From, Graph, Machine, Rule, To};

/// The machine of attempts.
pub(crate) struct AttemptGraph;

impl Graph for AttemptGraph {
    const MACHINE: Machine = Machine::Attempt;
    type Status = Status;
    type Kind = Kind;
    const RULES: &'static [Rule<Status, Kind>] = RULES;
}

/// The statuses of an attempt that may still take the money.
const OPEN: &[Status] = &[
    Status::Started,
    Status::RequiresAction,
    Status::Pending,
    Status::Authorized,
];

/// The statuses that Stripe's objects can show.
const OF_STRIPE: &[Status] = &[
    Status::RequiresAction,
    Status::Pending,
    Status::Authorized,
    Status::Captured,
    Status::Failed,
    Status::Expired,
    Status::Voided,
];

/// Every rule of the machine: id, from, kind, to, and what drives it.
pub const RULES: &[Rule<Status, Kind>] = &[
    Rule {
        id: "A0",
        from: From::Nothing,
        kind: Kind::Started,
        to: To::Any(&[Status::Started]),
        driver: Driver::Client,
        driven_by: "a client asks to confirm, or the payment confirms by itself",
    },
    Rule {
        id: "A1",
        from: From::Nothing,
        kind: Kind::Observed,
        to: To::Any(&[
            Status::RequiresAction,
            Status::Pending,
            Status::Authorized,
            Status::Captured,
            Status::Failed,
        ]),
        driver: Driver::Stripe,
        driven_by: "Stripe shows an attempt that somebody else made, such as the customer's browser",
    },
    Rule {
        id: "A2",
        from: From::Any(&[Status::Started, Status::Pending]),
        kind: Kind::ActionRequired,
        to: To::Any(&[Status::RequiresAction]),
        driver: Driver::Stripe,
        driven_by: "the customer must act: the intent is in requires_action",
    },
    Rule {
        id: "A3",
        from: From::Any(&[Status::Started, Status::RequiresAction, Status::Authorized]),
        kind: Kind::Pended,
        to: To::Any(&[Status::Pending]),
        driver: Driver::Stripe,
        driven_by: "the method or the capture takes its time: the intent is in processing, or charge.pending",
    },
    Rule {
        id: "A4",
        from: From::Any(&[Status::Started, Status::RequiresAction, Status::Pending]),
        kind: Kind::Authorized,
        to: To::Any(&[Status::Authorized]),
        driver: Driver::Stripe,
        driven_by: "the money is authorized: the intent is in requires_capture, or charge.succeeded",
    },
    Rule {
        id: "A5",
        from: From::Any(OPEN),
        kind: Kind::Captured,
        to: To::Any(&[Status::Captured]),
        driver: Driver::Stripe,
        driven_by: "the money is captured: the intent is in succeeded, or charge.captured",
    },
    Rule {
        id: "A6",
        from: From::Any(&[Status::Started, Status::RequiresAction, Status::Pending]),
        kind: Kind::Failed,
        to: To::Any(&[Status::Failed]),
        driver: Driver::Stripe,
        driven_by: "declined or not authenticated: payment_intent.payment_failed, charge.failed, or a refused confirm",
    },
    Rule {
        id: "A7",
        from: From::Any(&[Status::Authorized]),
        kind: Kind::Expired,
        to: To::Any(&[Status::Expired]),
        driver: Driver::Stripe,
        driven_by: "the authorization ran out: charge.expired, or Stripe canceled the intent by itself",
    },
    Rule {
        id: "A8",
        from: From::Any(OPEN),
        kind: Kind::Voided,
        to: To::Any(&[Status::Voided]),
        driver: Driver::Stripe,
        driven_by: "the payment was canceled, or a new confirm takes the place of an unfinished action",
    },
    Rule {
        id: "P19",
        from: From::Every,
        kind: Kind::Resync,
        to: To::Any(OF_STRIPE),
        driver: Driver::Resync,
        driven_by: "Stripe's objects were read and differ",
    },
];
