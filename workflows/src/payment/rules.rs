//! The whole life of a payment, rule by rule.

use super::{Kind, Status};
use crate::edge::{Driver, From, Graph, Machine, Rule, To};

/// The machine of payments.
pub(crate) struct PaymentGraph;

impl Graph for PaymentGraph {
    const MACHINE: Machine = Machine::Payment;
    type Status = Status;
    type Kind = Kind;
    const RULES: &'static [Rule<Status, Kind>] = RULES;
}

/// The statuses in which no money is authorized yet.
const BEFORE_CAPTURE: &[Status] = &[
    Status::RequiresPaymentMethod,
    Status::RequiresConfirmation,
    Status::RequiresAction,
    Status::Processing,
];

/// The statuses that Stripe may still end.
const OPEN: &[Status] = &[
    Status::RequiresPaymentMethod,
    Status::RequiresConfirmation,
    Status::RequiresAction,
    Status::Processing,
    Status::RequiresCapture,
];

/// The statuses that Stripe's object can have.
const OF_STRIPE: &[Status] = &[
    Status::RequiresPaymentMethod,
    Status::RequiresConfirmation,
    Status::RequiresAction,
    Status::Processing,
    Status::RequiresCapture,
    Status::Succeeded,
    Status::Canceled,
];

/// Every rule of the machine: id, from, kind, to, and what drives it.
pub const RULES: &[Rule<Status, Kind>] = &[
    Rule {
        id: "P0",
        from: From::Nothing,
        kind: Kind::Accepted,
        to: To::Any(&[Status::LocalCreated]),
        driver: Driver::Client,
        driven_by: "a client creates the payment",
    },
    Rule {
        id: "P1",
        from: From::Any(&[Status::LocalCreated]),
        kind: Kind::IntentCreated,
        to: To::Any(&[Status::RequiresPaymentMethod, Status::RequiresConfirmation]),
        driver: Driver::Stripe,
        driven_by: "the answer to create_intent, or the first report of an intent that waits",
    },
    Rule {
        id: "P2",
        from: From::Any(&[Status::LocalCreated]),
        kind: Kind::IntentAdopted,
        to: To::Any(&[
            Status::RequiresAction,
            Status::Processing,
            Status::RequiresCapture,
            Status::Succeeded,
        ]),
        driver: Driver::Stripe,
        driven_by: "the first report of an intent that has already moved",
    },
    Rule {
        id: "P4",
        from: From::Any(&[Status::LocalCreated]),
        kind: Kind::IntentAdopted,
        to: To::Any(&[Status::Canceled]),
        driver: Driver::Stripe,
        driven_by: "the first report of an intent that was already canceled",
    },
    Rule {
        id: "P3",
        from: From::Any(&[Status::LocalCreated]),
        kind: Kind::IntentRejected,
        to: To::Any(&[Status::LocalRejected]),
        driver: Driver::Stripe,
        driven_by: "Stripe refuses create_intent for good",
    },
    Rule {
        id: "P5",
        from: From::Any(&[Status::RequiresPaymentMethod]),
        kind: Kind::MethodAttached,
        to: To::Any(&[Status::RequiresConfirmation]),
        driver: Driver::Stripe,
        driven_by: "an answer shows that a payment method was attached",
    },
    Rule {
        id: "P6",
        from: From::Any(&[
            Status::RequiresPaymentMethod,
            Status::RequiresConfirmation,
            Status::Processing,
        ]),
        kind: Kind::ActionRequired,
        to: To::Any(&[Status::RequiresAction]),
        driver: Driver::Stripe,
        driven_by: "the customer must act: an answer, or payment_intent.requires_action",
    },
    Rule {
        id: "P7",
        from: From::Any(&[
            Status::RequiresPaymentMethod,
            Status::RequiresConfirmation,
            Status::RequiresAction,
        ]),
        kind: Kind::ProcessingStarted,
        to: To::Any(&[Status::Processing]),
        driver: Driver::Stripe,
        driven_by: "an asynchronous method is under way: an answer, or payment_intent.processing",
    },
    Rule {
        id: "P8",
        from: From::Any(BEFORE_CAPTURE),
        kind: Kind::CapturableUpdated,
        to: To::Any(&[Status::RequiresCapture]),
        driver: Driver::Stripe,
        driven_by: "the money is authorized: an answer, or payment_intent.amount_capturable_updated",
    },
    Rule {
        id: "P9",
        from: From::Any(&[Status::RequiresCapture]),
        kind: Kind::CapturableUpdated,
        to: To::Any(&[Status::RequiresCapture]),
        driver: Driver::Stripe,
        driven_by: "the sum that can be captured changed: payment_intent.amount_capturable_updated",
    },
    Rule {
        id: "P9c",
        from: From::Any(&[Status::RequiresCapture]),
        kind: Kind::CaptureRequested,
        to: To::Any(&[Status::RequiresCapture]),
        driver: Driver::Client,
        driven_by: "a client asks to capture",
    },
    Rule {
        id: "P10",
        from: From::Any(&[Status::RequiresCapture]),
        kind: Kind::ProcessingStarted,
        to: To::Any(&[Status::Processing]),
        driver: Driver::Stripe,
        driven_by: "the capture takes its time: the answer to capture_intent",
    },
    Rule {
        id: "P11",
        from: From::Any(OPEN),
        kind: Kind::Succeeded,
        to: To::Any(&[Status::Succeeded]),
        driver: Driver::Stripe,
        driven_by: "the money is captured: an answer, or payment_intent.succeeded",
    },
    Rule {
        id: "P12",
        from: From::Any(&[
            Status::RequiresConfirmation,
            Status::RequiresAction,
            Status::Processing,
        ]),
        kind: Kind::PaymentFailed,
        to: To::Any(&[Status::RequiresPaymentMethod]),
        driver: Driver::Stripe,
        driven_by: "the attempt failed: an answer, or payment_intent.payment_failed",
    },
    Rule {
        id: "P13",
        from: From::Any(&[Status::RequiresPaymentMethod]),
        kind: Kind::PaymentFailed,
        to: To::Any(&[Status::RequiresPaymentMethod]),
        driver: Driver::Stripe,
        driven_by: "another attempt failed: an answer, or payment_intent.payment_failed",
    },
    Rule {
        id: "P14",
        from: From::Any(OPEN),
        kind: Kind::Canceled,
        to: To::Any(&[Status::Canceled]),
        driver: Driver::Stripe,
        driven_by: "Stripe canceled the intent: the answer to cancel_intent, or payment_intent.canceled",
    },
    Rule {
        id: "P14",
        from: From::Any(&[
            Status::LocalCreated,
            Status::RequiresPaymentMethod,
            Status::RequiresConfirmation,
            Status::RequiresAction,
            Status::Processing,
            Status::RequiresCapture,
        ]),
        kind: Kind::CancelRequested,
        to: To::Itself,
        driver: Driver::Client,
        driven_by: "a client asks to cancel, or the payment expires; Stripe's answer moves the payment",
    },
    Rule {
        id: "P20",
        from: From::Any(&[Status::RequiresCapture]),
        kind: Kind::AuthorizationExpiring,
        to: To::Itself,
        driver: Driver::Engine,
        driven_by: "the timer before the end of the authorization; what its policy asks for are P9c and P14",
    },
    Rule {
        id: "P18",
        from: From::Every,
        kind: Kind::HoldSet,
        to: To::Itself,
        driver: Driver::Radar,
        driven_by: "review.opened, or radar.early_fraud_warning.created",
    },
    Rule {
        id: "P18",
        from: From::Every,
        kind: Kind::HoldCleared,
        to: To::Itself,
        driver: Driver::Radar,
        driven_by: "review.closed, or radar.early_fraud_warning.updated to not actionable",
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
            Status::LocalCreated,
            Status::RequiresPaymentMethod,
            Status::RequiresConfirmation,
            Status::RequiresAction,
            Status::Processing,
            Status::RequiresCapture,
            Status::Succeeded,
            Status::Canceled,
            Status::LocalRejected,
        ]),
        driver: Driver::Operator,
        driven_by: "an operator moves the payment by hand, with a reason",
    },
];
