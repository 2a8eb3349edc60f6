//! The types of events name the outcome, whichever edge leads to it.

use std::collections::BTreeSet;

use workflows::edges::{Edge, Machine};
use workflows::event_type::{ALL, Change, OUTCOMES};
use workflows::{attempt, capture, dispute, edges, payment, refund};

/// The reason that Stripe gives for a release.
const RELEASE: &str = "expired_uncaptured_charge";

fn change(edge: &Edge) -> Change<'static> {
    Change {
        machine: edge.machine,
        from: edge.from,
        kind: edge.kind,
        to: edge.to,
        has_error: false,
        reason: None,
    }
}

/// The outcome of a status, written down a second time.
fn expected(machine: Machine, to: &str) -> &'static str {
    match (machine, to) {
        (Machine::Payment, "local_created") => "payment.created",
        (Machine::Payment, "requires_confirmation") => "payment.requires_confirmation",
        (Machine::Payment, "requires_action") => "payment.requires_action",
        (Machine::Payment, "processing") => "payment.processing",
        (Machine::Payment, "requires_capture") => "payment.capturable",
        (Machine::Payment, "succeeded") => "payment.succeeded",
        (Machine::Payment, "canceled") => "payment.canceled",
        (Machine::Payment, "requires_payment_method" | "local_rejected") => "payment.failed",
        (Machine::Attempt, "started") => "attempt.started",
        (Machine::Attempt, "requires_action") => "attempt.requires_action",
        (Machine::Attempt, "pending") => "attempt.pending",
        (Machine::Attempt, "authorized") => "attempt.authorized",
        (Machine::Attempt, "captured") => "attempt.captured",
        (Machine::Attempt, "failed") => "attempt.failed",
        (Machine::Attempt, "expired") => "attempt.expired",
        (Machine::Attempt, "voided") => "attempt.voided",
        (Machine::Capture, "requested") => "capture.created",
        (Machine::Capture, "submitted") => "capture.submitted",
        (Machine::Capture, "succeeded") => "capture.succeeded",
        (Machine::Capture, "failed") => "capture.failed",
        (Machine::Refund, "local_requested") => "refund.created",
        (Machine::Refund, "pending") => "refund.pending",
        (Machine::Refund, "requires_action") => "refund.requires_action",
        (Machine::Refund, "succeeded") => "refund.succeeded",
        (Machine::Refund, "failed" | "local_rejected") => "refund.failed",
        (Machine::Refund, "canceled") => "refund.canceled",
        (Machine::Dispute, "warning_needs_response") => "dispute.inquiry_needs_response",
        (Machine::Dispute, "warning_under_review") => "dispute.inquiry_under_review",
        (Machine::Dispute, "warning_closed") => "dispute.inquiry_closed",
        (Machine::Dispute, "needs_response") => "dispute.needs_response",
        (Machine::Dispute, "under_review") => "dispute.under_review",
        (Machine::Dispute, "won") => "dispute.won",
        (Machine::Dispute, "lost") => "dispute.lost",
        (Machine::Dispute, "prevented") => "dispute.prevented",
        (Machine::DisputeFunds, "withdrawn") => "dispute.funds_withdrawn",
        (Machine::DisputeFunds, "reinstated") => "dispute.funds_reinstated",
        (Machine::DisputeEvidence, "staged") => "dispute.evidence_staged",
        (Machine::DisputeEvidence, "submitted") => "dispute.evidence_submitted",
        other => panic!("{other:?} has no type of event"),
    }
}

#[test]
fn every_edge_that_leads_to_a_status_has_the_type_of_this_status() {
    for edge in edges::all().iter().filter(|edge| edge.from != edge.to) {
        let waits = edge.to == "requires_payment_method";
        let unattempted = waits && edge.from.starts_with("local_");
        let opened = edge.machine == Machine::Dispute
            && edge.from == "none"
            && !["won", "lost", "warning_closed", "prevented"].contains(&edge.to);
        let expected = if unattempted {
            "payment.requires_payment_method"
        } else if opened {
            "dispute.created"
        } else {
            expected(edge.machine, edge.to)
        };
        assert_eq!(change(edge).event_type(), expected, "{edge:?}");
        // The first report of a payment may show that its attempt failed already.
        let shown = Change {
            has_error: true,
            ..change(edge)
        };
        let expected = if unattempted {
            "payment.failed"
        } else {
            expected
        };
        assert_eq!(shown.event_type(), expected, "{edge:?}");
    }
}

