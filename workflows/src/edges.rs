//! The one table of edges: what the machines allow, and nothing else.
//!
//! The table is not written down a second time. [`all`] asks the machines about every pair of statuses and every kind,
//! so the database (its table `edge`, to which every transition points), the drawings and the tests share what the
//! machines do.

use statig::Outcome;

use crate::words::words;
use crate::{attempt, payment, refund};

/// What stands where the thing does not exist yet: the `from` of a first edge.
pub const NONE: &str = "none";

words! {
    /// One of the machines.
    pub enum Machine: "machine" {
        /// [`crate::payment`]
        Payment = "payment",
        /// [`crate::attempt`]
        Attempt = "attempt",
        /// [`crate::refund`]
        Refund = "refund",
    }
}

/// One way in which one thing may move. `(machine, from, kind, to)` is unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// Its name in the documents, such as `P7`; edges that mean the same share it.
    pub id: &'static str,
    /// Whose edge it is.
    pub machine: Machine,
    /// The status it leaves, or [`NONE`].
    pub from: &'static str,
    /// What drives it.
    pub kind: &'static str,
    /// The status it leads to.
    pub to: &'static str,
}

/// The id of the edge that a machine took, left in the machine's context; nothing while none was taken.
pub(crate) type EdgeId = Option<&'static str>;

/// A move that is asked of a machine. The state that allows it says along which edge.
pub(crate) struct Move<K, S> {
    pub(crate) kind: K,
    pub(crate) to: S,
}

impl<K, S: Copy> Move<K, S> {
    /// Allows the move, along the edge with this id.
    pub(crate) fn along(&self, id: &'static str, taken: &mut EdgeId) -> Outcome<S> {
        *taken = Some(id);
        Outcome::Transition(self.to)
    }
}

/// Every edge of every machine, in the order of machine, `from`, kind and `to` as they are declared.
#[must_use]
pub fn all() -> Vec<Edge> {
    Machine::ALL
        .iter()
        .flat_map(|machine| of(*machine))
        .collect()
}

/// Every edge of one machine, in the order of `from`, kind and `to` as they are declared.
#[must_use]
pub fn of(machine: Machine) -> Vec<Edge> {
    match machine {
        Machine::Payment => asked(payment::Status::ALL, payment::Kind::ALL, payment::edge),
        Machine::Attempt => asked(attempt::Status::ALL, attempt::Kind::ALL, attempt::edge),
        Machine::Refund => asked(refund::Status::ALL, refund::Kind::ALL, refund::edge),
    }
}

/// Asks a machine about everything that could be an edge.
fn asked<S: Copy, K: Copy>(
    statuses: &[S],
    kinds: &[K],
    edge: impl Fn(Option<S>, K, S) -> Option<Edge>,
) -> Vec<Edge> {
    let sources = std::iter::once(None).chain(statuses.iter().copied().map(Some));
    let mut found = Vec::new();
    for from in sources {
        for kind in kinds {
            found.extend(statuses.iter().filter_map(|to| edge(from, *kind, *to)));
        }
    }
    found
}
