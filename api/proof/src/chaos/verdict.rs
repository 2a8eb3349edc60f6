//! The verdict on a campaign: rules I1 to I9 of docs/chaos.md, each with the payments that broke it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use uuid::Uuid;

use super::client::Memory;
use super::facts::{Open, Payment, Sums};
use crate::fleet::Ledger;

/// All observations, made once all work was finished or the time for it had passed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    pub(crate) memory: Memory,
    pub(crate) ledger: Ledger,
    pub(crate) payments: Vec<Payment>,
    /// Acknowledged ids that the database does not have.
    pub(crate) missing: Vec<Uuid>,
    pub(crate) sums: BTreeMap<String, Sums>,
    pub(crate) open: Open,
    pub(crate) gaps: Vec<Uuid>,
    pub(crate) illegal: Vec<String>,
    pub(crate) topic: Vec<String>,
    pub(crate) cache: Vec<String>,
    /// Panics and processes that ended by themselves.
    pub(crate) crashes: Vec<String>,
    /// Faults by name: how often each happened, and how often it had to.
    pub(crate) faults: BTreeMap<&'static str, Fired>,
}

/// How often a fault happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fired {
    pub(crate) times: u64,
    pub(crate) wanted: u64,
}

/// One rule and the payments that broke it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    pub(crate) rule: &'static str,
    pub(crate) says: &'static str,
    pub(crate) holds: bool,
    pub(crate) offenders: Vec<String>,
}

impl Finding {
    fn new(rule: &'static str, says: &'static str, offenders: Vec<String>) -> Finding {
        Finding {
            rule,
            says,
            holds: offenders.is_empty(),
            offenders,
        }
    }
}

/// The verdict, as written to the JSON file.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Verdict {
    pub(crate) payments: usize,
    pub(crate) lost: usize,
    pub(crate) double_charged: usize,
    pub(crate) stuck: usize,
    pub(crate) sums_equal: bool,
    pub(crate) kafka_gaps: usize,
    pub(crate) faults_fired: BTreeMap<&'static str, u64>,
    pub(crate) passed: bool,
    pub(crate) findings: Vec<Finding>,
}

impl Verdict {
    /// Judges the evidence by every rule.
    pub(crate) fn new(evidence: &Evidence) -> Verdict {
        let missing = evidence.missing.iter().map(ToString::to_string).collect();
        let sums = different_sums(evidence);
        let stuck = stuck(evidence);
        let double = double_charged(evidence);
        let mut history: Vec<String> = evidence
            .gaps
            .iter()
            .map(|id| format!("{id}: versions are not 1..n"))
            .collect();
        history.extend(evidence.illegal.iter().cloned());
        let mut errors = evidence.memory.errors.clone();
        errors.extend(evidence.crashes.iter().cloned());
        let findings = vec![
            Finding::new("I1", "every id that was answered 2xx exists", missing),
            Finding::new("I2", "at most one successful charge per payment", double),
            Finding::new(
                "I3",
                "captured and refunded sums are equal on both sides",
                sums,
            ),
            Finding::new(
                "I4",
                "nothing is stuck, and each status is the simulator's",
                stuck,
            ),
            Finding::new(
                "I5",
                "versions are gap-free and each edge is legal",
                history,
            ),
            Finding::new(
                "I6",
                "Kafka holds every transition in order",
                evidence.topic.clone(),
            ),
            Finding::new(
                "I7",
                "the cache is never ahead and catches up",
                evidence.cache.clone(),
            ),
            Finding::new("I8", "no panic and no 5xx", errors),
            Finding::new("I9", "the campaign was not vacuous", vacuous(evidence)),
        ];
        let count = |rule| {
            findings
                .iter()
                .find(|finding| finding.rule == rule)
                .map_or(0, |finding| finding.offenders.len())
        };
        Verdict {
            payments: evidence.payments.len(),
            lost: count("I1"),
            double_charged: count("I2"),
            stuck: count("I4"),
            sums_equal: count("I3") == 0,
            kafka_gaps: count("I6"),
            faults_fired: evidence
                .faults
                .iter()
                .map(|(name, fired)| (*name, fired.times))
                .collect(),
            passed: findings.iter().all(|finding| finding.holds),
            findings,
        }
    }
}

fn double_charged(evidence: &Evidence) -> Vec<String> {
    let accounts = evidence.ledger.payments.iter();
    accounts
        .filter(|(_, account)| account.charges > 1)
        .map(|(id, account)| {
            format!(
                "{id}: {} charges on {}",
                account.charges,
                account.intents.join(", ")
            )
        })
        .collect()
}

fn different_sums(evidence: &Evidence) -> Vec<String> {
    let mut theirs: BTreeMap<&str, Sums> = BTreeMap::new();
    for account in evidence.ledger.payments.values() {
        let sums = theirs.entry(&account.currency).or_default();
        sums.captured += account.captured;
        sums.refunded += account.refunded;
    }
    let currencies: BTreeSet<&str> = theirs
        .keys()
        .copied()
        .chain(evidence.sums.keys().map(String::as_str))
        .collect();
    let strangers = evidence
        .ledger
        .strangers
        .iter()
        .map(|intent| format!("{intent} belongs to no payment of ours"));
    currencies
        .into_iter()
        .filter_map(|currency| {
            let ours = evidence.sums.get(currency).copied().unwrap_or_default();
            let theirs = theirs.get(currency).copied().unwrap_or_default();
            (ours != theirs)
                .then(|| format!("{currency}: ours {ours:?}, the simulator's {theirs:?}"))
        })
        .chain(strangers)
        .collect()
}

