//! Whose intent it is, and what is kept of it.

use std::collections::BTreeMap;

use serde_json::json;
use workflows::payment::{Call, Kind, Payment, Status};
use workflows::stream::{ConfirmRequest, Effect, Event, IntentReport, Refusal};
use workflows::stripe::{
    Charge, ChargeRef, ChargeStatus, Intent, IntentStatus, PAYMENT_ID, RefundStatus, StripeError,
};
use workflows::{attempt, stream};

use crate::played::Played;
use crate::samples::{
    accepted, answered, charge, charged, confirming, created, id, intent, payment, resting,
    resynced, stripe_refund, webhook,
};

#[test]
fn an_intent_is_adopted_by_what_we_wrote_on_it_and_by_nothing_else() {
    let stranger = Intent {
        metadata: [(PAYMENT_ID.to_owned(), id(2).to_string())].into(),
        ..intent(IntentStatus::RequiresPaymentMethod)
    };
    let nameless = Intent {
        metadata: [].into(),
        ..intent(IntentStatus::RequiresPaymentMethod)
    };
    let mut played = Played::new(accepted());
    for other in [stranger.clone(), nameless.clone()] {
        let report = webhook(Kind::IntentCreated, other);
        assert_eq!(played.play(&report), Err(Refusal::NotOurs));
    }
    let dollars = Intent {
        currency: "usd".to_owned(),
        ..intent(IntentStatus::RequiresPaymentMethod)
    };
    let report = webhook(Kind::IntentCreated, dollars);
    assert_eq!(played.play(&report), Err(Refusal::WrongCurrency));
    // Our own call made it, whatever somebody has written on it since.
    played
        .play(&answered(Call::CreateIntent, None, stranger))
        .unwrap();
    let another = Intent {
        id: "pi_2".to_owned(),
        ..intent(IntentStatus::Succeeded)
    };
    assert_eq!(
        played.play(&resynced(another, vec![])),
        Err(Refusal::NotOurs)
    );
    assert_eq!(played.stream.payment.intent_id.as_deref(), Some("pi_1"));
}

#[test]
fn a_known_intent_stays_ours_whatever_its_metadata_says() {
    for marked in [Some("42".to_owned()), Some(id(2).to_string()), None] {
        let metadata: BTreeMap<String, String> = marked
            .map(|mark| (PAYMENT_ID.to_owned(), mark))
            .into_iter()
            .collect();
        let paid = Intent {
            metadata: metadata.clone(),
            ..intent(IntentStatus::Succeeded)
        };
        let mut played = Played::new(resting(Status::RequiresAction));
        played
            .play(&webhook(Kind::Succeeded, paid.clone()))
            .unwrap();
        assert_eq!(played.stream.payment.status, Status::Succeeded);
        let mut played = Played::new(resting(Status::RequiresAction));
        played.play(&resynced(paid, vec![])).unwrap();
        assert_eq!(played.stream.payment.status, Status::Succeeded);
        let mut played = Played::new(confirming());
        let authorized = Charge {
            metadata,
            ..charge("ch_1", ChargeStatus::Succeeded, false)
        };
        played
            .play(&charged(attempt::Status::Authorized, authorized))
            .unwrap();
        let newest = played.stream.newest_attempt().unwrap();
        assert_eq!(newest.status, attempt::Status::Authorized);
    }
}

#[test]
fn a_payment_with_an_intent_takes_no_other_though_it_bears_our_mark() {
    let mut played = Played::new(resting(Status::RequiresAction));
    let copy = Intent {
        id: "pi_2".to_owned(),
        ..intent(IntentStatus::Succeeded)
    };
    let of_copy = Charge {
        payment_intent: Some("pi_2".to_owned()),
        ..charge("ch_2", ChargeStatus::Succeeded, true)
    };
    let without_intent = Charge {
        payment_intent: None,
        ..of_copy.clone()
    };
    for report in [
        webhook(Kind::Succeeded, copy),
        charged(attempt::Status::Captured, of_copy),
        charged(attempt::Status::Captured, without_intent),
    ] {
        assert_eq!(played.play(&report), Err(Refusal::NotOurs));
    }
}

