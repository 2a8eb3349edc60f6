//! The refund's graph: each state lists the edges that leave it, and what all states share stands in `anywhere`.

use statig::Outcome;
use statig::Outcome::{Super, Transition};
use statig::blocking::StateExt;
use statig::prelude::*;

use super::{Kind, Status};
use crate::edges;
use crate::edges::{Edge, EdgeId, Machine as Name, NONE};

/// A move that is asked of the machine: may a refund go by this kind to this status?
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
        machine: Name::Refund,
        from: from.map_or(NONE, Status::as_str),
        kind: kind.as_str(),
        to: to.as_str(),
    })
}

/// Asks a copy of the state: the machine never holds the refund, so nothing has to be restored.
fn allowed(mut state: Status, asked: &Move) -> EdgeId {
    let mut id = None;
    match state.handle(&mut Machine, asked, &mut id) {
        Transition(_) => id,
        Outcome::Handled | Super => None,
    }
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
            (Kind::Resync | Kind::Forced, _) => event.along("P19", context),
            _ => Super,
        }
    }

    #[state(superstate = "anywhere")]
    fn local_requested(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        use Status::{Failed, LocalRejected, Pending, RequiresAction, Succeeded};
        match (event.kind, event.to) {
            (Kind::Created, Pending | RequiresAction | Succeeded | Failed) => {
                event.along("R1", context)
            }
            (Kind::Rejected, LocalRejected) => event.along("R2", context),
            (Kind::Failed, Failed) => event.along("R5", context),
            _ => Super,
        }
    }

    #[state(superstate = "anywhere")]
    fn pending(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        match (event.kind, event.to) {
            (Kind::Succeeded, Status::Succeeded) => event.along("R3", context),
            (Kind::ActionRequired, Status::RequiresAction) => event.along("R4", context),
            (Kind::Failed, Status::Failed) => event.along("R5", context),
            (Kind::Canceled, Status::Canceled) => event.along("R7", context),
            _ => Super,
        }
    }

    #[state(superstate = "anywhere")]
    fn requires_action(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        match (event.kind, event.to) {
            (Kind::Succeeded, Status::Succeeded) => event.along("R3", context),
            (Kind::Pended, Status::Pending) => event.along("R4", context),
            (Kind::Failed, Status::Failed) => event.along("R5", context),
            (Kind::Canceled, Status::Canceled) => event.along("R7", context),
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
