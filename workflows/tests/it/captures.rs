//! Captures: in one part or several, at once or slowly, by us or by another hand.

use workflows::attempt;
use workflows::capture::{Capture, Multicapture, Status as Capturing};
use workflows::payment::{Call, CaptureMethod, Kind, Payment, Status};
use workflows::stream::{CaptureRequest, Event, Refusal, Stream};
use workflows::stripe::{ChargeRef, Intent, IntentStatus};

use crate::played::{Played, line};
use crate::samples::{
    AMOUNT, answered, capture_requested, charge_ref, id, intent, resting, resynced, webhook,
};

/// A payment of a manual capture, authorized, which Stripe lets capture in several parts.
fn authorized() -> Played {
    let resting = resting(Status::RequiresCapture);
    Played::new(Stream {
        payment: Payment {
            capture_method: CaptureMethod::Manual,
            multicapture: Some(Multicapture::Available),
            ..resting.payment
        },
        ..resting
    })
}

/// A part that is to be captured, as capture number `n`; the rest stays authorized.
fn part(n: u128, amount: i64) -> Event {
    Event::CaptureRequested(CaptureRequest {
        capture: id(n),
        amount: Some(amount),
        is_final: false,
    })
}

/// The intent while a part of it is captured.
fn partly(received: i64) -> Intent {
    Intent {
        amount_received: received,
        amount_capturable: AMOUNT - received,
        ..intent(IntentStatus::RequiresCapture)
    }
}

fn received(status: IntentStatus, received: i64) -> Intent {
    Intent {
        amount_received: received,
        ..intent(status)
    }
}

fn captures(played: &Played) -> Vec<(Capturing, i64)> {
    let all = played.stream.captures.iter();
    all.map(|Capture { status, amount, .. }| (*status, *amount))
        .collect()
}

fn answer(intent: Intent) -> Event {
    answered(Call::CaptureIntent, None, intent)
}

#[test]
fn several_parts_are_captured_one_after_another() {
    let mut played = authorized();
    let step = played.play(&part(61, 300)).unwrap();
    assert_eq!(
        line(&Ok(step)),
        "payment capture_requested requires_capture>requires_capture, \
         capture requested >requested, do capture_intent"
    );
    let step = played.play(&answer(partly(300))).unwrap();
    assert_eq!(
        line(&Ok(step)),
        "payment capturable_updated requires_capture>requires_capture, capture succeeded requested>succeeded"
    );
    played.play(&part(62, 200)).unwrap();
    played.play(&answer(partly(500))).unwrap();
    let last = Event::CaptureRequested(CaptureRequest {
        capture: id(63),
        amount: Some(100),
        is_final: true,
    });
    played.play(&last).unwrap();
    played
        .play(&answer(received(IntentStatus::Succeeded, 600)))
        .unwrap();
    let done = |amount| (Capturing::Succeeded, amount);
    assert_eq!(captures(&played), [done(300), done(200), done(100)]);
    assert_eq!(played.stream.payment.captures, 3);
}

#[test]
fn a_part_is_refused_where_stripe_takes_one_capture_only() {
    for multicapture in [
        None,
        Some(Multicapture::Requested),
        Some(Multicapture::Unavailable),
    ] {
        let mut played = authorized();
        played.stream.payment.multicapture = multicapture;
        let refused = played.play(&part(61, 300));
        assert_eq!(refused, Err(Refusal::MulticaptureUnavailable));
        assert!(played.play(&capture_requested(Some(300))).is_ok());
    }
}

#[test]
fn stripes_charge_says_whether_parts_are_allowed() {
    let shows = |multicapture| Intent {
        latest_charge: Some(ChargeRef {
            multicapture,
            ..charge_ref("ch_1")
        }),
        ..partly(100)
    };
    for (asked, shown, expected) in [
        (
            Some(Multicapture::Requested),
            Some(true),
            Some(Multicapture::Available),
        ),
        (
            Some(Multicapture::Requested),
            Some(false),
            Some(Multicapture::Unavailable),
        ),
        (
            Some(Multicapture::Available),
            None,
            Some(Multicapture::Available),
        ),
        (None, Some(true), Some(Multicapture::Available)),
        (None, Some(false), None),
    ] {
        let mut played = authorized();
        played.stream.payment.multicapture = asked;
        played.play(&resynced(shows(shown), vec![])).unwrap();
        assert_eq!(played.stream.payment.multicapture, expected, "{asked:?}");
    }
}

