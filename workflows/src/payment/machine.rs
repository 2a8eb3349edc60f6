//! The payment's graph: each state lists the edges that leave it, and what all states share stands in `anywhere`.

use statig::Outcome::{self, Super, Transition};
use statig::blocking::StateExt;
use statig::prelude::*;

use super::{Kind, Status};
use crate::edges::{Edge, Machine as Name, NONE};

/// A move that is asked of the machine: may a payment go by this kind to this status?
#[derive(Clone, Copy)]
struct Move {
    kind: Kind,
    to: Status,
}

/// The machine keeps nothing of its own; the id of the edge that was taken is left in the context.
#[derive(Default)]
struct Machine;

type EdgeId = Option<&'static str>;

/// The edge from `from` by `kind` to `to`, if there is one.
pub(super) fn edge(from: Option<Status>, kind: Kind, to: Status) -> Option<Edge> {
    let id = match from {
        None => (kind == Kind::Accepted && to == Status::LocalCreated).then_some("P0")?,
        // A copy of the state is asked: the machine never holds the payment, so nothing has to be restored.
        Some(mut state) => {
            let mut id = None;
            let outcome = state.handle(&mut Machine, &Move { kind, to }, &mut id);
            match outcome {
                Transition(reached) if reached == to => id?,
                Transition(_) | Outcome::Handled | Super => return None,
            }
        }
    };
    Some(Edge {
        id,
        machine: Name::Payment,
        from: from.map_or(NONE, Status::as_str),
        kind: kind.as_str(),
        to: to.as_str(),
    })
}

fn take(id: &'static str, event: Move, context: &mut EdgeId) -> Outcome<Status> {
    *context = Some(id);
    Transition(event.to)
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
            (Kind::Resync | Kind::Forced, _) => take("P19", *event, context),
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
                take("P1", *event, context)
            }
            (Kind::IntentAdopted, RequiresAction | Processing | RequiresCapture | Succeeded) => {
                take("P2", *event, context)
            }
            (Kind::IntentAdopted, Canceled) => take("P4", *event, context),
            (Kind::IntentRejected, LocalRejected) => take("P3", *event, context),
            (Kind::CancelRequested, LocalCreated) => take("P14", *event, context),
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
            (Kind::MethodAttached, RequiresConfirmation) => take("P5", *event, context),
            (Kind::ActionRequired, RequiresAction) => take("P6", *event, context),
            (Kind::ProcessingStarted, Processing) => take("P7", *event, context),
            (Kind::CapturableUpdated, RequiresCapture) => take("P8", *event, context),
            (Kind::Succeeded, Succeeded) => take("P11", *event, context),
            (Kind::PaymentFailed, RequiresPaymentMethod) => take("P13", *event, context),
            (Kind::CancelRequested, RequiresPaymentMethod) | (Kind::Canceled, Canceled) => {
                take("P14", *event, context)
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
            (Kind::ActionRequired, RequiresAction) => take("P6", *event, context),
            (Kind::ProcessingStarted, Processing) => take("P7", *event, context),
            (Kind::CapturableUpdated, RequiresCapture) => take("P8", *event, context),
            (Kind::Succeeded, Succeeded) => take("P11", *event, context),
            (Kind::PaymentFailed, RequiresPaymentMethod) => take("P12", *event, context),
            (Kind::CancelRequested, RequiresConfirmation) | (Kind::Canceled, Canceled) => {
                take("P14", *event, context)
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
            (Kind::ProcessingStarted, Processing) => take("P7", *event, context),
            (Kind::CapturableUpdated, RequiresCapture) => take("P8", *event, context),
            (Kind::Succeeded, Succeeded) => take("P11", *event, context),
            (Kind::PaymentFailed, RequiresPaymentMethod) => take("P12", *event, context),
            (Kind::CancelRequested, RequiresAction) | (Kind::Canceled, Canceled) => {
                take("P14", *event, context)
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
            (Kind::ActionRequired, RequiresAction) => take("P6", *event, context),
            (Kind::CapturableUpdated, RequiresCapture) => take("P8", *event, context),
            (Kind::Succeeded, Succeeded) => take("P11", *event, context),
            (Kind::PaymentFailed, RequiresPaymentMethod) => take("P12", *event, context),
            (Kind::CancelRequested, Processing) | (Kind::Canceled, Canceled) => {
                take("P14", *event, context)
            }
            _ => Super,
        }
    }

    #[state(superstate = "anywhere")]
    fn requires_capture(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        use Status::{Canceled, Processing, RequiresCapture, Succeeded};
        match (event.kind, event.to) {
            (Kind::CapturableUpdated, RequiresCapture) => take("P9", *event, context),
            (Kind::CaptureRequested, RequiresCapture) => take("P9c", *event, context),
            (Kind::ProcessingStarted, Processing) => take("P10", *event, context),
            (Kind::Succeeded, Succeeded) => take("P11", *event, context),
            (Kind::CancelRequested, RequiresCapture) | (Kind::Canceled, Canceled) => {
                take("P14", *event, context)
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
