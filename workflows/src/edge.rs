//! The rules of a machine, the edges that they stand for, and the driver that lets statig take a move.
//!
//! Each machine lists its rules in one table (`rules.rs` in the folder of its subject). A rule stands
//! for one edge per pair of statuses. All machines share the same driver: a statig machine whose states read the rules
//! that leave them, under one superstate that reads the rules of every status.

use std::marker::PhantomData;

use statig::Outcome;
use statig::blocking::{IntoStateMachine, State, StateExt, Superstate};

use crate::names::{Name, names};

/// The `from` of a first edge: the subject does not exist yet.
pub const NONE: &str = "none";

names! {
    /// One of the machines.
    pub enum Machine: "machine" {
        /// [`crate::payment`]
        Payment = "payment",
        /// [`crate::attempt`]
        Attempt = "attempt",
        /// [`crate::capture`]
        Capture = "capture",
        /// [`crate::refund`]
        Refund = "refund",
        /// [`crate::dispute`]
        Dispute = "dispute",
        /// The money of a dispute: [`crate::dispute::Funds`]
        DisputeFunds = "dispute_funds",
        /// The evidence of a dispute: [`crate::dispute::Evidence`]
        DisputeEvidence = "dispute_evidence",
    }
}

names! {
    /// Who drives a rule.
    pub enum Driver: "driver" {
        /// A command of a client, or the confirm that a payment asks for by itself.
        Client = "client",
        /// A report of Stripe: an answer to a call, or a webhook.
        Stripe = "Stripe",
        /// A review, or a warning of the customer's bank, that Stripe reports: it sets a flag and moves no status.
        Radar = "Radar",
        /// A read of Stripe's object, which corrects from any status.
        Resync = "resync",
        /// An operator.
        Operator = "operator",
        /// The engine itself: a commit, a worker or the sweeper.
        Engine = "engine",
    }
}

/// One way in which one subject may move. `(machine, from, kind, to)` is unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// The id of its rule, such as `P7`; the edges of a rule share it.
    pub id: &'static str,
    /// The machine that has this edge.
    pub machine: Machine,
    /// The status it leaves, or [`NONE`].
    pub from: &'static str,
    /// What happened.
    pub kind: &'static str,
    /// The status it leads to.
    pub to: &'static str,
    /// Whether it corrects: it leads from every status and is no part of the ordinary course.
    pub corrects: bool,
}

/// A row of a machine's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule<S: 'static, K> {
    /// Its name in the documents, such as `P7`.
    pub id: &'static str,
    /// The statuses it leaves.
    pub from: From<S>,
    /// What happened.
    pub kind: K,
    /// The statuses it leads to.
    pub to: To<S>,
    /// Who drives it.
    pub driver: Driver,
    /// The cause, as a sentence.
    pub driven_by: &'static str,
}

/// The statuses that a rule leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From<S: 'static> {
    /// The subject does not exist yet.
    Nothing,
    /// Each of these.
    Any(&'static [S]),
    /// Every status.
    Every,
}

/// The statuses that a rule leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To<S: 'static> {
    /// Each of these.
    Any(&'static [S]),
    /// The status that it leaves.
    Itself,
}

/// Whether the rule allows the move from this status.
fn allows<S: Name, K: Name>(rule: &Rule<S, K>, from: Option<S>, asked: &Move<S, K>) -> bool {
    let leaves = match (rule.from, from) {
        (From::Nothing, None) | (From::Every, Some(_)) => true,
        (From::Any(statuses), Some(from)) => statuses.contains(&from),
        _ => false,
    };
    let reaches = match rule.to {
        To::Any(statuses) => statuses.contains(&asked.to),
        To::Itself => from == Some(asked.to),
    };
    leaves && rule.kind == asked.kind && reaches
}

/// A machine: its name and its table of rules.
pub(crate) trait Graph: Sized + 'static {
    /// Its name.
    const MACHINE: Machine;
    /// The statuses of its subject.
    type Status: Name;
    /// What can happen to its subject.
    type Kind: Name;
    /// Its whole life.
    const RULES: &'static [Rule<Self::Status, Self::Kind>];
}

