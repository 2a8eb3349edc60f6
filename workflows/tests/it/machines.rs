//! Every pair of a status and a kind, in a table: where it leads, or that it leads nowhere.

use std::collections::BTreeSet;
use std::fmt::Write;

use workflows::edges::{Machine, NONE};
use workflows::{attempt, edges, payment, refund};

/// `from kind: to to …`; a pair that is not listed leads nowhere. `resync` and `forced` are asked about below.
const PAYMENT: &str = "
none accepted: local_created
local_created intent_created: requires_payment_method requires_confirmation
local_created intent_adopted: requires_action processing requires_capture succeeded canceled
local_created intent_rejected: local_rejected
local_created cancel_requested: local_created
requires_payment_method method_attached: requires_confirmation
requires_payment_method action_required: requires_action
requires_payment_method processing_started: processing
requires_payment_method capturable_updated: requires_capture
requires_payment_method succeeded: succeeded
requires_payment_method payment_failed: requires_payment_method
requires_payment_method cancel_requested: requires_payment_method
requires_payment_method canceled: canceled
requires_confirmation action_required: requires_action
requires_confirmation processing_started: processing
requires_confirmation capturable_updated: requires_capture
requires_confirmation succeeded: succeeded
requires_confirmation payment_failed: requires_payment_method
requires_confirmation cancel_requested: requires_confirmation
requires_confirmation canceled: canceled
requires_action processing_started: processing
requires_action capturable_updated: requires_capture
requires_action succeeded: succeeded
requires_action payment_failed: requires_payment_method
requires_action cancel_requested: requires_action
requires_action canceled: canceled
processing action_required: requires_action
processing capturable_updated: requires_capture
processing succeeded: succeeded
processing payment_failed: requires_payment_method
processing cancel_requested: processing
processing canceled: canceled
requires_capture processing_started: processing
requires_capture capturable_updated: requires_capture
requires_capture capture_requested: requires_capture
requires_capture succeeded: succeeded
requires_capture cancel_requested: requires_capture
requires_capture canceled: canceled
";

const ATTEMPT: &str = "
none started: started
none observed: requires_action pending authorized captured failed
started action_required: requires_action
started pended: pending
started authorized: authorized
started captured: captured
started failed: failed
started voided: voided
requires_action pended: pending
requires_action authorized: authorized
requires_action captured: captured
requires_action failed: failed
requires_action voided: voided
pending action_required: requires_action
pending authorized: authorized
pending captured: captured
pending failed: failed
pending voided: voided
authorized pended: pending
authorized captured: captured
authorized expired: expired
authorized voided: voided
";

const REFUND: &str = "
none requested: local_requested
none imported: pending requires_action succeeded failed canceled
local_requested created: pending requires_action succeeded failed
local_requested rejected: local_rejected
local_requested failed: failed
pending succeeded: succeeded
pending action_required: requires_action
pending failed: failed
pending canceled: canceled
requires_action succeeded: succeeded
requires_action pended: pending
requires_action failed: failed
requires_action canceled: canceled
";

/// The ids that the issue asks for; edges that mean the same share one.
const IDS: &[&str] = &[
    "A0", "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "P0", "P1", "P10", "P11", "P12", "P13",
    "P14", "P19", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P9c", "R0", "R1", "R2", "R3",
    "R4", "R5", "R7", "R8",
];

#[test]
fn each_status_of_a_payment_allows_what_the_table_says_and_nothing_else() {
    let kinds: Vec<&str> = payment::Kind::ALL.iter().map(|it| it.as_str()).collect();
    compare(Machine::Payment, &kinds, PAYMENT);
}

#[test]
fn each_status_of_an_attempt_allows_what_the_table_says_and_nothing_else() {
    let kinds: Vec<&str> = attempt::Kind::ALL.iter().map(|it| it.as_str()).collect();
    compare(Machine::Attempt, &kinds, ATTEMPT);
}

#[test]
fn each_status_of_a_refund_allows_what_the_table_says_and_nothing_else() {
    let kinds: Vec<&str> = refund::Kind::ALL.iter().map(|it| it.as_str()).collect();
    compare(Machine::Refund, &kinds, REFUND);
}

#[test]
fn a_look_at_stripe_leads_from_everywhere_to_stripes_own_words() {
    for (machine, local) in [
        (Machine::Payment, &["local_created", "local_rejected"][..]),
        (Machine::Attempt, &["started"][..]),
        (Machine::Refund, &["local_requested", "local_rejected"][..]),
    ] {
        let all = statuses(machine);
        let theirs = all.iter().filter(|word| !local.contains(word));
        assert_eq!(led_by(machine, "resync"), pairs(&all, &theirs), "{machine}");
    }
}

#[test]
fn an_operator_may_force_a_payment_and_a_refund_anywhere() {
    for machine in [Machine::Payment, Machine::Refund] {
        let all = statuses(machine);
        assert_eq!(
            led_by(machine, "forced"),
            pairs(&all, &all.iter()),
            "{machine}"
        );
    }
    assert!(led_by(Machine::Attempt, "forced").is_empty());
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
            Machine::Refund => edge.from.parse().is_ok_and(refund::Status::is_final),
        };
        assert!(
            !ended || matches!(edge.kind, "resync" | "forced"),
            "{edge:?}"
        );
    }
}

#[test]
fn every_word_is_read_back_as_it_is_written() {
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
    check(refund::Status::ALL);
    check(refund::Kind::ALL);
    check(Machine::ALL);
    let unknown = "paid".parse::<payment::Status>().unwrap_err();
    assert_eq!(unknown.to_string(), "\"paid\" is not a payment status");
}

/// Asks about every pair, refusals too, and compares with the table.
fn compare(machine: Machine, kinds: &[&str], table: &str) {
    let statuses = statuses(machine);
    let edges = edges::of(machine);
    for from in std::iter::once(&NONE).chain(&statuses) {
        for kind in kinds {
            if matches!(*kind, "resync" | "forced") {
                continue;
            }
            let mut found = format!("{from} {kind}:");
            for to in &statuses {
                let listed =
                    |edge: &&edges::Edge| (edge.from, edge.kind, edge.to) == (*from, *kind, *to);
                if edges.iter().any(|edge| listed(&edge)) {
                    write!(found, " {to}").unwrap();
                }
            }
            let pair = format!("{from} {kind}:");
            let nowhere = pair.clone();
            let expected = table
                .lines()
                .find(|line| line.starts_with(&pair))
                .unwrap_or(&nowhere);
            assert_eq!(found, expected, "{machine}");
        }
    }
    for line in table.lines().filter(|line| !line.is_empty()) {
        let (pair, _) = line.split_once(':').unwrap();
        let (from, kind) = pair.split_once(' ').unwrap();
        assert!(from == NONE || statuses.contains(&from), "{line}");
        assert!(kinds.contains(&kind), "{line}");
    }
}

fn statuses(machine: Machine) -> Vec<&'static str> {
    match machine {
        Machine::Payment => payment::Status::ALL.iter().map(|it| it.as_str()).collect(),
        Machine::Attempt => attempt::Status::ALL.iter().map(|it| it.as_str()).collect(),
        Machine::Refund => refund::Status::ALL.iter().map(|it| it.as_str()).collect(),
    }
}

fn led_by(machine: Machine, kind: &str) -> BTreeSet<(&'static str, &'static str)> {
    let edges = edges::of(machine).into_iter();
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
