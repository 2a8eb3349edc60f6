//! The webhooks about one dispute, in every order: all of them, each twice, and each one lost. With one resync they end in
//! one state.

use workflows::dispute::{Evidence, Funds, Status};
use workflows::payment;
use workflows::stream::Event;
use workflows::stripe::{Dispute, DisputeStatus, EvidenceDetails};

use crate::orders::permute;
use crate::played::Played;
use crate::samples::{disputed, resting, resynced_with, stripe_dispute};

type End = (Status, Option<Funds>, Option<Evidence>, bool, i32);

fn end(played: &Played) -> End {
    let (payment, dispute) = (&played.stream.payment, &played.stream.disputes[0]);
    assert_eq!(
        played.stream.disputes.len(),
        1,
        "one dispute, imported once"
    );
    (
        dispute.status,
        dispute.funds,
        dispute.evidence,
        payment.disputed,
        payment.open_disputes,
    )
}

fn shown(status: DisputeStatus, submissions: i64, moved: usize) -> Dispute {
    Dispute {
        evidence_details: EvidenceDetails {
            due_by: Some(1_000_000),
            has_evidence: submissions > 0,
            submission_count: submissions,
        },
        balance_transactions: vec![serde_json::json!({"amount": -1}); moved],
        ..stripe_dispute(status)
    }
}

/// Plays `reports` in every order, each of them twice, and with each one lost; then the resync; and compares the ends.
fn ends_the_same(reports: &[Event], last: &Dispute, expected: End) {
    let mut order: Vec<usize> = (0..reports.len()).collect();
    permute(&mut order, 0, &mut |order| {
        let all: Vec<&Event> = order.iter().map(|at| &reports[*at]).collect();
        let twice: Vec<&Event> = all.iter().flat_map(|it| [*it, *it]).collect();
        let repeated = [all.clone(), all.clone()].concat();
        let losses = (0..all.len()).map(|lost| {
            let mut rest = all.clone();
            rest.remove(lost);
            rest
        });
        let histories = [all.clone(), twice, repeated].into_iter().chain(losses);
        for history in histories {
            let mut played = Played::new(resting(payment::Status::Succeeded));
            for report in &history {
                played.play(report).unwrap();
            }
            played.play(&resynced_with(vec![last.clone()])).unwrap();
            assert_eq!(end(&played), expected, "{history:?}");
            let again = played.play(&resynced_with(vec![last.clone()])).unwrap();
            assert!(again.is_empty(), "a second resync finds nothing: {again:?}");
        }
    });
}

#[test]
fn a_dispute_that_is_won_ends_the_same_in_every_order() {
    let last = shown(DisputeStatus::Won, 1, 2);
    let reports = [
        disputed(shown(DisputeStatus::NeedsResponse, 0, 0), None),
        disputed(
            shown(DisputeStatus::NeedsResponse, 0, 1),
            Some(Funds::Withdrawn),
        ),
        disputed(shown(DisputeStatus::UnderReview, 1, 1), None),
        disputed(shown(DisputeStatus::Won, 1, 1), None),
        disputed(last.clone(), Some(Funds::Reinstated)),
    ];
    let evidence = Some(Evidence::Submitted);
    let funds = Some(Funds::Reinstated);
    ends_the_same(&reports, &last, (Status::Won, funds, evidence, false, 0));
}

#[test]
fn an_inquiry_that_escalates_and_is_lost_ends_the_same_in_every_order() {
    let last = shown(DisputeStatus::Lost, 1, 1);
    let reports = [
        disputed(shown(DisputeStatus::WarningNeedsResponse, 0, 0), None),
        disputed(shown(DisputeStatus::WarningUnderReview, 1, 0), None),
        disputed(shown(DisputeStatus::NeedsResponse, 1, 0), None),
        disputed(
            shown(DisputeStatus::NeedsResponse, 1, 1),
            Some(Funds::Withdrawn),
        ),
        disputed(last.clone(), None),
    ];
    let evidence = Some(Evidence::Submitted);
    let funds = Some(Funds::Withdrawn);
    ends_the_same(&reports, &last, (Status::Lost, funds, evidence, true, 0));
}

#[test]
fn an_inquiry_that_is_prevented_ends_the_same_in_every_order() {
    let last = shown(DisputeStatus::Prevented, 0, 0);
    let reports = [
        disputed(shown(DisputeStatus::WarningNeedsResponse, 0, 0), None),
        disputed(shown(DisputeStatus::WarningNeedsResponse, 0, 0), None),
        disputed(last.clone(), None),
    ];
    ends_the_same(&reports, &last, (Status::Prevented, None, None, false, 0));
}

#[test]
fn the_reports_of_a_dispute_that_goes_as_it_should_need_no_resync() {
    let mut played = Played::new(resting(payment::Status::Succeeded));
    for report in [
        disputed(shown(DisputeStatus::NeedsResponse, 0, 0), None),
        disputed(
            shown(DisputeStatus::NeedsResponse, 0, 1),
            Some(Funds::Withdrawn),
        ),
        disputed(shown(DisputeStatus::UnderReview, 1, 1), None),
        disputed(shown(DisputeStatus::Lost, 1, 1), None),
    ] {
        played.play(&report).unwrap();
    }
    assert!(!played.resync);
    assert_eq!(end(&played).1, Some(Funds::Withdrawn));
}
