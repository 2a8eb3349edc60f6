//! The one open call of a payment: what opens it, what waits for it, what closes it.

use workflows::payment::{Call, Kind, Status};
use workflows::stream::{CaptureRequest, ConfirmRequest, Effect, Event, Refusal, VoidCall};
use workflows::stripe::{Intent, IntentStatus};
use workflows::{attempt, stream};

use crate::played::{Played, line};
use crate::samples::{
    AMOUNT, accepted, answered, capture_intent, capture_requested, confirming, created, decline,
    declined, id, intent, payment, refusal, resting, resynced, webhook,
};

const CANCEL: Event = Event::CancelRequested { reason: None };

fn confirm(attempt: u128) -> Event {
    Event::ConfirmRequested(ConfirmRequest {
        attempt: id(attempt),
        payment_method: None,
        return_url: None,
    })
}

fn void(effect: Effect) -> Event {
    Event::CallProvedVoid(VoidCall {
        effect,
        fresh_attempt: id(70),
    })
}

#[test]
fn a_new_payment_asks_for_its_intent() {
    let step = stream::start(payment()).unwrap();
    assert_eq!(step.effects, [Effect::CreateIntent]);
    assert_eq!(step.stream.payment.open_call, Some(Call::CreateIntent));
    assert_eq!(step.stream.payment.version, 1);
    let first = step.transitions[0];
    assert_eq!(
        (first.from, first.kind, first.to),
        ("none", "accepted", "local_created")
    );
}

#[test]
fn a_cancel_waits_for_the_open_call() {
    let mut played = Played::new(accepted());
    let step = played.play(&CANCEL).unwrap();
    assert!(step.effects.is_empty());
    assert_eq!(played.play(&CANCEL), Err(Refusal::CancelPending));
    let step = played.play(&created()).unwrap();
    assert_eq!(step.effects, [Effect::CancelIntent { reason: None }]);
    assert_eq!(played.stream.payment.open_call, Some(Call::CancelIntent));
    let refused = played.play(&confirm(50));
    assert_eq!(
        refused,
        Err(Refusal::CallOpen {
            call: Call::CancelIntent
        })
    );
}

#[test]
fn a_cancel_behind_a_confirm_goes_out_when_the_attempt_has_failed() {
    let mut played = Played::new(confirming());
    played.play(&CANCEL).unwrap();
    let answer = answered(Call::ConfirmIntent, Some(id(11)), declined("ch_1"));
    let step = played.play(&answer).unwrap();
    assert_eq!(step.effects, [Effect::CancelIntent { reason: None }]);
}

#[test]
fn a_cancel_that_loses_against_the_money_is_forgotten() {
    let mut played = Played::new(confirming());
    let reason = Some("abandoned".to_owned());
    played.play(&Event::CancelRequested { reason }).unwrap();
    let answer = answered(
        Call::ConfirmIntent,
        Some(id(11)),
        intent(IntentStatus::Succeeded),
    );
    let step = played.play(&answer).unwrap();
    assert!(step.effects.is_empty());
    let payment = &played.stream.payment;
    assert_eq!(
        (payment.cancel_requested, &payment.cancellation_reason),
        (false, &None)
    );
}

#[test]
fn a_cancel_that_stripe_does_not_do_is_not_tried_for_ever() {
    let answer = answered(Call::CancelIntent, None, intent(IntentStatus::Processing));
    let refused = Event::CallRefused {
        call: Call::CancelIntent,
        error: refusal("resource_missing"),
    };
    for end in [answer, refused] {
        let mut played = Played::new(resting(Status::Processing));
        played.play(&CANCEL).unwrap();
        let step = played.play(&end).unwrap();
        assert!(step.effects.is_empty(), "{step:?}");
        let payment = &played.stream.payment;
        assert_eq!((payment.open_call, payment.cancel_requested), (None, false));
    }
}

#[test]
fn the_reason_of_a_cancel_reaches_stripe_and_stripes_reason_stays() {
    let mut played = Played::new(resting(Status::RequiresCapture));
    let reason = Some("abandoned".to_owned());
    let step = played
        .play(&Event::CancelRequested {
            reason: reason.clone(),
        })
        .unwrap();
    assert_eq!(step.effects, [Effect::CancelIntent { reason }]);
    let canceled = Intent {
        cancellation_reason: Some("automatic".to_owned()),
        ..intent(IntentStatus::Canceled)
    };
    played.play(&webhook(Kind::Canceled, canceled)).unwrap();
    let payment = &played.stream.payment;
    assert_eq!(payment.cancellation_reason.as_deref(), Some("automatic"));
    // Stripe's word for an authorization that ran out.
    let newest = played.stream.newest_attempt().unwrap();
    assert_eq!(newest.status, attempt::Status::Expired);
}