#[test]
fn an_edge_that_leads_back_to_its_status_tells_of_no_outcome_but_another_failed_attempt() {
    for edge in edges::all().iter().filter(|edge| edge.from == edge.to) {
        let expected = match (edge.machine, edge.kind) {
            (Machine::Payment, "cancel_requested") => "payment.cancel_requested",
            (Machine::Payment, "capture_requested") => "payment.capture_requested",
            (Machine::Payment, "payment_failed") => "payment.failed",
            (Machine::Payment, "authorization_expiring") => "payment.authorization_expiring",
            (Machine::Payment, "hold_set") => "payment.hold_set",
            (Machine::Payment, "hold_cleared") => "payment.hold_cleared",
            (Machine::Payment, _) => "payment.updated",
            (Machine::Attempt, _) => "attempt.updated",
            (Machine::Capture, _) => "capture.updated",
            (Machine::Refund, _) => "refund.updated",
            (Machine::Dispute, "evidence_requested") => "dispute.evidence_requested",
            (Machine::Dispute, "accept_requested") => "dispute.accept_requested",
            (Machine::Dispute, "evidence_due") => "dispute.evidence_due",
            (Machine::Dispute, "call_refused") => "dispute.request_refused",
            (Machine::Dispute | Machine::DisputeFunds | Machine::DisputeEvidence, _) => {
                "dispute.updated"
            }
        };
        assert_eq!(change(edge).event_type(), expected, "{edge:?}");
        let shown = Change {
            has_error: true,
            ..change(edge)
        };
        let named = ["cancel_requested", "hold_set", "hold_cleared"];
        let found = edge.to == "requires_payment_method" && !named.contains(&edge.kind);
        let expected = if found { "payment.failed" } else { expected };
        assert_eq!(shown.event_type(), expected, "{edge:?}");
    }
}

#[test]
fn a_release_is_told_as_no_outcome_of_a_refund() {
    for edge in edges::list(Machine::Refund) {
        let released = Change {
            reason: Some(RELEASE),
            ..change(&edge)
        };
        let expected = if edge.to == "succeeded" && edge.from != "succeeded" {
            "refund.released"
        } else {
            "refund.updated"
        };
        assert_eq!(released.event_type(), expected, "{edge:?}");
    }
}

#[test]
fn the_types_are_those_of_the_edges_and_every_status_has_one() {
    let mut seen = BTreeSet::new();
    for edge in edges::all() {
        for has_error in [false, true] {
            for reason in [None, Some(RELEASE)] {
                let change = Change {
                    has_error,
                    reason,
                    ..change(&edge)
                };
                seen.insert(change.event_type());
            }
        }
    }
    assert_eq!(seen, ALL.into_iter().collect());
    assert_eq!(seen.len(), ALL.len(), "a type is listed twice");
    let disputes =
        dispute::Status::ALL.len() + dispute::Funds::ALL.len() + dispute::Evidence::ALL.len();
    let statuses = payment::Status::ALL.len()
        + attempt::Status::ALL.len()
        + capture::Status::ALL.len()
        + refund::Status::ALL.len()
        + disputes;
    let listed: BTreeSet<_> = OUTCOMES
        .iter()
        .map(|(m, status, _)| (*m, *status))
        .collect();
    assert_eq!((listed.len(), OUTCOMES.len()), (statuses, statuses));
}

#[test]
fn the_document_lists_every_type_with_its_statuses() {
    let written = include_str!("../../../docs/webhooks.md");
    let rows: Vec<Vec<&str>> = written
        .lines()
        .filter(|line| {
            [
                "| `payment.",
                "| `attempt.",
                "| `capture.",
                "| `refund.",
                "| `dispute.",
            ]
            .iter()
            .any(|it| line.starts_with(it))
        })
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let types: Vec<&str> = rows.iter().map(|row| row[1].trim_matches('`')).collect();
    assert_eq!(types, ALL);
    for (machine, status, name) in OUTCOMES {
        let row = &rows[types.iter().position(|it| it == name).unwrap()];
        assert!(
            row[2].contains(&format!("`{status}`")),
            "{machine}: {row:?}"
        );
    }
}