#[test]
fn an_intent_in_a_status_of_tomorrow_moves_nothing_and_leaves_no_call_open() {
    let unknown = intent(IntentStatus::Unknown);
    let answer = |call, attempt| {
        Event::IntentSeen(IntentReport {
            intent: unknown.clone(),
            kind: Kind::Resync,
            answers: Some(call),
            attempt,
            fresh_attempt: id(98),
            fresh_capture: id(77),
        })
    };
    for (stream, call, attempt) in [
        (accepted(), Call::CreateIntent, None),
        (confirming(), Call::ConfirmIntent, Some(id(11))),
    ] {
        let status = stream.payment.status;
        let mut played = Played::new(stream);
        let step = played.play(&answer(call, attempt)).unwrap();
        assert_eq!((step.transitions.len(), step.effects), (0, vec![]));
        assert_eq!(played.stream.payment.open_call, None);
        assert_eq!(played.stream.payment.intent_id.as_deref(), Some("pi_1"));
        assert_eq!(played.stream.payment.status, status);
        let seen = webhook(Kind::Succeeded, unknown.clone());
        let step = played.play(&seen).unwrap();
        assert_eq!(step.effects, [Effect::Resync]);
        assert!(
            played
                .play(&resynced(unknown.clone(), vec![]))
                .unwrap()
                .is_empty()
        );
        played
            .play(&webhook(Kind::Succeeded, intent(IntentStatus::Succeeded)))
            .unwrap();
        assert_eq!(played.stream.payment.status, Status::Succeeded);
    }
}

#[test]
fn a_cancel_that_is_answered_with_a_status_of_tomorrow_is_not_called_again() {
    let mut played = Played::new(resting(Status::RequiresPaymentMethod));
    played
        .play(&Event::CancelRequested { reason: None })
        .unwrap();
    let answer = Event::IntentSeen(IntentReport {
        intent: intent(IntentStatus::Unknown),
        kind: Kind::Resync,
        answers: Some(Call::CancelIntent),
        attempt: None,
        fresh_attempt: id(98),
        fresh_capture: id(77),
    });
    assert!(played.play(&answer).unwrap().effects.is_empty());
    assert_eq!(played.stream.payment.open_call, None);
}

#[test]
fn the_charge_of_a_payment_is_learned_when_it_comes_later() {
    let bare = |status| Intent {
        latest_charge: None,
        ..intent(status)
    };
    let captured = charged(
        attempt::Status::Captured,
        charge("ch_1", ChargeStatus::Succeeded, true),
    );
    let authorized = charged(
        attempt::Status::Authorized,
        charge("ch_1", ChargeStatus::Succeeded, false),
    );
    let (paid, held) = (IntentStatus::Succeeded, IntentStatus::RequiresCapture);
    for (first, kind, later) in [
        (paid, Kind::Succeeded, captured.clone()),
        (paid, Kind::Succeeded, authorized.clone()),
        (
            paid,
            Kind::Succeeded,
            webhook(Kind::Succeeded, intent(paid)),
        ),
        (held, Kind::CapturableUpdated, authorized),
        (
            held,
            Kind::CapturableUpdated,
            webhook(Kind::CapturableUpdated, intent(held)),
        ),
    ] {
        let mut played = Played::new(confirming());
        played.play(&webhook(kind, bare(first))).unwrap();
        assert_eq!(played.stream.newest_attempt().unwrap().charge_id, None);
        let step = played.play(&later).unwrap();
        assert_eq!((step.transitions.len(), step.effects), (0, vec![]));
        let newest = played.stream.newest_attempt().unwrap();
        assert_eq!(newest.charge_id.as_deref(), Some("ch_1"));
    }
}

#[test]
fn what_the_customer_is_to_do_is_kept_of_a_decline() {
    let error = json!({
        "type": "card_error", "code": "card_declined", "decline_code": "do_not_honor",
        "advice_code": "do_not_try_again", "network_decline_code": "05", "network_advice_code": "03",
        "message": "No.", "charge": "ch_1",
    });
    let read: StripeError = serde_json::from_value(error.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), error);
    let failed: Charge = serde_json::from_value(json!({
        "id": "ch_1", "status": "failed", "amount": 1, "failure_code": "card_declined",
        "failure_message": "No.", "outcome": {
            "type": "issuer_declined", "reason": "do_not_honor", "advice_code": "do_not_try_again",
            "network_decline_code": "05", "network_advice_code": "03",
        },
    }))
    .unwrap();
    assert_eq!(failed.error(), Some(read));
}

