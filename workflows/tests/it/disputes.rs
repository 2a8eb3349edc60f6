//! Disputes: what each event does in each status, as a table in `disputes.txt`, and what the table does not show.

use std::collections::BTreeMap;
use std::fmt::Write;

use workflows::dispute::{Dispute, Evidence, Funds, Status};
use workflows::payment;
use workflows::payment::Call;
use workflows::stream;
use workflows::stream::{
    DisputeReport, Effect, Event, EvidenceRequest, RefundRequest, Refusal, Stream, VoidCall,
};
use workflows::stripe::{DisputeStatus, EvidenceDetails};

use crate::played::{Played, line};
use crate::samples::{
    AMOUNT, disputed, id, intent, refusal, resting, resynced, resynced_with, stripe_dispute,
};

/// Where the table is; written anew by `cargo test -p workflows --test it write_the_disputes -- --ignored`, then read.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/disputes.txt");

const STATUSES: [DisputeStatus; 9] = [
    DisputeStatus::WarningNeedsResponse,
    DisputeStatus::WarningUnderReview,
    DisputeStatus::WarningClosed,
    DisputeStatus::NeedsResponse,
    DisputeStatus::UnderReview,
    DisputeStatus::Won,
    DisputeStatus::Lost,
    DisputeStatus::Prevented,
    DisputeStatus::Unknown,
];

/// A paid payment with a dispute in this status.
pub(crate) fn with_dispute(status: Status) -> Stream {
    let mut stream = resting(payment::Status::Succeeded);
    stream.payment.disputed = status.is_disputed();
    stream.payment.open_disputes = i32::from(!status.is_final());
    stream.disputes.push(Dispute {
        id: id(31),
        stripe_id: "du_1".to_owned(),
        charge_id: Some("ch_1".to_owned()),
        status,
        funds: None,
        evidence: None,
        amount: AMOUNT,
        currency: "eur".to_owned(),
        reason: "fraudulent".to_owned(),
        due_by: Some(1_000_000),
        reminded_due_by: None,
        open_call: None,
        error: None,
    });
    stream
}

/// The same with a call about it under way.
fn answering(call: Call) -> Stream {
    let mut stream = with_dispute(Status::NeedsResponse);
    stream.disputes[0].open_call = Some(call);
    stream
}

fn evidence() -> BTreeMap<String, String> {
    BTreeMap::from([("uncategorized_text".to_owned(), "sent".to_owned())])
}

fn send(submit: bool) -> Event {
    Event::EvidenceRequested(EvidenceRequest {
        dispute: id(31),
        evidence: evidence(),
        submit,
    })
}

fn effect(call: Call) -> Effect {
    match call {
        Call::CloseDispute => Effect::CloseDispute { dispute: id(31) },
        _ => Effect::UpdateDispute {
            dispute: id(31),
            evidence: evidence(),
            submit: true,
        },
    }
}

fn answered(call: Call, status: DisputeStatus, details: EvidenceDetails) -> Event {
    let mut dispute = stripe_dispute(status);
    dispute.evidence_details = details;
    Event::DisputeSeen(DisputeReport {
        dispute,
        funds: None,
        answers: Some((id(31), call)),
        fresh_dispute: id(32),
    })
}

const STAGED: EvidenceDetails = EvidenceDetails {
    due_by: Some(1_000_000),
    has_evidence: true,
    submission_count: 0,
};

const SUBMITTED: EvidenceDetails = EvidenceDetails {
    submission_count: 1,
    ..STAGED
};

fn word(status: DisputeStatus) -> String {
    let json = serde_json::to_string(&status).unwrap();
    json.trim_matches('"').to_owned()
}

fn events() -> Vec<(String, Event)> {
    let mut events = vec![
        ("send evidence".to_owned(), send(true)),
        (
            "accept".to_owned(),
            Event::AcceptRequested { dispute: id(31) },
        ),
        (
            "another is accepted".to_owned(),
            Event::AcceptRequested { dispute: id(39) },
        ),
        (
            "refund".to_owned(),
            Event::RefundRequested(RefundRequest {
                refund: id(51),
                amount: None,
                reason: None,
            }),
        ),
        (
            "49 h before the end".to_owned(),
            Event::EvidenceDue {
                now: 1_000_000 - 49 * 3600,
            },
        ),
        (
            "48 h before the end".to_owned(),
            Event::EvidenceDue {
                now: 1_000_000 - 48 * 3600,
            },
        ),
    ];
    for status in STATUSES {
        let seen = disputed(stripe_dispute(status), None);
        events.push((format!("seen {}", word(status)), seen));
        let read = resynced_with(vec![stripe_dispute(status)]);
        events.push((format!("read {}", word(status)), read));
    }
    for (name, funds) in [
        ("withdrawn", Funds::Withdrawn),
        ("reinstated", Funds::Reinstated),
    ] {
        let seen = disputed(stripe_dispute(DisputeStatus::NeedsResponse), Some(funds));
        events.push((format!("needs_response, {name}"), seen));
    }
    for call in [Call::UpdateDispute, Call::CloseDispute] {
        let ended = answered(call, DisputeStatus::Lost, STAGED);
        events.push((format!("{call}: lost"), ended));
        let staged = answered(call, DisputeStatus::NeedsResponse, STAGED);
        events.push((format!("{call}: staged"), staged));
        let sent = answered(call, DisputeStatus::UnderReview, SUBMITTED);
        events.push((format!("{call}: submitted"), sent));
        events.push((
            format!("{call} refused"),
            Event::DisputeCallRefused {
                dispute: id(31),
                call,
                error: refusal("dispute_closed"),
            },
        ));
        let void = Event::CallProvedVoid(VoidCall {
            effect: effect(call),
            fresh_attempt: id(53),
        });
        events.push((format!("{call} void"), void));
    }
    events
}