#[test]
fn a_slow_capture_is_submitted_and_ends_with_the_intent() {
    for (end, status) in [
        (
            received(IntentStatus::Succeeded, AMOUNT),
            Capturing::Succeeded,
        ),
        (received(IntentStatus::Canceled, 0), Capturing::Failed),
    ] {
        let mut played = authorized();
        played.play(&capture_requested(None)).unwrap();
        played
            .play(&answer(intent(IntentStatus::Processing)))
            .unwrap();
        assert_eq!(captures(&played), [(Capturing::Submitted, AMOUNT)]);
        let newest = played.stream.newest_attempt().unwrap();
        assert_eq!(newest.status, attempt::Status::Pending);
        let kind = Kind::of_intent(end.status).unwrap();
        played.play(&webhook(kind, end)).unwrap();
        assert_eq!(captures(&played), [(status, AMOUNT)]);
    }
}

#[test]
fn a_webhook_that_ends_the_payment_before_the_answer_ends_its_capture() {
    for (end, status) in [
        (received(IntentStatus::Succeeded, 300), Capturing::Succeeded),
        (received(IntentStatus::Canceled, 0), Capturing::Failed),
    ] {
        let mut played = authorized();
        played.play(&capture_requested(Some(300))).unwrap();
        let kind = Kind::of_intent(end.status).unwrap();
        played.play(&webhook(kind, end.clone())).unwrap();
        assert_eq!(captures(&played), [(status, 300)]);
        // The answer comes too late to say more.
        assert!(played.play(&answer(end)).unwrap().is_empty());
    }
}

#[test]
fn money_that_another_hand_captured_is_a_capture_of_its_own() {
    let mut played = authorized();
    let step = played
        .play(&webhook(Kind::CapturableUpdated, partly(200)))
        .unwrap();
    assert!(line(&Ok(step)).ends_with("capture observed >succeeded"));
    // While a call of ours is open, the same money may be ours: its answer tells.
    played.play(&part(61, 300)).unwrap();
    played
        .play(&webhook(Kind::CapturableUpdated, partly(250)))
        .unwrap();
    assert_eq!(
        captures(&played),
        [(Capturing::Succeeded, 200), (Capturing::Requested, 300)]
    );
    played.play(&answer(partly(550))).unwrap();
    assert_eq!(
        captures(&played),
        [
            (Capturing::Succeeded, 200),
            (Capturing::Succeeded, 300),
            (Capturing::Succeeded, 50)
        ]
    );
}

#[test]
fn a_capture_whose_answer_shows_the_intent_as_it_was_has_failed() {
    let mut played = authorized();
    played.play(&part(61, 300)).unwrap();
    played.play(&answer(partly(0))).unwrap();
    assert_eq!(captures(&played), [(Capturing::Failed, 300)]);
    // The next one is another capture.
    played.play(&part(62, 300)).unwrap();
    played.play(&answer(partly(300))).unwrap();
    assert_eq!(captures(&played)[1], (Capturing::Succeeded, 300));
}

#[test]
fn a_captured_sum_that_stripe_takes_back_fails_the_newest_captures() {
    let mut played = authorized();
    for (n, amount, sum) in [(61, 300, 300), (62, 200, 500)] {
        played.play(&part(n, amount)).unwrap();
        played.play(&answer(partly(sum))).unwrap();
    }
    played.play(&resynced(partly(300), vec![])).unwrap();
    assert_eq!(
        captures(&played),
        [(Capturing::Succeeded, 300), (Capturing::Failed, 200)]
    );
}

#[test]
fn a_forced_end_leaves_no_capture_open() {
    let mut played = authorized();
    played.play(&capture_requested(None)).unwrap();
    let forced = Event::Forced {
        to: Status::Canceled,
        reason: "the authorization was lost".to_owned(),
    };
    played.play(&forced).unwrap();
    assert_eq!(captures(&played), [(Capturing::Failed, AMOUNT)]);
}