#[test]
fn a_secret_that_a_webhook_leaves_out_is_kept() {
    let mut played = Played::new(resting(Status::RequiresPaymentMethod));
    played
        .play(&webhook(
            Kind::ActionRequired,
            intent(IntentStatus::RequiresAction),
        ))
        .unwrap();
    let payment = &played.stream.payment;
    assert_eq!(payment.client_secret.as_deref(), Some("pi_1_secret"));
    assert!(payment.next_action.is_some());
    played
        .play(&webhook(Kind::Succeeded, intent(IntentStatus::Succeeded)))
        .unwrap();
    assert_eq!(played.stream.payment.next_action, None);
}

#[test]
fn the_deadline_of_a_capture_is_kept_from_the_expanded_charge() {
    let mut played = Played::new(confirming());
    let held = Intent {
        latest_charge: Some(ChargeRef {
            id: "ch_1".to_owned(),
            capture_before: Some(77),
            multicapture: None,
        }),
        ..intent(IntentStatus::RequiresCapture)
    };
    played
        .play(&webhook(Kind::CapturableUpdated, held))
        .unwrap();
    assert_eq!(played.stream.payment.capture_before, Some(77));
    assert!(
        played
            .play(&resynced(intent(IntentStatus::RequiresCapture), vec![]))
            .unwrap()
            .is_empty()
    );
    assert_eq!(played.stream.payment.capture_before, Some(77));
}

#[test]
fn sums_that_do_not_add_up_are_refused() {
    let mut played = Played::new(resting(Status::Succeeded));
    let given = stripe_refund("re_1", RefundStatus::Succeeded, 400);
    played
        .play(&resynced(intent(IntentStatus::Succeeded), vec![given]))
        .unwrap();
    for (received, capturable) in [(-1, 0), (i64::MAX, 1), (0, -1), (399, 0)] {
        let broken = Intent {
            amount_received: received,
            amount_capturable: capturable,
            ..intent(IntentStatus::Succeeded)
        };
        assert_eq!(
            played.play(&resynced(broken, vec![])),
            Err(Refusal::BrokenSums),
            "{received} {capturable}"
        );
    }
}

#[test]
fn a_payment_that_is_to_be_confirmed_goes_on_when_its_intent_is_there() {
    for report in [
        created(),
        webhook(
            Kind::IntentCreated,
            intent(IntentStatus::RequiresPaymentMethod),
        ),
        resynced(intent(IntentStatus::RequiresConfirmation), vec![]),
    ] {
        let new = Payment {
            confirm: true,
            ..payment()
        };
        let mut played = Played::new(stream::start(new).unwrap().stream);
        let step = played.play(&report).unwrap();
        assert!(
            matches!(step.effects[..], [Effect::ConfirmIntent { .. }]),
            "{step:?}"
        );
        assert_eq!(played.stream.payment.open_call, Some(Call::ConfirmIntent));
        // The answer of the create comes after the webhook and must not close the confirm.
        assert!(played.play(&created()).is_ok());
        assert_eq!(played.stream.payment.open_call, Some(Call::ConfirmIntent));
    }
}

#[test]
fn without_a_payment_method_nothing_is_confirmed() {
    let new = Payment {
        confirm: true,
        payment_method: None,
        ..payment()
    };
    let mut played = Played::new(stream::start(new).unwrap().stream);
    assert!(played.play(&created()).unwrap().effects.is_empty());
    assert_eq!(
        played.play(&Event::ConfirmRequested(ConfirmRequest {
            attempt: id(50),
            payment_method: None,
            return_url: None
        })),
        Err(Refusal::PaymentMethodMissing)
    );
}

#[test]
fn another_action_of_the_customer_needs_a_resync() {
    let mut played = Played::new(resting(Status::RequiresAction));
    let known = intent(IntentStatus::RequiresAction);
    let again = webhook(Kind::ActionRequired, known.clone());
    assert!(played.play(&again).unwrap().is_empty());
    let another = Intent {
        next_action: Some(json!({"type": "verify_with_microdeposits"})),
        ..known
    };
    let step = played
        .play(&webhook(Kind::ActionRequired, another.clone()))
        .unwrap();
    assert_eq!(
        (step.transitions.len(), step.effects),
        (0, vec![Effect::Resync])
    );
    played.play(&resynced(another.clone(), vec![])).unwrap();
    assert_eq!(played.stream.payment.next_action, another.next_action);
}
