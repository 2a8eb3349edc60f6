//! Every event in every status: what it does, or why it is refused, as a table in `steps.txt`.

use std::collections::BTreeMap;
use std::fmt::Write;

use workflows::payment::{Call, Kind, Status};
use workflows::stream::{
    ConfirmRequest, Effect, Event, RefundReport, RefundRequest, Stream, VoidCall,
};
use workflows::stripe::{ChargeStatus, IntentStatus, RefundStatus};
use workflows::{attempt, stream};

use crate::played::line;
use crate::samples::{
    AMOUNT, answered, capture_intent, capture_requested, charge, charged, confirming, decline,
    declined, id, intent, refusal, resting, resynced, stripe_refund, webhook,
};

/// Where the table is; written anew by `cargo test -p workflows --test it write_the_table -- --ignored`, then read.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/steps.txt");

#[test]
fn every_event_in_every_status_does_what_the_table_says() {
    let expected = include_str!("steps.txt");
    let found = table();
    for (expected, found) in expected.lines().zip(found.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}

#[test]
#[ignore = "writes the table anew; read what changed"]
#[expect(clippy::disallowed_methods, reason = "a test may write its table")]
fn write_the_table() {
    std::fs::write(TABLE, table()).unwrap();
}

fn table() -> String {
    let mut streams: Vec<(String, Stream)> = Status::ALL
        .iter()
        .map(|status| (status.to_string(), resting(*status)))
        .collect();
    streams.push(("confirm under way".to_owned(), confirming()));
    let mut text = String::new();
    for (name, stream) in streams {
        writeln!(text, "{name}").unwrap();
        for (event_name, event) in events() {
            let line = line(&stream::step(&stream, &event));
            writeln!(text, "    {event_name:<41} {line}").unwrap();
        }
    }
    text
}

/// One sample of each event, and of each thing that it can say.
fn events() -> Vec<(String, Event)> {
    let mut events = commands();
    events.extend(reports());
    events.extend(ends_of_calls());
    events
        .into_iter()
        .map(|(what, event)| {
            (
                format!("{} {what}", name(&event)).trim_end().to_owned(),
                event,
            )
        })
        .collect()
}

/// A new event fails to compile until the table has it.
fn name(event: &Event) -> &'static str {
    match event {
        Event::ConfirmRequested(_) => "confirm_requested",
        Event::CaptureRequested(_) => "capture_requested",
        Event::CancelRequested { .. } => "cancel_requested",
        Event::RefundRequested(_) => "refund_requested",
        Event::EvidenceRequested(_) => "evidence_requested",
        Event::AcceptRequested { .. } => "accept_requested",
        Event::EvidenceDue { .. } => "evidence_due",
        Event::AuthorizationExpiring { .. } => "authorization_expiring",
        Event::Forced { .. } => "forced",
        Event::IntentSeen(_) => "intent_seen",
        Event::IntentRejected { .. } => "intent_rejected",
        Event::ConfirmRefused { .. } => "confirm_refused",
        Event::CallRefused { .. } => "call_refused",
        Event::CallProvedVoid(_) => "call_proved_void",
        Event::ChargeSeen(_) => "charge_seen",
        Event::RefundSeen(_) => "refund_seen",
        Event::RefundRejected { .. } => "refund_rejected",
        Event::DisputeSeen(_) => "dispute_seen",
        Event::DisputeCallRefused { .. } => "dispute_call_refused",
        Event::HoldSeen(_) => "hold_seen",
        Event::Hinted => "hinted",
        Event::Resynced(_) => "resynced",
    }
}

fn commands() -> Vec<(String, Event)> {
    vec![
        (
            String::new(),
            Event::ConfirmRequested(ConfirmRequest {
                attempt: id(50),
                payment_method: None,
                return_url: None,
            }),
        ),
        ("all".to_owned(), capture_requested(None)),
        ("too much".to_owned(), capture_requested(Some(AMOUNT + 1))),
        (String::new(), Event::CancelRequested { reason: None }),
        ("all".to_owned(), refund_requested(None)),
        ("too much".to_owned(), refund_requested(Some(AMOUNT + 1))),
        ("nothing".to_owned(), refund_requested(Some(0))),
        (
            "canceled".to_owned(),
            Event::Forced {
                to: Status::Canceled,
                reason: "lost at sea".to_owned(),
            },
        ),
    ]
}

fn refund_requested(amount: Option<i64>) -> Event {
    Event::RefundRequested(RefundRequest {
        refund: id(51),
        amount,
        reason: None,
    })
}

