//! The machines take the moves of their tables, and no other.

use std::collections::BTreeSet;
use std::fmt::Debug;

use workflows::edges::{Driver, Edge, From, Machine, Rule, To};
use workflows::{attempt, capture, dispute, edges, payment, refund};

/// The ids that the issue asks for; edges that mean the same share one.
const IDS: &[&str] = &[
    "A0", "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "C0", "C1", "C2", "C3", "C4", "D0", "D1",
    "D10", "D2", "D3", "D4", "D5", "D6", "D7", "D8", "D9", "E0", "E1", "F0", "F1", "P0", "P1",
    "P10", "P11", "P12", "P13", "P14", "P18", "P19", "P2", "P20", "P3", "P4", "P5", "P6", "P7",
    "P8", "P9", "P9c", "R0", "R1", "R2", "R3", "R4", "R5", "R7", "R8", "R9",
];

#[test]
fn each_status_of_a_payment_allows_what_the_table_says_and_nothing_else() {
    compare(
        payment::Status::ALL,
        payment::Kind::ALL,
        payment::RULES,
        payment::edge,
    );
}

#[test]
fn each_status_of_an_attempt_allows_what_the_table_says_and_nothing_else() {
    compare(
        attempt::Status::ALL,
        attempt::Kind::ALL,
        attempt::RULES,
        attempt::edge,
    );
}

#[test]
fn each_status_of_a_capture_allows_what_the_table_says_and_nothing_else() {
    compare(
        capture::Status::ALL,
        capture::Kind::ALL,
        capture::RULES,
        capture::edge,
    );
}

#[test]
fn each_status_of_a_refund_allows_what_the_table_says_and_nothing_else() {
    compare(
        refund::Status::ALL,
        refund::Kind::ALL,
        refund::RULES,
        refund::edge,
    );
}

#[test]
fn each_status_of_a_dispute_allows_what_the_table_says_and_nothing_else() {
    compare(
        dispute::Status::ALL,
        dispute::Kind::ALL,
        dispute::RULES,
        dispute::edge,
    );
    compare(
        dispute::Funds::ALL,
        dispute::FundsKind::ALL,
        dispute::FUNDS_RULES,
        dispute::funds_edge,
    );
    compare(
        dispute::Evidence::ALL,
        dispute::EvidenceKind::ALL,
        dispute::EVIDENCE_RULES,
        dispute::evidence_edge,
    );
}

#[test]
fn a_report_of_stripe_has_one_kind_between_two_statuses() {
    for machine in Machine::ALL {
        let mut ends = BTreeSet::new();
        for rule in edges::rules(*machine) {
            // Stripe's first report of a refund that failed at once is R1; R5 is kept for the history.
            let exception = |from| machine == &Machine::Refund && from == "local_requested";
            for (from, to) in rule.ends() {
                // The reason of a refund that was not known tells a release (R9) from a refund (R8).
                let release = rule.id == "R9";
                if rule.driver == Driver::Stripe && !exception(from) && !release {
                    assert!(ends.insert((from, to)), "{machine}: {from} to {to}");
                }
            }
        }
    }
    let failed = refund::find_kind(Some(refund::Status::LocalRequested), refund::Status::Failed);
    assert_eq!(failed, Some(refund::Kind::Created));
}

#[test]
fn what_stripe_reports_is_found_in_the_table_and_what_clients_ask_for_is_not() {
    use payment::{Kind, Status};
    for (from, to, kind) in [
        (
            Status::LocalCreated,
            Status::RequiresConfirmation,
            Some(Kind::IntentCreated),
        ),
        (
            Status::LocalCreated,
            Status::Canceled,
            Some(Kind::IntentAdopted),
        ),
        (
            Status::RequiresAction,
            Status::RequiresPaymentMethod,
            Some(Kind::PaymentFailed),
        ),
        (
            Status::RequiresCapture,
            Status::RequiresCapture,
            Some(Kind::CapturableUpdated),
        ),
        (Status::RequiresAction, Status::RequiresAction, None),
        (Status::Succeeded, Status::Canceled, None),
    ] {
        assert_eq!(payment::find_kind(Some(from), to), kind, "{from} to {to}");
    }
    assert_eq!(payment::find_kind(None, Status::LocalCreated), None);
    assert_eq!(attempt::find_kind(None, attempt::Status::Started), None);
}

#[test]
fn a_resync_leads_from_every_status_to_stripes_own() {
    for (machine, local) in [
        (Machine::Payment, &["local_created", "local_rejected"][..]),
        (Machine::Attempt, &["started"][..]),
        (Machine::Capture, &["requested"][..]),
        (Machine::Refund, &["local_requested", "local_rejected"][..]),
        (Machine::Dispute, &[][..]),
    ] {
        let all = statuses(machine);
        let theirs = all.iter().filter(|word| !local.contains(word));
        assert_eq!(led_by(machine, "resync"), pairs(&all, &theirs), "{machine}");
    }
}

#[test]
fn an_operator_may_force_a_payment_a_refund_and_a_dispute_anywhere() {
    for machine in [Machine::Payment, Machine::Refund, Machine::Dispute] {
        let all = statuses(machine);
        assert_eq!(
            led_by(machine, "forced"),
            pairs(&all, &all.iter()),
            "{machine}"
        );
    }
    for machine in [Machine::Attempt, Machine::Capture] {
        assert!(led_by(machine, "forced").is_empty(), "{machine}");
    }
}

