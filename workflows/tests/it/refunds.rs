//! The money of a refund: reserved, given back, released.

use workflows::edges::Machine;
use workflows::money::MoneyError;
use workflows::payment::Status;
use workflows::refund;
use workflows::stream::{Effect, Event, RefundReport, RefundRequest, Refusal, Step, VoidCall};
use workflows::stripe::{Intent, IntentStatus, Refund, RefundStatus};

use crate::played::Played;
use crate::samples::{AMOUNT, id, intent, our_refund, refusal, resting, resynced, stripe_refund};

pub(crate) const OURS: u128 = 51;

pub(crate) fn paid() -> Played {
    Played::new(resting(Status::Succeeded))
}

pub(crate) fn ask(played: &mut Played, number: u128, amount: Option<i64>) -> Result<Step, Refusal> {
    played.play(&Event::RefundRequested(RefundRequest {
        refund: id(number),
        amount,
        reason: None,
    }))
}

pub(crate) fn seen(refund: Refund) -> Event {
    Event::RefundSeen(RefundReport {
        refund,
        answers: None,
        fresh_refund: id(0),
    })
}

pub(crate) fn ours(status: RefundStatus, amount: i64) -> Refund {
    our_refund(id(OURS), "re_1", status, amount)
}

/// `(reserved, refunded)` of the payment.
pub(crate) fn sums(played: &Played) -> (i64, i64) {
    let payment = &played.stream.payment;
    (payment.reserved, payment.refunded)
}

#[test]
fn a_refund_reserves_its_amount_and_then_gives_it_back() {
    let mut played = paid();
    let step = ask(&mut played, OURS, Some(300)).unwrap();
    assert_eq!(step.effects, [Effect::CreateRefund { refund: id(OURS) }]);
    assert_eq!(sums(&played), (300, 0));
    played
        .play(&seen(ours(RefundStatus::Pending, 300)))
        .unwrap();
    assert_eq!(sums(&played), (300, 0));
    played
        .play(&seen(ours(RefundStatus::Succeeded, 300)))
        .unwrap();
    assert_eq!(sums(&played), (0, 300));
    assert_eq!(played.stream.refunds[0].stripe_id.as_deref(), Some("re_1"));
}

#[test]
fn a_refund_without_an_amount_is_of_all_that_is_left() {
    let mut played = paid();
    ask(&mut played, OURS, Some(300)).unwrap();
    ask(&mut played, 52, None).unwrap();
    assert_eq!(played.stream.refunds[1].amount, AMOUNT - 300);
    assert_eq!(
        ask(&mut played, 53, None),
        Err(Refusal::RefundExceeds { left: 0 })
    );
    assert_eq!(
        ask(&mut played, 53, Some(1)),
        Err(Refusal::RefundExceeds { left: 0 })
    );
}

#[test]
fn what_is_reserved_cannot_be_asked_for_again() {
    let mut played = paid();
    for number in 0..10 {
        ask(&mut played, 60 + number, Some(AMOUNT / 10)).unwrap();
    }
    assert_eq!(
        ask(&mut played, 80, Some(1)),
        Err(Refusal::RefundExceeds { left: 0 })
    );
    let refused = ask(&mut played, 80, Some(0));
    assert_eq!(refused, Err(Refusal::Amount(MoneyError::NotPositive)));
}

#[test]
fn a_refund_that_comes_to_nothing_releases_its_amount() {
    for end in [RefundStatus::Failed, RefundStatus::Canceled] {
        let mut played = paid();
        ask(&mut played, OURS, None).unwrap();
        played
            .play(&seen(ours(RefundStatus::Pending, AMOUNT)))
            .unwrap();
        played.play(&seen(ours(end, AMOUNT))).unwrap();
        assert_eq!(sums(&played), (0, 0), "{end:?}");
    }
    let mut played = paid();
    ask(&mut played, OURS, None).unwrap();
    let rejected = Event::RefundRejected {
        refund: id(OURS),
        error: refusal("charge_disputed"),
    };
    played.play(&rejected).unwrap();
    assert_eq!(sums(&played), (0, 0));
    assert_eq!(
        played.stream.refunds[0].status,
        refund::Status::LocalRejected
    );
    assert!(played.play(&rejected).unwrap().is_empty());
}

#[test]
fn a_refusal_for_money_that_is_gone_needs_a_resync() {
    let mut played = paid();
    ask(&mut played, OURS, None).unwrap();
    let rejected = Event::RefundRejected {
        refund: id(OURS),
        error: refusal("charge_already_refunded"),
    };
    assert_eq!(played.play(&rejected).unwrap().effects, [Effect::Resync]);
}

#[test]
fn a_refusal_after_stripe_showed_the_refund_changes_nothing() {
    let mut played = paid();
    ask(&mut played, OURS, None).unwrap();
    played
        .play(&seen(ours(RefundStatus::Succeeded, AMOUNT)))
        .unwrap();
    let rejected = Event::RefundRejected {
        refund: id(OURS),
        error: refusal("charge_already_refunded"),
    };
    assert!(played.play(&rejected).unwrap().is_empty());
    assert_eq!(sums(&played), (0, AMOUNT));
}

#[test]
fn the_same_report_twice_counts_once() {
    let mut played = paid();
    let import = seen(stripe_refund("re_9", RefundStatus::Succeeded, 100));
    played.play(&import).unwrap();
    assert!(played.play(&import).unwrap().is_empty());
    assert_eq!(sums(&played), (0, 100));
    assert_eq!(played.stream.refunds.len(), 1);
}