#[test]
fn a_capture_takes_what_can_be_captured_and_not_more() {
    let mut played = Played::new(resting(Status::RequiresCapture));
    let refused = played.play(&capture_requested(Some(AMOUNT + 1)));
    assert_eq!(refused, Err(Refusal::CaptureExceeds { capturable: AMOUNT }));
    assert!(matches!(
        played.play(&capture_requested(Some(0))),
        Err(Refusal::Amount(_))
    ));
    let step = played.play(&capture_requested(None)).unwrap();
    assert_eq!(step.effects, [capture_intent(AMOUNT)]);
    let refused = played.play(&capture_requested(Some(1)));
    assert_eq!(
        refused,
        Err(Refusal::CallOpen {
            call: Call::CaptureIntent
        })
    );
    let partly = Intent {
        amount_received: 400,
        ..intent(IntentStatus::Succeeded)
    };
    played
        .play(&answered(Call::CaptureIntent, None, partly))
        .unwrap();
    let payment = &played.stream.payment;
    assert_eq!(
        (payment.captured, payment.capturable, payment.authorized),
        (400, 0, AMOUNT)
    );
    assert_eq!(payment.open_call, None);
}

#[test]
fn a_slow_capture_shows_in_its_answer() {
    let mut played = Played::new(resting(Status::RequiresCapture));
    played.play(&capture_requested(None)).unwrap();
    let slow = intent(IntentStatus::Processing);
    played
        .play(&answered(Call::CaptureIntent, None, slow))
        .unwrap();
    assert_eq!(played.stream.payment.status, Status::Processing);
    let newest = played.stream.newest_attempt().unwrap();
    assert_eq!(newest.status, attempt::Status::Pending);
}

#[test]
fn a_refused_capture_says_why_and_can_be_asked_for_again() {
    let mut played = Played::new(resting(Status::RequiresCapture));
    played.play(&capture_requested(None)).unwrap();
    let refused = Event::CallRefused {
        call: Call::CaptureIntent,
        error: refusal("capture_charge_authorization_expired"),
    };
    let step = played.play(&refused).unwrap();
    assert_eq!(
        line(&Ok(step)),
        "capture failed requested>failed, do resync"
    );
    assert!(played.stream.payment.last_error.is_some());
    assert!(played.stream.captures[0].error.is_some());
    assert!(played.play(&refused).unwrap().is_empty());
    let again = Event::CaptureRequested(CaptureRequest {
        capture: id(61),
        amount: None,
        is_final: true,
    });
    assert!(played.play(&again).is_ok());
}

#[test]
fn a_new_try_takes_the_place_of_an_unfinished_action() {
    let mut played = Played::new(resting(Status::RequiresAction));
    let step = played.play(&confirm(50)).unwrap();
    let closed = &step.stream.attempts[0];
    assert_eq!(
        (closed.id, closed.status),
        (id(11), attempt::Status::Voided)
    );
    let newest = played.stream.newest_attempt().unwrap();
    assert_eq!((newest.id, newest.number), (id(50), 2));
    // Stripe still shows the old action: that proves nothing about the new confirm.
    let step = played
        .play(&resynced(intent(IntentStatus::RequiresAction), vec![]))
        .unwrap();
    assert!(step.is_empty(), "{step:?}");
}

#[test]
fn an_answer_that_names_an_older_attempt_closes_nothing() {
    let mut played = Played::new(confirming());
    played
        .play(&webhook(Kind::PaymentFailed, declined("ch_1")))
        .unwrap();
    played.play(&confirm(50)).unwrap();
    let late = answered(Call::ConfirmIntent, Some(id(11)), declined("ch_1"));
    let step = played.play(&late).unwrap();
    assert!(step.transitions.is_empty());
    assert_eq!(played.stream.payment.open_call, Some(Call::ConfirmIntent));
    let late = Event::ConfirmRefused {
        attempt: id(11),
        error: decline(None),
    };
    assert!(played.play(&late).unwrap().is_empty());
}

#[test]
fn an_answer_that_is_no_news_still_closes_its_call() {
    let mut played = Played::new(resting(Status::RequiresCapture));
    played.play(&capture_requested(None)).unwrap();
    let held = intent(IntentStatus::RequiresCapture);
    let step = played
        .play(&answered(Call::CaptureIntent, None, held))
        .unwrap();
    // Stripe shows the intent as it was: the capture was not executed.
    assert_eq!(line(&Ok(step)), "capture failed requested>failed");
    assert_eq!(played.stream.payment.open_call, None);
}

