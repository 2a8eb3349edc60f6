//! Refunds that are not simply ours: made or marked by another tool, released by Stripe, or in a status of tomorrow.

use workflows::edges::Machine;
use workflows::payment::{Kind, Status};
use workflows::stream::{Effect, Event, RefundReport, Refusal};
use workflows::stripe::{Intent, IntentStatus, PAYMENT_ID, Refund, RefundStatus};

use crate::played::Played;
use crate::refunds::{OURS, ask, ours, paid, seen, sums};
use crate::samples::{id, intent, our_refund, resting, resynced, stripe_refund, webhook};

#[test]
fn a_refund_in_a_status_of_tomorrow_stays_and_is_read_again() {
    let mut played = paid();
    ask(&mut played, OURS, Some(300)).unwrap();
    let unknown = ours(RefundStatus::Unknown, 300);
    let answer = Event::RefundSeen(RefundReport {
        refund: unknown.clone(),
        answers: Some(id(OURS)),
        fresh_refund: id(0),
    });
    let step = played.play(&answer).unwrap();
    assert_eq!((step.transitions.len(), step.effects), (0, vec![]));
    assert_eq!(played.stream.refunds[0].stripe_id.as_deref(), Some("re_1"));
    let step = played.play(&seen(unknown.clone())).unwrap();
    assert_eq!(step.effects, [Effect::Resync]);
    let read = resynced(intent(IntentStatus::Succeeded), vec![unknown]);
    assert!(played.play(&read).unwrap().is_empty());
    assert_eq!(sums(&played), (300, 0));
    played
        .play(&seen(ours(RefundStatus::Succeeded, 300)))
        .unwrap();
    assert_eq!(sums(&played), (0, 300));
}

#[test]
fn a_refund_of_another_tool_that_copied_our_mark_is_imported_and_ours_goes_on() {
    let mut played = paid();
    ask(&mut played, OURS, Some(300)).unwrap();
    let copied = our_refund(id(OURS), "re_9", RefundStatus::Succeeded, 200);
    let payment_of_another = [(PAYMENT_ID.to_owned(), id(77).to_string())];
    let copied = Refund {
        metadata: copied
            .metadata
            .into_iter()
            .chain(payment_of_another)
            .collect(),
        ..copied
    };
    let report = Event::RefundSeen(RefundReport {
        refund: copied,
        answers: None,
        fresh_refund: id(60),
    });
    played.play(&report).unwrap();
    assert_eq!(sums(&played), (300, 200));
    played
        .play(&seen(ours(RefundStatus::Succeeded, 300)))
        .unwrap();
    assert_eq!(sums(&played), (0, 500));
}

#[test]
fn a_refund_without_an_intent_is_known_by_the_charge() {
    let mut played = paid();
    let nameless = Refund {
        payment_intent: None,
        ..stripe_refund("re_9", RefundStatus::Succeeded, 200)
    };
    let foreign = Refund {
        charge: Some("ch_7".to_owned()),
        ..nameless.clone()
    };
    assert_eq!(played.play(&seen(foreign)), Err(Refusal::NotOurs));
    played.play(&seen(nameless)).unwrap();
    assert_eq!(sums(&played), (0, 200));
}

#[test]
fn released_money_is_history_and_was_not_given_back() {
    let part = Intent {
        amount_received: 700,
        ..intent(IntentStatus::Succeeded)
    };
    let release = Refund {
        reason: Some("expired_uncaptured_charge".to_owned()),
        ..stripe_refund("re_9", RefundStatus::Succeeded, 300)
    };
    for news in [
        seen(release.clone()),
        resynced(part.clone(), vec![release.clone()]),
    ] {
        let mut played = Played::new(resting(Status::RequiresCapture));
        played
            .play(&webhook(Kind::Succeeded, part.clone()))
            .unwrap();
        let step = played.play(&news).unwrap();
        let moved: Vec<_> = step
            .transitions
            .iter()
            .map(|it| (it.machine, it.kind, it.to))
            .collect();
        assert_eq!(moved, [(Machine::Refund, "auth_release", "succeeded")]);
        assert_eq!(sums(&played), (0, 0));
        assert!(played.play(&seen(release.clone())).unwrap().is_empty());
        ask(&mut played, OURS, Some(700)).unwrap();
        assert_eq!(sums(&played), (700, 0));
    }
}
