//! The attempt's graph: each state lists the edges that leave it, and what all states share stands in `anywhere`.

use statig::Outcome;
use statig::Outcome::{Super, Transition};
use statig::blocking::StateExt;
use statig::prelude::*;

use super::{Kind, Status};
use crate::edges;
use crate::edges::{Edge, EdgeId, Machine as Name, NONE};

/// A move that is asked of the machine: may an attempt go by this kind to this status?
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
        machine: Name::Attempt,
        from: from.map_or(NONE, Status::as_str),
        kind: kind.as_str(),
        to: to.as_str(),
    })
}

/// Asks a copy of the state: the machine never holds the attempt, so nothing has to be restored.
fn allowed(mut state: Status, asked: &Move) -> EdgeId {
    let mut id = None;
    match state.handle(&mut Machine, asked, &mut id) {
        Transition(_) => id,
        Outcome::Handled | Super => None,
    }
}

/// How an attempt begins: we start it, or we observe one that somebody else started.
fn born(kind: Kind, to: Status) -> EdgeId {
    match (kind, to) {
        (Kind::Started, Status::Started) => Some("A0"),
        (Kind::Observed, Status::Started | Status::Expired | Status::Voided) => None,
        (Kind::Observed, _) => Some("A1"),
        _ => None,
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
            (Kind::Resync, _) => event.along("P19", context),
            _ => Super,
        }
    }

    /// What every open attempt allows: to end with the money, or to be given up.
    #[superstate(superstate = "anywhere")]
    fn open(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        match (event.kind, event.to) {
            (Kind::Captured, Status::Captured) => event.along("A5", context),
            (Kind::Voided, Status::Voided) => event.along("A8", context),
            _ => Super,
        }
    }

    #[state(superstate = "open")]
    fn started(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        match (event.kind, event.to) {
            (Kind::ActionRequired, Status::RequiresAction) => event.along("A2", context),
            (Kind::Pended, Status::Pending) => event.along("A3", context),
            (Kind::Authorized, Status::Authorized) => event.along("A4", context),
            (Kind::Failed, Status::Failed) => event.along("A6", context),
            _ => Super,
        }
    }

    #[state(superstate = "open")]
    fn requires_action(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        match (event.kind, event.to) {
            (Kind::Pended, Status::Pending) => event.along("A3", context),
            (Kind::Authorized, Status::Authorized) => event.along("A4", context),
            (Kind::Failed, Status::Failed) => event.along("A6", context),
            _ => Super,
        }
    }

    #[state(superstate = "open")]
    fn pending(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        match (event.kind, event.to) {
            (Kind::ActionRequired, Status::RequiresAction) => event.along("A2", context),
            (Kind::Authorized, Status::Authorized) => event.along("A4", context),
            (Kind::Failed, Status::Failed) => event.along("A6", context),
            _ => Super,
        }
    }

    /// A capture may take its time (P10); what was authorized does not fail before it is captured, it runs out.
    #[state(superstate = "open")]
    fn authorized(context: &mut EdgeId, event: &Move) -> Outcome<Status> {
        match (event.kind, event.to) {
            (Kind::Pended, Status::Pending) => event.along("A3", context),
            (Kind::Expired, Status::Expired) => event.along("A7", context),
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