#[test]
fn no_edge_is_listed_twice_and_every_id_is_known() {
    let edges = edges::all();
    let keys: BTreeSet<_> = edges
        .iter()
        .map(|edge| (edge.machine, edge.from, edge.kind, edge.to))
        .collect();
    assert_eq!(keys.len(), edges.len());
    let ids: BTreeSet<&str> = edges.iter().map(|edge| edge.id).collect();
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), IDS);
}

#[test]
fn what_ends_is_left_by_corrections_alone() {
    for edge in edges::all() {
        let ended = match edge.machine {
            Machine::Payment => edge.from.parse().is_ok_and(payment::Status::is_final),
            Machine::Attempt => edge
                .from
                .parse()
                .is_ok_and(|it: attempt::Status| !it.is_open()),
            Machine::Capture => edge
                .from
                .parse()
                .is_ok_and(|it: capture::Status| !it.is_open()),
            Machine::Refund => edge.from.parse().is_ok_and(refund::Status::is_final),
            Machine::Dispute => edge.from.parse().is_ok_and(dispute::Status::is_final),
            Machine::DisputeFunds => edge.from == "reinstated",
            Machine::DisputeEvidence => edge.from == "submitted",
        };
        let holds = matches!(edge.kind, "hold_set" | "hold_cleared") && edge.from == edge.to;
        assert!(
            !ended || holds || matches!(edge.kind, "resync" | "forced"),
            "{edge:?}"
        );
    }
}

#[test]
fn every_name_is_parsed_as_it_is_written() {
    fn check<T>(all: &[T])
    where
        T: Copy + PartialEq + std::fmt::Debug + std::fmt::Display + std::str::FromStr,
        T: serde::Serialize + serde::de::DeserializeOwned,
    {
        for word in all {
            assert_eq!(word.to_string().parse().ok(), Some(*word));
            let json = serde_json::to_string(word).unwrap();
            assert_eq!(json, format!("\"{word}\""));
            assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *word);
        }
    }
    check(payment::Status::ALL);
    check(payment::Kind::ALL);
    check(payment::Call::ALL);
    check(payment::CaptureMethod::ALL);
    check(attempt::Status::ALL);
    check(attempt::Kind::ALL);
    check(capture::Status::ALL);
    check(capture::Kind::ALL);
    check(capture::Multicapture::ALL);
    check(refund::Status::ALL);
    check(refund::Kind::ALL);
    check(dispute::Status::ALL);
    check(dispute::Kind::ALL);
    check(dispute::Funds::ALL);
    check(dispute::FundsKind::ALL);
    check(dispute::Evidence::ALL);
    check(dispute::EvidenceKind::ALL);
    check(Machine::ALL);
    let unknown = "paid".parse::<payment::Status>().unwrap_err();
    assert_eq!(unknown.to_string(), "\"paid\" is not a payment status");
}

/// Asks the machine about every move, refusals too, and compares with the rules of its table.
fn compare<S, K>(
    statuses: &[S],
    kinds: &[K],
    rules: &[Rule<S, K>],
    edge: impl Fn(Option<S>, K, S) -> Option<Edge>,
) where
    S: Copy + PartialEq + Debug,
    K: Copy + PartialEq + Debug,
{
    let sources = std::iter::once(None).chain(statuses.iter().copied().map(Some));
    for from in sources {
        for kind in kinds {
            for to in statuses {
                let listed = rules.iter().find(|rule| {
                    let leaves = match (rule.from, from) {
                        (From::Nothing, None) | (From::Every, Some(_)) => true,
                        (From::Any(list), Some(from)) => list.contains(&from),
                        _ => false,
                    };
                    let reaches = match rule.to {
                        To::Any(list) => list.contains(to),
                        To::Itself => from == Some(*to),
                    };
                    leaves && reaches && rule.kind == *kind
                });
                let taken = edge(from, *kind, *to).map(|edge| edge.id);
                assert_eq!(
                    taken,
                    listed.map(|rule| rule.id),
                    "{from:?} {kind:?} {to:?}"
                );
            }
        }
    }
}

fn statuses(machine: Machine) -> Vec<&'static str> {
    match machine {
        Machine::Payment => payment::Status::ALL.iter().map(|it| it.as_str()).collect(),
        Machine::Attempt => attempt::Status::ALL.iter().map(|it| it.as_str()).collect(),
        Machine::Capture => capture::Status::ALL.iter().map(|it| it.as_str()).collect(),
        Machine::Refund => refund::Status::ALL.iter().map(|it| it.as_str()).collect(),
        Machine::Dispute => dispute::Status::ALL.iter().map(|it| it.as_str()).collect(),
        Machine::DisputeFunds => dispute::Funds::ALL.iter().map(|it| it.as_str()).collect(),
        Machine::DisputeEvidence => dispute::Evidence::ALL
            .iter()
            .map(|it| it.as_str())
            .collect(),
    }
}

fn led_by(machine: Machine, kind: &str) -> BTreeSet<(&'static str, &'static str)> {
    let edges = edges::list(machine).into_iter();
    let led = edges.filter(|edge| edge.kind == kind);
    led.map(|edge| (edge.from, edge.to)).collect()
}

fn pairs<'a>(
    from: &[&'static str],
    to: &(impl Iterator<Item = &'a &'static str> + Clone),
) -> BTreeSet<(&'static str, &'static str)> {
    from.iter()
        .flat_map(|from| to.clone().map(|to| (*from, *to)))
        .collect()
}