fn stuck(evidence: &Evidence) -> Vec<String> {
    let mut stuck: Vec<String> = evidence.open.lines().cloned().collect();
    for payment in &evidence.payments {
        let theirs = evidence
            .ledger
            .payments
            .get(&payment.id)
            .map_or("unknown", |account| account.status.as_str());
        if theirs != payment.status {
            stuck.push(format!(
                "payment {} is {} here and {theirs} at the simulator",
                payment.id, payment.status
            ));
        }
    }
    stuck
}

fn vacuous(evidence: &Evidence) -> Vec<String> {
    let mut reasons: Vec<String> = evidence
        .faults
        .iter()
        .filter(|(_, fired)| fired.times < fired.wanted)
        .map(|(name, fired)| {
            format!(
                "{name} happened {} times, not {}",
                fired.times, fired.wanted
            )
        })
        .collect();
    reasons.extend(evidence.memory.complaints.iter().cloned());
    let statuses: BTreeMap<Uuid, &str> = evidence
        .payments
        .iter()
        .map(|payment| (payment.id, payment.status.as_str()))
        .collect();
    let good: Vec<Uuid> = evidence
        .memory
        .payments
        .iter()
        .filter(|(_, story)| story.must_succeed())
        .map(|(id, _)| *id)
        .collect();
    let succeeded = good
        .iter()
        .filter(|id| statuses.get(id) == Some(&"succeeded"))
        .count();
    if succeeded * 10 < good.len() * 9 || good.is_empty() {
        reasons.push(format!(
            "only {succeeded} of {} payments that meet no decline succeeded",
            good.len()
        ));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::plan::Story;
    use crate::fleet::Account;

    fn id() -> Uuid {
        Uuid::from_u128(7)
    }

    fn account() -> Account {
        Account {
            payment_id: None,
            payment_intent: "pi_1".into(),
            status: "succeeded".into(),
            currency: "eur".into(),
            captured: 100,
            refunded: 40,
            charges: 1,
            intents: vec!["pi_1".into()],
        }
    }

    fn sound() -> Evidence {
        Evidence {
            memory: Memory {
                acknowledged: vec![id()],
                payments: vec![(id(), Story::Card)],
                ..Memory::default()
            },
            ledger: Ledger {
                payments: BTreeMap::from([(id(), account())]),
                strangers: Vec::new(),
            },
            payments: vec![Payment {
                id: id(),
                status: "succeeded".into(),
                version: 4,
            }],
            sums: BTreeMap::from([(
                "eur".to_owned(),
                Sums {
                    captured: 100,
                    refunded: 40,
                },
            )]),
            faults: BTreeMap::from([(
                "kill_worker",
                Fired {
                    times: 5,
                    wanted: 5,
                },
            )]),
            ..Evidence::default()
        }
    }

    fn at_the_simulator(evidence: &mut Evidence, change: impl Fn(&mut Account)) {
        evidence.ledger.payments.values_mut().for_each(change);
    }

    fn broken(change: impl FnOnce(&mut Evidence)) -> Vec<&'static str> {
        let mut evidence = sound();
        change(&mut evidence);
        let verdict = Verdict::new(&evidence);
        assert_eq!(
            verdict.passed,
            verdict.findings.iter().all(|finding| finding.holds)
        );
        verdict
            .findings
            .iter()
            .filter(|finding| !finding.holds)
            .map(|finding| finding.rule)
            .collect()
    }

    #[test]
    fn a_sound_campaign_passes() {
        assert_eq!(broken(|_| ()), [""; 0]);
    }

    #[test]
    fn each_kind_of_damage_breaks_its_own_rule() {
        assert_eq!(broken(|all| all.missing.push(id())), ["I1"]);
        assert_eq!(
            broken(|all| at_the_simulator(all, |account| account.charges = 2)),
            ["I2"]
        );
        assert_eq!(
            broken(|all| at_the_simulator(all, |account| account.refunded = 41)),
            ["I3"]
        );
        assert_eq!(
            broken(|all| all.ledger.strangers.push("pi_2".into())),
            ["I3"]
        );
        assert_eq!(
            broken(|all| all.open.inbox.push("inbox evt_1".into())),
            ["I4"]
        );
        assert_eq!(
            broken(|all| all.open.dead_jobs.push("job 1".into())),
            ["I4"]
        );
        assert_eq!(broken(|all| all.gaps.push(id())), ["I5"]);
        assert_eq!(
            broken(|all| all.topic.push("version 2 is missing".into())),
            ["I6"]
        );
        assert_eq!(broken(|all| all.cache.push("ahead".into())), ["I7"]);
        assert_eq!(broken(|all| all.memory.errors.push("503".into())), ["I8"]);
        assert_eq!(broken(|all| all.crashes.push("panicked".into())), ["I8"]);
    }

    #[test]
    fn a_status_that_differs_from_the_simulators_is_stuck() {
        assert_eq!(
            broken(|all| at_the_simulator(all, |account| account.status = "processing".into())),
            ["I4"]
        );
        assert_eq!(
            broken(|all| all.payments[0].status = "processing".into()),
            ["I4", "I9"]
        );
    }

    #[test]
    fn too_few_faults_make_a_campaign_vacuous() {
        assert_eq!(
            broken(|all| all.faults = BTreeMap::from([(
                "flush",
                Fired {
                    times: 1,
                    wanted: 2
                }
            )])),
            ["I9"]
        );
        assert_eq!(broken(|all| all.memory.payments.clear()), ["I9"]);
    }
}
