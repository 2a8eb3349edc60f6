//! The refund's graph: each state lists the edges that leave it, and what all states share stands in `anywhere`.

use statig::Outcome::{self, Super, Transition};
use statig::blocking::StateExt;
use statig::prelude::*;

use super::{Kind, Status};
use crate::edges::{Edge, Machine as Name, NONE};

/// A move that is asked of the machine: may a refund go by this kind to this status?
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
        None => born(kind, to)?,
        // A copy of the state is asked: the machine never holds the refund, so nothing has to be restored.
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
        machine: Name::Refund,
        from: from.map_or(NONE, Status::as_str),
        kind: kind.as_str(),
        to: to.as_str(),
    })
}

/// How a refund begins: we ask for it, or we import one that was made outside of Pawl.
fn born(kind: Kind, to: Status) -> EdgeId {
    match (kind, to) {
        (Kind::Requested, Status::LocalRequested) => Some("R0"),
        (Kind::Imported, Status::LocalRequested | Status::LocalRejected) => None,
        (Kind::Imported, _) => Some("R8"),
        _ => None,
    }
}

fn take(id: &'static str, event: Move, context: &mut EdgeId) -> Outcome<Status> {
    *context = Some(id);
    Transition(event.to)
}

#[state_machine(
    initial = "Status::LocalRequested",
    state(custom, name = "Status"),
    superstate(name = "Shared")
)]
impl Machine {
    /// What every state allows: the two edges that correct. Everything else is refused here.
    #[superstate]
    fn anywhere(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        match (event.kind, event.to) {
            (Kind::Resync, Status::LocalRequested | Status::LocalRejected) => Super,
            (Kind::Resync | Kind::Forced, _) => take("P19", *event, context),
            _ => Super,
        }
    }

    #[state(superstate = "anywhere")]
    fn local_requested(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        use Status::{Failed, LocalRejected, Pending, RequiresAction, Succeeded};
        match (event.kind, event.to) {
            (Kind::Created, Pending | RequiresAction | Succeeded | Failed) => {
                take("R1", *event, context)
            }
            (Kind::Rejected, LocalRejected) => take("R2", *event, context),
            _ => Super,
        }
    }

    #[state(superstate = "anywhere")]
    fn pending(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        match (event.kind, event.to) {
            (Kind::Succeeded, Status::Succeeded) => take("R3", *event, context),
            (Kind::ActionRequired, Status::RequiresAction) => take("R4", *event, context),
            (Kind::Failed, Status::Failed) => take("R5", *event, context),
            (Kind::Canceled, Status::Canceled) => take("R7", *event, context),
            _ => Super,
        }
    }

    #[state(superstate = "anywhere")]
    fn requires_action(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        match (event.kind, event.to) {
            (Kind::Succeeded, Status::Succeeded) => take("R3", *event, context),
            (Kind::Pended, Status::Pending) => take("R4", *event, context),
            (Kind::Failed, Status::Failed) => take("R5", *event, context),
            (Kind::Canceled, Status::Canceled) => take("R7", *event, context),
            _ => Super,
        }
    }

    #[state(superstate = "anywhere")]
    fn succeeded() -> Outcome<Status> {
        Super
    }

    #[state(superstate = "anywhere")]
    fn failed() -> Outcome<Status> {
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
