//! Whose intent it is, and what is kept of it.

use serde_json::json;
use workflows::payment::{Call, Kind, Payment, Status};
use workflows::stream;
use workflows::stream::{ConfirmRequest, Effect, Event, Refusal};
use workflows::stripe::{ChargeRef, Intent, IntentStatus, PAYMENT_ID, RefundStatus};

use crate::played::Played;
use crate::samples::{
    accepted, answered, confirming, created, id, intent, payment, resting, resynced, stripe_refund,
    webhook,
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
    let answer = answered(Call::CreateIntent, None, stranger);
    assert_eq!(played.play(&answer), Err(Refusal::NotOurs));
    let dollars = Intent {
        currency: "usd".to_owned(),
        ..intent(IntentStatus::RequiresPaymentMethod)
    };
    let report = webhook(Kind::IntentCreated, dollars);
    assert_eq!(played.play(&report), Err(Refusal::WrongCurrency));
    played
        .play(&answered(Call::CreateIntent, None, nameless))
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
