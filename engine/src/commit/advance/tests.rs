//! `advance` without Postgres: requests on streams in memory.

use workflows::money::Money;
use workflows::payment::{Call, CaptureMethod, Kind, Payment, Status};
use workflows::stream;
use workflows::stream::{CaptureRequest, IntentReport, RefundRequest};
use workflows::stripe::Intent;

use super::*;
use crate::commit::Applied;
use crate::record::Notes;

const ACCOUNT: Uuid = Uuid::from_u128(0xacc);
const PAYMENT: Uuid = Uuid::from_u128(0x9a1);
const JOB: Uuid = Uuid::from_u128(0x10b);

/// A payment that Stripe has been asked to create, and that is confirmed as soon as its intent exists.
fn created() -> Record {
    let step = stream::start(Payment::new(
        PAYMENT,
        Money::parse(1099, "eur").unwrap(),
        CaptureMethod::Automatic,
        true,
        Some("pm_card_visa".into()),
        None,
    ));
    let now = crate::store::now();
    Record {
        stream: step.unwrap().stream,
        account: ACCOUNT,
        notes: Notes::default(),
        created_at: now,
        updated_at: now,
    }
}

/// A payment of which `captured` was taken.
fn succeeded(captured: i64) -> Record {
    let mut record = created();
    let payment = &mut record.stream.payment;
    payment.status = Status::Succeeded;
    payment.intent_id = Some("pi_1".into());
    payment.open_call = None;
    payment.authorized = captured;
    payment.captured = captured;
    record
}

fn state(record: Record) -> State {
    let records = HashMap::from([(PAYMENT, record)]);
    State {
        fold: Fold::new(records, crate::store::now()),
        held: HashMap::from([(JOB, Held::Finished)]),
        answers: HashMap::new(),
        dead_letters: Vec::new(),
        expired: Vec::new(),
        reminded: Vec::new(),
        leases_calls: true,
    }
}

fn cause(id: &str) -> Cause {
    Cause::stripe_event(id)
}

fn command(event: Event, subject: Uuid, key: &str, body_hash: [u8; 32]) -> Advance {
    Advance {
        payment: PAYMENT,
        cause: cause(key),
        origin: Origin::Command {
            event,
            subject,
            idempotency: Idempotency {
                account: ACCOUNT,
                method: "POST".into(),
                path: "/".into(),
                key: key.into(),
                body_hash,
            },
        },
    }
}

fn cancel(key: &str) -> Advance {
    let event = Event::CancelRequested { reason: None };
    command(event, PAYMENT, key, [1; 32])
}

fn result(event: Event, expected_version: Option<i64>) -> Advance {
    Advance {
        payment: PAYMENT,
        cause: Cause::job(JOB, 0),
        origin: Origin::Job {
            job: JOB,
            lease: Uuid::from_u128(1),
            finish: Finish::Done,
            calls: Vec::new(),
            event: Some(event),
            expected_version,
        },
    }
}

/// Stripe's answer to the call that creates the intent.
fn intent_created() -> Event {
    let intent: Intent = serde_json::from_value(serde_json::json!({
        "id": "pi_1", "object": "payment_intent", "status": "requires_confirmation", "amount": 1099, "currency": "eur",
        "capture_method": "automatic", "payment_method": "pm_card_visa",
        "metadata": { "payment_id": PaymentId::from(PAYMENT).to_string() },
    }))
    .unwrap();
    Event::IntentSeen(IntentReport {
        intent,
        kind: Kind::IntentCreated,
        answers: Some(Call::CreateIntent),
        attempt: None,
        fresh_attempt: Uuid::from_u128(0xa7),
        fresh_capture: Uuid::from_u128(0xa8),
    })
}

fn answered(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Answered(answer) => answer,
        other => panic!("not answered: {other:?}"),
    }
}

#[test]
fn a_command_is_answered_once_and_its_repetition_gets_the_same_bytes() {
    let mut state = state(created());
    let first = answered(advance(&mut state, &cancel("one")));
    let moves = state.fold.transitions().len();
    assert!(!first.replayed && moves > 0);
    assert_eq!((first.status, first.subject), (200, PAYMENT));
    let second = answered(advance(&mut state, &cancel("one")));
    assert!(second.replayed);
    assert_eq!(second.body, first.body);
    assert_eq!(state.fold.transitions().len(), moves);
}

#[test]
fn a_key_with_another_body_is_refused() {
    let mut state = state(created());
    answered(advance(&mut state, &cancel("one")));
    let event = Event::CancelRequested { reason: None };
    let other = command(event, PAYMENT, "one", [2; 32]);
    let outcome = advance(&mut state, &other);
    assert!(matches!(outcome, Outcome::Refused(Error::KeyReused)));
}

#[test]
fn the_payment_of_another_account_is_not_found() {
    let mut record = created();
    record.account = Uuid::from_u128(0xbad);
    let mut state = state(record);
    let outcome = advance(&mut state, &cancel("one"));
    assert!(matches!(outcome, Outcome::Refused(Error::NotFound)));
    assert!(state.fold.transitions().is_empty() && state.answers.is_empty());
}

#[test]
fn a_refused_command_is_not_answered_to_its_repetition() {
    let mut state = state(created());
    let capture = command(
        Event::CaptureRequested(CaptureRequest {
            capture: Uuid::from_u128(0xa9),
            amount: None,
            is_final: true,
        }),
        PAYMENT,
        "one",
        [1; 32],
    );
    for _ in 0..2 {
        let outcome = advance(&mut state, &capture);
        assert!(matches!(outcome, Outcome::Refused(Error::Refused(_))));
    }
    assert!(state.answers.is_empty());
}