#[test]
fn a_refund_made_elsewhere_may_overdraw_a_reservation() {
    let mut played = paid();
    ask(&mut played, OURS, None).unwrap();
    played
        .play(&seen(stripe_refund("re_9", RefundStatus::Succeeded, 400)))
        .unwrap();
    assert_eq!(sums(&played), (AMOUNT, 400));
    assert_eq!(
        ask(&mut played, 52, Some(1)),
        Err(Refusal::RefundExceeds { left: 0 })
    );
}

#[test]
fn an_import_waits_for_its_capture() {
    let mut played = Played::new(resting(Status::RequiresCapture));
    let import = stripe_refund("re_9", RefundStatus::Succeeded, 400);
    let step = played.play(&seen(import.clone())).unwrap();
    assert_eq!(
        (step.transitions.len(), step.effects),
        (0, vec![Effect::Resync])
    );
    played
        .play(&resynced(intent(IntentStatus::Succeeded), vec![import]))
        .unwrap();
    assert_eq!(sums(&played), (0, 400));
}

#[test]
fn between_pending_and_requires_action_only_a_resync_decides() {
    let mut played = paid();
    ask(&mut played, OURS, None).unwrap();
    played
        .play(&seen(ours(RefundStatus::RequiresAction, AMOUNT)))
        .unwrap();
    let late = seen(ours(RefundStatus::Pending, AMOUNT));
    let step = played.play(&late).unwrap();
    assert_eq!(
        (step.transitions.len(), step.effects),
        (0, vec![Effect::Resync])
    );
    let resync = resynced(
        intent(IntentStatus::Succeeded),
        vec![ours(RefundStatus::Pending, AMOUNT)],
    );
    let step = played.play(&resync).unwrap();
    let kinds: Vec<_> = step
        .transitions
        .iter()
        .map(|it| (it.machine, it.kind))
        .collect();
    assert_eq!(kinds, [(Machine::Refund, "pended")]);
    assert!(played.play(&resync).unwrap().is_empty());
}

#[test]
fn a_refund_that_succeeded_and_failed_later_is_corrected_by_a_resync() {
    let mut played = paid();
    ask(&mut played, OURS, None).unwrap();
    played
        .play(&seen(ours(RefundStatus::Succeeded, AMOUNT)))
        .unwrap();
    let failed = Refund {
        failure_reason: Some("declined".to_owned()),
        ..ours(RefundStatus::Failed, AMOUNT)
    };
    let step = played.play(&seen(failed.clone())).unwrap();
    assert_eq!(step.effects, [Effect::Resync]);
    played
        .play(&resynced(intent(IntentStatus::Succeeded), vec![failed]))
        .unwrap();
    assert_eq!(sums(&played), (0, 0));
    let refund = &played.stream.refunds[0];
    assert_eq!(refund.status, refund::Status::Failed);
    let error = refund.error.as_ref().unwrap();
    assert_eq!(error.code.as_deref(), Some("declined"));
}

#[test]
fn a_report_of_another_payment_currency_or_amount_is_refused() {
    let mut played = paid();
    ask(&mut played, OURS, Some(300)).unwrap();
    let foreign = Refund {
        payment_intent: Some("pi_9".to_owned()),
        ..ours(RefundStatus::Succeeded, 300)
    };
    assert_eq!(played.play(&seen(foreign)), Err(Refusal::NotOurs));
    let dollars = Refund {
        currency: "usd".to_owned(),
        ..ours(RefundStatus::Succeeded, 300)
    };
    assert_eq!(played.play(&seen(dollars)), Err(Refusal::WrongCurrency));
    assert_eq!(sums(&played), (300, 0));
}

#[test]
fn a_lost_refund_call_that_proved_void_is_made_anew() {
    let mut played = paid();
    ask(&mut played, OURS, None).unwrap();
    let void = Event::CallProvedVoid(VoidCall {
        effect: Effect::CreateRefund { refund: id(OURS) },
        fresh_attempt: id(0),
    });
    let step = played.play(&void).unwrap();
    assert_eq!(step.effects, [Effect::CreateRefund { refund: id(OURS) }]);
    played
        .play(&seen(ours(RefundStatus::Succeeded, AMOUNT)))
        .unwrap();
    assert!(played.play(&void).unwrap().is_empty());
}

#[test]
fn part_of_a_held_sum_that_was_captured_can_be_given_back() {
    let mut played = Played::new(resting(Status::RequiresCapture));
    let refused = ask(&mut played, OURS, None);
    let status = Status::RequiresCapture;
    assert_eq!(refused, Err(Refusal::WrongStatus { status }));
    let partly = Intent {
        amount_received: 400,
        amount_capturable: 600,
        ..intent(IntentStatus::RequiresCapture)
    };
    played.play(&resynced(partly, vec![])).unwrap();
    ask(&mut played, OURS, None).unwrap();
    assert_eq!(sums(&played), (400, 0));
}

#[test]
fn each_status_counts_once_or_not_at_all() {
    for status in refund::Status::ALL {
        let expected = match status.as_str() {
            "local_requested" | "pending" | "requires_action" => (7, 0),
            "succeeded" => (0, 7),
            _ => (0, 0),
        };
        let refund = refund::Refund {
            id: id(1),
            status: *status,
            amount: 7,
            stripe_id: None,
            reason: None,
            error: None,
        };
        assert_eq!(refund.contribution(), expected, "{status}");
        let release = refund::Refund {
            reason: Some("expired_uncaptured_charge".to_owned()),
            ..refund
        };
        assert_eq!(release.contribution(), (0, 0), "{status}");
    }
}