#[test]
fn a_call_that_proved_void_is_made_anew() {
    let mut played = Played::new(accepted());
    let step = played.play(&void(Effect::CreateIntent)).unwrap();
    assert_eq!(step.effects, [Effect::CreateIntent]);

    let mut played = Played::new(confirming());
    let step = played
        .play(&void(Effect::ConfirmIntent { attempt: id(11) }))
        .unwrap();
    assert_eq!(step.stream.attempts[0].status, attempt::Status::Failed);
    assert_eq!(played.stream.payment.open_call, Some(Call::ConfirmIntent));

    let mut played = Played::new(resting(Status::RequiresCapture));
    played.play(&capture_requested(Some(300))).unwrap();
    let step = played.play(&void(capture_intent(300))).unwrap();
    assert_eq!(step.effects, [capture_intent(300)]);
    played.play(&CANCEL).unwrap();
    let step = played.play(&void(capture_intent(300))).unwrap();
    assert_eq!(step.effects, [Effect::CancelIntent { reason: None }]);
    let step = played
        .play(&void(Effect::CancelIntent { reason: None }))
        .unwrap();
    assert_eq!(step.effects, [Effect::CancelIntent { reason: None }]);
}

#[test]
fn a_resync_leaves_a_call_open_whose_outcome_it_does_not_show() {
    let mut played = Played::new(confirming());
    let waiting = intent(IntentStatus::RequiresPaymentMethod);
    assert!(played.play(&resynced(waiting, vec![])).unwrap().is_empty());
    assert_eq!(played.stream.payment.open_call, Some(Call::ConfirmIntent));
    played
        .play(&resynced(intent(IntentStatus::Processing), vec![]))
        .unwrap();
    assert_eq!(played.stream.payment.open_call, None);
    let newest = played.stream.newest_attempt().unwrap();
    assert_eq!(
        (newest.id, newest.status),
        (id(11), attempt::Status::Pending)
    );
}

#[test]
fn a_webhook_that_shows_what_came_of_a_call_closes_it() {
    for status in [
        IntentStatus::RequiresAction,
        IntentStatus::Processing,
        IntentStatus::RequiresCapture,
        IntentStatus::Succeeded,
        IntentStatus::Canceled,
    ] {
        let mut played = Played::new(confirming());
        let kind = Kind::of_intent(status).unwrap();
        played.play(&webhook(kind, intent(status))).unwrap();
        assert_eq!(played.stream.payment.open_call, None, "{status:?}");
    }
}

#[test]
fn a_void_confirm_is_not_made_anew_when_a_cancel_waits() {
    let mut played = Played::new(confirming());
    played.play(&CANCEL).unwrap();
    let step = played
        .play(&void(Effect::ConfirmIntent { attempt: id(11) }))
        .unwrap();
    assert_eq!(step.effects, [Effect::CancelIntent { reason: None }]);
    assert_eq!(played.attempts.len(), 1);
}

#[test]
fn a_resync_that_shows_a_failure_leaves_a_confirm_open_until_its_answer() {
    let mut played = Played::new(confirming());
    played
        .play(&webhook(Kind::PaymentFailed, declined("ch_1")))
        .unwrap();
    played.play(&confirm(50)).unwrap();
    let refused = Event::ConfirmRefused {
        attempt: id(50),
        error: refusal("resource_missing"),
    };
    played.play(&refused).unwrap();
    played.play(&confirm(51)).unwrap();
    played.play(&resynced(declined("ch_1"), vec![])).unwrap();
    let newest = played.stream.newest_attempt().unwrap();
    assert_eq!(newest.status, attempt::Status::Started);
    assert_eq!(played.stream.payment.open_call, Some(Call::ConfirmIntent));

    // An earlier attempt may have failed late, and the intent may have been read before Stripe got this confirm.
    played.play(&resynced(declined("ch_2"), vec![])).unwrap();
    let newest = played.stream.newest_attempt().unwrap();
    assert_eq!(newest.status, attempt::Status::Started);
    assert!(
        played.stream.payment.fails_anew(&declined("ch_2")),
        "its job compares with what the intent showed before"
    );

    let answer = answered(Call::ConfirmIntent, Some(id(51)), declined("ch_2"));
    played.play(&answer).unwrap();
    let newest = played.stream.newest_attempt().unwrap();
    assert_eq!(
        (newest.id, newest.status, newest.charge_id.as_deref()),
        (id(51), attempt::Status::Failed, Some("ch_2"))
    );
    assert_eq!(played.stream.payment.open_call, None);
}
