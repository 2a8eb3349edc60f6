//! The payment's graph: each state lists the edges that leave it, and what all states share stands in `anywhere`.

use statig::Outcome;
use statig::Outcome::{Super, Transition};
use statig::blocking::StateExt;
use statig::prelude::*;

use super::{Kind, Status};
use crate::edges;
use crate::edges::{Edge, EdgeId, Machine as Name, NONE};

/// A move that is asked of the machine: may a payment go by this kind to this status?
type Move = edges::Move<Kind, Status>;

/// The machine keeps nothing of its own; the id of the edge that was taken is left in the context.
struct Machine;

/// The edge from `from` by `kind` to `to`, if there is one.
pub(super) fn edge(from: Option<Status>, kind: Kind, to: Status) -> Option<Edge> {
    let id = match from {
        None => born(kind, to),
        Some(state) => allowed(state, &Move { kind, to }),
    }?;
    Some(Edge {
        id,
        machine: Name::Payment,
        from: from.map_or(NONE, Status::as_str),
        kind: kind.as_str(),
        to: to.as_str(),
    })
}

/// Asks a copy of the state: the machine never holds the payment, so nothing has to be restored.
fn allowed(mut state: Status, asked: &Move) -> EdgeId {
    let mut id = None;
    match state.handle(&mut Machine, asked, &mut id) {
        Transition(_) => id,
        Outcome::Handled | Super => None,
    }
}

/// How a payment begins: a client asked for it.
fn born(kind: Kind, to: Status) -> EdgeId {
    (kind == Kind::Accepted && to == Status::LocalCreated).then_some("P0")
}

#[state_machine(
    initial = "Status::LocalCreated",
    state(custom, name = "Status"),
    superstate(name = "Shared")
)]
impl Machine {
    /// What every state allows: the two edges that correct. Everything else is refused here.
    #[superstate]
    fn anywhere(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        use Status::{LocalCreated, LocalRejected};
        match (event.kind, event.to) {
            (Kind::Resync, LocalCreated | LocalRejected) => Super,
            (Kind::Resync | Kind::Forced, _) => event.along("P19", context),
            _ => Super,
        }
    }

    #[state(superstate = "anywhere")]
    fn local_created(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        use Status::{
            Canceled, LocalCreated, LocalRejected, Processing, RequiresAction, RequiresCapture,
            RequiresConfirmation, RequiresPaymentMethod, Succeeded,
        };
        match (event.kind, event.to) {
            (Kind::IntentCreated, RequiresPaymentMethod | RequiresConfirmation) => {
                event.along("P1", context)
            }
            (Kind::IntentAdopted, RequiresAction | Processing | RequiresCapture | Succeeded) => {
                event.along("P2", context)
            }
            (Kind::IntentAdopted, Canceled) => event.along("P4", context),
            (Kind::IntentRejected, LocalRejected) => event.along("P3", context),
            (Kind::CancelRequested, LocalCreated) => event.along("P14", context),
            _ => Super,
        }
    }

    #[state(superstate = "anywhere")]
    fn requires_payment_method(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        use Status::{
            Canceled, Processing, RequiresAction, RequiresCapture, RequiresConfirmation,
            RequiresPaymentMethod, Succeeded,
        };
        match (event.kind, event.to) {
            (Kind::MethodAttached, RequiresConfirmation) => event.along("P5", context),
            (Kind::ActionRequired, RequiresAction) => event.along("P6", context),
            (Kind::ProcessingStarted, Processing) => event.along("P7", context),
            (Kind::CapturableUpdated, RequiresCapture) => event.along("P8", context),
            (Kind::Succeeded, Succeeded) => event.along("P11", context),
            (Kind::PaymentFailed, RequiresPaymentMethod) => event.along("P13", context),
            (Kind::CancelRequested, RequiresPaymentMethod) | (Kind::Canceled, Canceled) => {
                event.along("P14", context)
            }
            _ => Super,
        }
    }

    #[state(superstate = "anywhere")]
    fn requires_confirmation(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        use Status::{
            Canceled, Processing, RequiresAction, RequiresCapture, RequiresConfirmation,
            RequiresPaymentMethod, Succeeded,
        };
        match (event.kind, event.to) {
            (Kind::ActionRequired, RequiresAction) => event.along("P6", context),
            (Kind::ProcessingStarted, Processing) => event.along("P7", context),
            (Kind::CapturableUpdated, RequiresCapture) => event.along("P8", context),
            (Kind::Succeeded, Succeeded) => event.along("P11", context),
            (Kind::PaymentFailed, RequiresPaymentMethod) => event.along("P12", context),
            (Kind::CancelRequested, RequiresConfirmation) | (Kind::Canceled, Canceled) => {
                event.along("P14", context)
            }
            _ => Super,
        }
    }

    #[state(superstate = "anywhere")]
    fn requires_action(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        use Status::{
            Canceled, Processing, RequiresAction, RequiresCapture, RequiresPaymentMethod, Succeeded,
        };
        match (event.kind, event.to) {
            (Kind::ProcessingStarted, Processing) => event.along("P7", context),
            (Kind::CapturableUpdated, RequiresCapture) => event.along("P8", context),
            (Kind::Succeeded, Succeeded) => event.along("P11", context),
            (Kind::PaymentFailed, RequiresPaymentMethod) => event.along("P12", context),
            (Kind::CancelRequested, RequiresAction) | (Kind::Canceled, Canceled) => {
                event.along("P14", context)
            }
            _ => Super,
        }
    }

    #[state(superstate = "anywhere")]
    fn processing(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        use Status::{
            Canceled, Processing, RequiresAction, RequiresCapture, RequiresPaymentMethod, Succeeded,
        };
        match (event.kind, event.to) {
            (Kind::ActionRequired, RequiresAction) => event.along("P6", context),
            (Kind::CapturableUpdated, RequiresCapture) => event.along("P8", context),
            (Kind::Succeeded, Succeeded) => event.along("P11", context),
            (Kind::PaymentFailed, RequiresPaymentMethod) => event.along("P12", context),
            (Kind::CancelRequested, Processing) | (Kind::Canceled, Canceled) => {
                event.along("P14", context)
            }
            _ => Super,
        }
    }

    #[state(superstate = "anywhere")]
    fn requires_capture(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        use Status::{Canceled, Processing, RequiresCapture, Succeeded};
        match (event.kind, event.to) {
            (Kind::CapturableUpdated, RequiresCapture) => event.along("P9", context),
            (Kind::CaptureRequested, RequiresCapture) => event.along("P9c", context),
            (Kind::ProcessingStarted, Processing) => event.along("P10", context),
            (Kind::Succeeded, Succeeded) => event.along("P11", context),
            (Kind::CancelRequested, RequiresCapture) | (Kind::Canceled, Canceled) => {
                event.along("P14", context)
            }
            _ => Super,
        }
    }

    #[state(superstate = "anywhere")]
    fn succeeded() -> Outcome<Status> {
        Super
    }

    #[state(superstate = "anywhere")]
    fn canceled() -> Outcome<Status> {
        Super
    }

    #[state(superstate = "anywhere")]
    fn local_rejected() -> Outcome<Status> {
        Super
    }
}