const STATUSES: [IntentStatus; 7] = [
    IntentStatus::RequiresPaymentMethod,
    IntentStatus::RequiresConfirmation,
    IntentStatus::RequiresAction,
    IntentStatus::Processing,
    IntentStatus::RequiresCapture,
    IntentStatus::Succeeded,
    IntentStatus::Canceled,
];

fn reports() -> Vec<(String, Event)> {
    let mut reports = vec![
        (
            "payment_failed".to_owned(),
            webhook(Kind::PaymentFailed, declined("ch_1")),
        ),
        (
            "unknown".to_owned(),
            webhook(Kind::Resync, intent(IntentStatus::Unknown)),
        ),
    ];
    for status in STATUSES {
        let kind = Kind::of_intent(status).unwrap();
        let word = Status::of_intent(status).unwrap();
        reports.push((word.to_string(), webhook(kind, intent(status))));
        reports.push((format!("look {word}"), resynced(intent(status), vec![])));
        let attempt = Some(id(11));
        let answer = answered(Call::ConfirmIntent, attempt, intent(status));
        reports.push((format!("confirmed {word}"), answer));
    }
    for (name, reached, status, captured) in [
        (
            "pended",
            attempt::Status::Pending,
            ChargeStatus::Pending,
            false,
        ),
        (
            "authorized",
            attempt::Status::Authorized,
            ChargeStatus::Succeeded,
            false,
        ),
        (
            "captured",
            attempt::Status::Captured,
            ChargeStatus::Succeeded,
            true,
        ),
        (
            "failed",
            attempt::Status::Failed,
            ChargeStatus::Failed,
            false,
        ),
        (
            "expired",
            attempt::Status::Expired,
            ChargeStatus::Failed,
            false,
        ),
    ] {
        let seen = charged(reached, charge("ch_1", status, captured));
        reports.push((name.to_owned(), seen));
        let other = charged(reached, charge("ch_9", status, captured));
        reports.push((format!("{name} another"), other));
    }
    let import = stripe_refund("re_9", RefundStatus::Succeeded, AMOUNT);
    reports.push((
        "unknown".to_owned(),
        Event::RefundSeen(RefundReport {
            refund: import,
            answers: None,
            fresh_refund: id(52),
        }),
    ));
    reports.push((String::new(), Event::Hinted));
    reports
}

fn ends_of_calls() -> Vec<(String, Event)> {
    let error = refusal("resource_missing");
    let mut ends = vec![
        (
            String::new(),
            Event::IntentRejected {
                error: error.clone(),
            },
        ),
        (
            String::new(),
            Event::ConfirmRefused {
                attempt: id(11),
                error: decline(None),
            },
        ),
        (
            String::new(),
            Event::RefundRejected {
                refund: id(51),
                error: error.clone(),
            },
        ),
    ];
    for call in Call::ALL {
        ends.push((
            call.to_string(),
            Event::CallRefused {
                call: *call,
                error: error.clone(),
            },
        ));
        ends.push((
            call.to_string(),
            Event::CallProvedVoid(VoidCall {
                effect: effect(*call),
                fresh_attempt: id(53),
            }),
        ));
    }
    ends
}

/// The effect that makes a call.
fn effect(call: Call) -> Effect {
    match call {
        Call::CreateIntent => Effect::CreateIntent,
        Call::ConfirmIntent => Effect::ConfirmIntent { attempt: id(11) },
        Call::CaptureIntent => capture_intent(AMOUNT),
        Call::CancelIntent => Effect::CancelIntent { reason: None },
        Call::CreateRefund => Effect::CreateRefund { refund: id(51) },
        Call::UpdateDispute => Effect::UpdateDispute {
            dispute: id(31),
            evidence: BTreeMap::from([("uncategorized_text".to_owned(), "sent".to_owned())]),
            submit: true,
        },
        Call::CloseDispute => Effect::CloseDispute { dispute: id(31) },
    }
}

#[test]
fn the_json_of_an_effect_names_its_kind_and_is_read_back() {
    for call in Call::ALL {
        let effect = effect(*call);
        let json = serde_json::to_value(&effect).unwrap();
        assert_eq!(json["kind"], call.as_str());
        assert_eq!(effect.kind().as_str(), call.as_str());
        assert_eq!(serde_json::from_value::<Effect>(json).unwrap(), effect);
    }
    let json = serde_json::to_value(Effect::Resync).unwrap();
    assert_eq!(
        json,
        serde_json::json!({ "kind": Effect::Resync.kind().as_str() })
    );
}