#[test]
fn a_refund_is_answered_with_its_own_view() {
    let mut state = state(succeeded(1099));
    let refund = Uuid::from_u128(0xf0);
    let event = Event::RefundRequested(RefundRequest {
        refund,
        amount: Some(99),
        reason: None,
    });
    let answer = answered(advance(&mut state, &command(event, refund, "one", [1; 32])));
    assert_eq!((answer.status, answer.subject), (201, refund));
    let view: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(view["object"], "refund");
    assert_eq!(view["amount"], 99);
}

#[test]
fn a_job_whose_lease_has_passed_on_changes_nothing() {
    let mut state = state(created());
    state.held.clear();
    let outcome = advance(&mut state, &result(intent_created(), None));
    assert!(matches!(outcome, Outcome::Stale));
    assert!(state.fold.transitions().is_empty());
}

#[test]
fn a_worker_leases_the_call_that_follows_from_its_result() {
    let mut state = state(created());
    let outcome = advance(&mut state, &result(intent_created(), None));
    let Outcome::Finished(claims) = outcome else {
        panic!("not finished: {outcome:?}");
    };
    assert_eq!(claims.len(), 1);
    let record = claims[0].record.as_ref().unwrap();
    assert_eq!(record.stream.payment.open_call, Some(Call::ConfirmIntent));
    assert_eq!(record.stream.payment.intent_id.as_deref(), Some("pi_1"));
}

#[test]
fn a_gateway_leases_no_calls() {
    let mut state = state(created());
    state.leases_calls = false;
    let outcome = advance(&mut state, &result(intent_created(), None));
    assert!(matches!(outcome, Outcome::Finished(claims) if claims.is_empty()));
    assert_eq!(state.fold.calls(), 1);
}

#[test]
fn a_result_about_an_older_version_requests_another_resync() {
    let mut state = state(created());
    let outcome = advance(&mut state, &result(intent_created(), Some(7)));
    assert!(matches!(outcome, Outcome::Finished(claims) if claims.is_empty()));
    assert!(state.fold.transitions().is_empty());
    assert_eq!(state.fold.resyncs.iter().collect::<Vec<_>>(), [&PAYMENT]);
}

#[test]
fn a_result_that_is_refused_makes_its_job_dead_and_moves_nothing() {
    let mut state = state(created());
    let error = workflows::stripe::StripeError::default();
    let refund = Uuid::from_u128(0xf0);
    let outcome = advance(
        &mut state,
        &result(Event::RefundRejected { refund, error }, None),
    );
    assert!(matches!(outcome, Outcome::Finished(_)));
    let [(job, reason)] = &state.dead_letters[..] else {
        panic!("{:?}", state.dead_letters);
    };
    assert_eq!(*job, JOB);
    assert_eq!(
        reason,
        "its result was refused: the refund is not of this payment"
    );
    assert!(state.fold.transitions().is_empty());
}

#[test]
fn an_expiry_cancels_the_payment_and_is_done_even_if_it_is_refused() {
    let expiry = Advance {
        payment: PAYMENT,
        cause: Cause::expiry(),
        origin: Origin::Expiry,
    };
    let mut open = state(created());
    advance(&mut open, &expiry);
    let payment = &open.fold.record(PAYMENT).unwrap().stream.payment;
    assert_eq!(payment.cancellation_reason.as_deref(), Some("abandoned"));
    assert_eq!(open.expired, [PAYMENT]);

    let mut over = state(succeeded(1099));
    advance(&mut over, &expiry);
    assert!(over.fold.transitions().is_empty());
    assert_eq!(over.expired, [PAYMENT]);
}

#[test]
fn the_difference_is_between_the_locked_stream_and_the_last_event() {
    let before = created();
    let mut state = state(before.clone());
    advance(&mut state, &cancel("one"));
    advance(&mut state, &result(intent_created(), None));
    let changes: Vec<_> = state.fold.changes().collect();
    assert_eq!(changes.len(), 1);
    assert_eq!(*changes[0].before, before.stream);
    assert_eq!(
        changes[0].after.stream,
        state.fold.record(PAYMENT).unwrap().stream
    );
    let versions: Vec<i64> = state
        .fold
        .transitions()
        .iter()
        .map(|new| new.transition.version)
        .collect();
    let first = before.stream.payment.version + 1;
    assert_eq!(versions, (first..).take(versions.len()).collect::<Vec<_>>());
}

#[test]
fn an_event_that_only_requests_a_resync_leaves_the_stream_unwritten() {
    let mut state = state(succeeded(1099));
    let applied = state.fold.apply(PAYMENT, &Event::Hinted, &cause("evt_1"));
    assert_eq!(applied.unwrap(), Applied::Changed);
    assert_eq!(state.fold.resyncs.len(), 1);
    assert_eq!(state.fold.changes().count(), 0);
}

#[test]
fn the_request_id_that_a_client_sent_is_kept_beside_the_cause() {
    let mut state = state(created());
    let mut request = cancel("one");
    request.cause.client_request_id = Some("order-17".into());
    answered(advance(&mut state, &request));
    let transition = &state.fold.transitions()[0];
    assert_eq!(transition.cause, "one");
    assert_eq!(transition.data["request_id"], "order-17");
}