fn table() -> String {
    let mut streams = vec![("no dispute".to_owned(), resting(payment::Status::Succeeded))];
    for status in Status::ALL {
        streams.push((status.to_string(), with_dispute(*status)));
    }
    for call in [Call::UpdateDispute, Call::CloseDispute] {
        streams.push((format!("{call} under way"), answering(call)));
    }
    let mut text = String::new();
    for (name, stream) in streams {
        writeln!(text, "{name}").unwrap();
        for (event_name, event) in events() {
            let line = line(&stream::step(&stream, &event));
            writeln!(text, "    {event_name:<29} {line}").unwrap();
        }
    }
    text
}

#[test]
fn every_event_in_every_status_of_a_dispute_does_what_the_table_says() {
    let expected = include_str!("disputes.txt");
    let found = table();
    for (expected, found) in expected.lines().zip(found.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}

#[test]
#[ignore = "writes the table anew; read what changed"]
#[expect(clippy::disallowed_methods, reason = "a test may write its table")]
fn write_the_disputes() {
    std::fs::write(TABLE, table()).unwrap();
}

#[test]
fn a_payment_is_disputed_while_a_dispute_is_open_or_lost_and_its_refunds_are_refused() {
    for status in Status::ALL {
        let mut played = Played::new(resting(payment::Status::Succeeded));
        let json = format!("\"{status}\"");
        let shown = stripe_dispute(serde_json::from_str(&json).unwrap());
        played.play(&disputed(shown, None)).unwrap();
        let blocks = ["needs_response", "under_review", "lost"].contains(&status.as_str());
        assert_eq!(played.stream.payment.disputed, blocks, "{status}");
        let ended = ["warning_closed", "won", "lost", "prevented"].contains(&status.as_str());
        let open = played.stream.payment.open_disputes;
        assert_eq!(open, i32::from(!ended), "{status}");
        let refund = Event::RefundRequested(RefundRequest {
            refund: id(51),
            amount: None,
            reason: None,
        });
        let refused = played.play(&refund).err();
        assert_eq!(refused, blocks.then_some(Refusal::Disputed), "{status}");
    }
}

#[test]
fn of_two_disputes_the_open_one_counts() {
    let mut played = Played::new(with_dispute(Status::Won));
    let mut other = stripe_dispute(DisputeStatus::NeedsResponse);
    other.id = "du_2".to_owned();
    played.play(&disputed(other.clone(), None)).unwrap();
    assert!(played.stream.payment.disputed);
    assert_eq!(played.stream.payment.open_disputes, 1);
    other.status = DisputeStatus::Won;
    played.play(&disputed(other, None)).unwrap();
    assert!(!played.stream.payment.disputed);
    assert_eq!(played.stream.payment.open_disputes, 0);
}

#[test]
fn a_report_of_another_payments_dispute_is_not_ours() {
    let mut other = stripe_dispute(DisputeStatus::NeedsResponse);
    other.payment_intent = Some("pi_2".to_owned());
    let refused = stream::step(&resting(payment::Status::Succeeded), &disputed(other, None));
    assert_eq!(refused, Err(Refusal::NotOurs));
}

#[test]
fn a_reminder_is_made_once_and_again_for_a_new_deadline() {
    let mut played = Played::new(with_dispute(Status::WarningNeedsResponse));
    let due = |now| Event::EvidenceDue { now };
    assert!(played.play(&due(0)).unwrap().is_empty());
    let step = played.play(&due(900_000)).unwrap();
    assert_eq!(step.transitions[0].kind, "evidence_due");
    assert!(played.play(&due(900_001)).unwrap().is_empty());
    let mut escalated = stripe_dispute(DisputeStatus::NeedsResponse);
    escalated.evidence_details.due_by = Some(2_000_000);
    played.play(&disputed(escalated, None)).unwrap();
    let remind_at = played.stream.disputes[0].remind_at();
    assert_eq!(remind_at, Some(2_000_000 - 48 * 3600));
    assert!(played.play(&due(900_002)).unwrap().is_empty());
    assert_eq!(played.play(&due(1_900_000)).unwrap().transitions.len(), 1);
}

#[test]
fn evidence_that_was_staged_is_submitted_by_the_next_call() {
    let mut played = Played::new(with_dispute(Status::NeedsResponse));
    played.play(&send(false)).unwrap();
    let staged = answered(Call::UpdateDispute, DisputeStatus::NeedsResponse, STAGED);
    played.play(&staged).unwrap();
    let dispute = &played.stream.disputes[0];
    assert_eq!(
        (dispute.evidence, dispute.open_call),
        (Some(Evidence::Staged), None)
    );
    played.play(&send(true)).unwrap();
    let sent = answered(Call::UpdateDispute, DisputeStatus::UnderReview, SUBMITTED);
    played.play(&sent).unwrap();
    let dispute = &played.stream.disputes[0];
    assert_eq!(dispute.evidence, Some(Evidence::Submitted));
    assert_eq!(dispute.status, Status::UnderReview);
}

#[test]
fn a_resync_without_disputes_leaves_them_as_they_are() {
    let stream = with_dispute(Status::NeedsResponse);
    let read = resynced(intent(workflows::stripe::IntentStatus::Succeeded), vec![]);
    let step = stream::step(&stream, &read).unwrap();
    assert!(step.is_empty(), "{step:?}");
}