/// Takes a move: the edge from `from` (`None`: the subject does not exist yet) by `kind` to `to`, if the machine has it.
pub(crate) fn take<G: Graph>(
    from: Option<G::Status>,
    kind: G::Kind,
    to: G::Status,
) -> Option<Edge> {
    let mut taken = None;
    let outcome =
        Standing::<G>(from).handle(&mut Driven(PhantomData), &Move { kind, to }, &mut taken);
    let (Outcome::Transition(Standing(Some(reached))), Some(rule)) = (outcome, taken) else {
        return None;
    };
    Some(Edge {
        id: rule.id,
        machine: G::MACHINE,
        from: from.map_or(NONE, Name::as_str),
        kind: kind.as_str(),
        to: reached.as_str(),
        corrects: rule.from == From::Every,
    })
}

/// The kind by which a report of Stripe moves the subject from `from` to `to` in the ordinary course, if it can: the first
/// such rule of the table.
pub(crate) fn find_kind<G: Graph>(from: Option<G::Status>, to: G::Status) -> Option<G::Kind> {
    let mut reported = G::RULES.iter().filter(|rule| rule.driver == Driver::Stripe);
    let rule = reported.find(|rule| {
        allows(
            rule,
            from,
            &Move {
                kind: rule.kind,
                to,
            },
        )
    })?;
    Some(rule.kind)
}

/// Every edge of a machine, in the order of `from`, kind and `to` as they are declared: each possible move is tried.
pub(crate) fn enumerate<G: Graph>() -> Vec<Edge> {
    let sources = std::iter::once(None).chain(G::Status::ALL.iter().copied().map(Some));
    let mut found = Vec::new();
    for from in sources {
        for kind in G::Kind::ALL {
            let targets = G::Status::ALL.iter();
            found.extend(targets.filter_map(|to| take::<G>(from, *kind, *to)));
        }
    }
    found
}

/// A move that is asked of a machine.
struct Move<S, K> {
    kind: K,
    to: S,
}

/// The statig machine of a graph. It stores nothing: the status of a subject is in its row.
struct Driven<G>(PhantomData<G>);

/// The state of a machine: the subject does not exist yet, or it has a status.
struct Standing<G: Graph>(Option<G::Status>);

/// The superstate of every status: the rules that lead from everywhere.
struct Existing<G: Graph>(G::Status);

/// The rule that a move was taken by, left in statig's context.
type Taken<G> = Option<&'static Rule<<G as Graph>::Status, <G as Graph>::Kind>>;

impl<G: Graph> IntoStateMachine for Driven<G> {
    type Event<'event> = Move<G::Status, G::Kind>;
    type Context<'context> = Taken<G>;
    type State = Standing<G>;
    type Superstate<'sub> = Existing<G>;

    fn initial() -> Standing<G> {
        Standing(None)
    }
}

impl<G: Graph> State<Driven<G>> for Standing<G> {
    fn call_handler(
        &mut self,
        _: &mut Driven<G>,
        asked: &Move<G::Status, G::Kind>,
        taken: &mut Taken<G>,
    ) -> Outcome<Self> {
        let mut rules = G::RULES.iter().filter(|rule| rule.from != From::Every);
        follow(rules.find(|rule| allows(rule, self.0, asked)), asked, taken)
    }

    fn superstate(&mut self) -> Option<Existing<G>> {
        self.0.map(Existing)
    }
}

impl<G: Graph> Superstate<Driven<G>> for Existing<G> {
    fn call_handler(
        &mut self,
        _: &mut Driven<G>,
        asked: &Move<G::Status, G::Kind>,
        taken: &mut Taken<G>,
    ) -> Outcome<Standing<G>> {
        let mut rules = G::RULES.iter().filter(|rule| rule.from == From::Every);
        follow(
            rules.find(|rule| allows(rule, Some(self.0), asked)),
            asked,
            taken,
        )
    }
}

/// Takes the move by the rule, if there is one; otherwise leaves it to the superstate.
fn follow<G: Graph>(
    rule: Taken<G>,
    asked: &Move<G::Status, G::Kind>,
    taken: &mut Taken<G>,
) -> Outcome<Standing<G>> {
    if rule.is_none() {
        return Outcome::Super;
    }
    *taken = rule;
    Outcome::Transition(Standing(Some(asked.to)))
}
