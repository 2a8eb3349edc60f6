//! The attempt's graph: each state lists the edges that leave it, and what all states share stands in `anywhere`.

use statig::Outcome::{self, Super, Transition};
use statig::blocking::StateExt;
use statig::prelude::*;

use super::{Kind, Status};
use crate::edges::{Edge, Machine as Name, NONE};

/// A move that is asked of the machine: may an attempt go by this kind to this status?
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
        // A copy of the state is asked: the machine never holds the attempt, so nothing has to be restored.
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
        machine: Name::Attempt,
        from: from.map_or(NONE, Status::as_str),
        kind: kind.as_str(),
        to: to.as_str(),
    })
}

/// How an attempt begins: we start it, or we observe one that somebody else started.
fn born(kind: Kind, to: Status) -> EdgeId {
    match (kind, to) {
        (Kind::Started, Status::Started) => Some("A0"),
        (Kind::Observed, Status::Started) => None,
        (Kind::Observed, _) => Some("A1"),
        _ => None,
    }
}

fn take(id: &'static str, event: Move, context: &mut EdgeId) -> Outcome<Status> {
    *context = Some(id);
    Transition(event.to)
}

/// The four ways in which an open attempt ends.
fn ends(event: Move, context: &mut EdgeId) -> Outcome<Status> {
    match (event.kind, event.to) {
        (Kind::Captured, Status::Captured) => take("A5", event, context),
        (Kind::Failed, Status::Failed) => take("A6", event, context),
        (Kind::Expired, Status::Expired) => take("A7", event, context),
        (Kind::Voided, Status::Voided) => take("A8", event, context),
        _ => Super,
    }
}

#[state_machine(
    initial = "Status::Started",
    state(custom, name = "Status"),
    superstate(name = "Shared")
)]
impl Machine {
    /// What every state allows: the edge that corrects. Everything else is refused here.
    #[superstate]
    fn anywhere(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        match (event.kind, event.to) {
            (Kind::Resync, Status::Started) => Super,
            (Kind::Resync, _) => take("A9", *event, context),
            _ => Super,
        }
    }

    /// What every open attempt allows: to end.
    #[superstate(superstate = "anywhere")]
    fn open(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        ends(*event, context)
    }

    #[state(superstate = "open")]
    fn started(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        match (event.kind, event.to) {
            (Kind::ActionRequired, Status::RequiresAction) => take("A2", *event, context),
            (Kind::Pended, Status::Pending) => take("A3", *event, context),
            (Kind::Authorized, Status::Authorized) => take("A4", *event, context),
            _ => Super,
        }
    }

    #[state(superstate = "open")]
    fn requires_action(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        match (event.kind, event.to) {
            (Kind::Pended, Status::Pending) => take("A3", *event, context),
            (Kind::Authorized, Status::Authorized) => take("A4", *event, context),
            _ => Super,
        }
    }

    #[state(superstate = "open")]
    fn pending(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        match (event.kind, event.to) {
            (Kind::ActionRequired, Status::RequiresAction) => take("A2", *event, context),
            (Kind::Authorized, Status::Authorized) => take("A4", *event, context),
            _ => Super,
        }
    }

    #[state(superstate = "open")]
    fn authorized(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        match (event.kind, event.to) {
            (Kind::Pended, Status::Pending) => take("A3", *event, context),
            _ => Super,
        }
    }

    #[state(superstate = "anywhere")]
    fn captured() -> Outcome<Status> {
        Super
    }

    #[state(superstate = "anywhere")]
    fn failed() -> Outcome<Status> {
        Super
    }

    #[state(superstate = "anywhere")]
    fn expired() -> Outcome<Status> {
        Super
    }

    #[state(superstate = "anywhere")]
    fn voided() -> Outcome<Status> {
        Super
    }
}
