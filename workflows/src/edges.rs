//! The edges of all machines, from which the database's table `edge`, the drawings and the tests are made.

use crate::names::Name;
use crate::{attempt, capture, dispute, edge, job, payment, refund};

pub use crate::edge::{Driver, Edge, From, Machine, NONE, Rule, To};

/// Every edge of every machine, in the order of machine, `from`, kind and `to` as they are declared.
#[must_use]
pub fn all() -> Vec<Edge> {
    Machine::ALL
        .iter()
        .flat_map(|machine| list(*machine))
        .collect()
}

/// Every edge of one machine, in the order of `from`, kind and `to` as they are declared.
#[must_use]
pub fn list(machine: Machine) -> Vec<Edge> {
    match machine {
        Machine::Payment => edge::enumerate::<payment::PaymentGraph>(),
        Machine::Attempt => edge::enumerate::<attempt::AttemptGraph>(),
        Machine::Capture => edge::enumerate::<capture::CaptureGraph>(),
        Machine::Refund => edge::enumerate::<refund::RefundGraph>(),
        Machine::Dispute => edge::enumerate::<dispute::DisputeGraph>(),
        Machine::DisputeFunds => edge::enumerate::<dispute::FundsGraph>(),
        Machine::DisputeEvidence => edge::enumerate::<dispute::EvidenceGraph>(),
    }
}

/// The rules of one machine, in the order of its table.
#[must_use]
pub fn rules(machine: Machine) -> Vec<Row> {
    match machine {
        Machine::Payment => rows(payment::RULES),
        Machine::Attempt => rows(attempt::RULES),
        Machine::Capture => rows(capture::RULES),
        Machine::Refund => rows(refund::RULES),
        Machine::Dispute => rows(dispute::RULES),
        Machine::DisputeFunds => rows(dispute::FUNDS_RULES),
        Machine::DisputeEvidence => rows(dispute::EVIDENCE_RULES),
    }
}

/// A rule as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its id, such as `P7`.
    pub id: &'static str,
    /// The statuses it leaves: [`NONE`] alone where the subject does not exist yet.
    pub from: Vec<&'static str>,
    /// Whether `from` is every status.
    pub from_every: bool,
    /// What happened.
    pub kind: &'static str,
    /// The statuses it leads to; nothing where it leads back to the status that it leaves.
    pub to: Option<Vec<&'static str>>,
    /// Who drives it.
    pub driver: Driver,
    /// The cause, as a sentence.
    pub driven_by: &'static str,
}

impl Row {
    /// Every pair of statuses that the rule leads from and to.
    #[must_use]
    pub fn ends(&self) -> Vec<(&'static str, &'static str)> {
        let from = self.from.iter();
        from.flat_map(|from| {
            let to = self.to.clone().unwrap_or_else(|| vec![from]);
            to.into_iter().map(|to| (*from, to))
        })
        .collect()
    }
}

/// The rules of the life of a job, in the order of its table.
#[must_use]
pub fn job_rules() -> Vec<Row> {
    rows(job::RULES)
}

/// The rules of a table as text.
fn rows<S: Name, K: Name>(rules: &[Rule<S, K>]) -> Vec<Row> {
    let names = |statuses: &[S]| statuses.iter().map(|status| status.as_str()).collect();
    let row = |rule: &Rule<S, K>| Row {
        id: rule.id,
        from: match rule.from {
            From::Nothing => vec![NONE],
            From::Any(statuses) => names(statuses),
            From::Every => names(S::ALL),
        },
        from_every: rule.from == From::Every,
        kind: rule.kind.as_str(),
        to: match rule.to {
            To::Any(statuses) => Some(names(statuses)),
            To::Itself => None,
        },
        driver: rule.driver,
        driven_by: rule.driven_by,
    };
    rules.iter().map(row).collect()
}
