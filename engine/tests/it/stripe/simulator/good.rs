//! Calls that Stripe answers, and what they leave there.

use contracts::id::{PaymentId, RefundId};
use engine::stripe::{Class, ConfirmIntent};
use serde_json::Value;
use uuid::Uuid;
use workflows::stripe::{ChargeStatus, IntentStatus, PAYMENT_ID, REFUND_ID, RefundStatus};

use super::{Stripe, key, refund};

#[tokio::test]
async fn a_payment_is_created_confirmed_and_read_again() {
    let stripe = Stripe::start().await;
    let payment = Uuid::now_v7();
    let created = stripe.create(payment, "pm_card_visa", false).await;
    assert_eq!(created.status, IntentStatus::RequiresConfirmation);
    assert_eq!(
        created.metadata.get(PAYMENT_ID),
        Some(&PaymentId::from_uuid(payment).to_string())
    );
    let confirmed = stripe
        .client
        .confirm_intent(&created.id, &ConfirmIntent::default(), &key())
        .await
        .unwrap();
    assert!(confirmed.request_id.is_some());
    assert!(!confirmed.replayed);
    assert_eq!(confirmed.object.status, IntentStatus::Succeeded);
    let read = stripe
        .client
        .retrieve_intent(&created.id)
        .await
        .unwrap()
        .object;
    assert_eq!(read, confirmed.object);
    let charge = stripe
        .client
        .retrieve_charge(read.charge_id().unwrap())
        .await
        .unwrap()
        .object;
    assert_eq!(
        (charge.status, charge.captured, charge.amount),
        (ChargeStatus::Succeeded, true, 1099)
    );
}

#[tokio::test]
async fn an_authorization_is_captured_in_part() {
    let stripe = Stripe::start().await;
    let authorized = stripe.paid(true).await;
    assert_eq!(authorized.status, IntentStatus::RequiresCapture);
    assert!(
        authorized.capture_before().is_some(),
        "the charge comes expanded"
    );
    let captured = stripe
        .client
        .capture_intent(&authorized.id, 1000, true, &key())
        .await
        .unwrap()
        .object;
    assert_eq!(
        (captured.status, captured.amount_received),
        (IntentStatus::Succeeded, 1000)
    );
}

#[tokio::test]
async fn an_intent_is_canceled_and_the_loser_gets_a_conflict() {
    let stripe = Stripe::start().await;
    let authorized = stripe.paid(true).await;
    let reason = Some("requested_by_customer");
    let canceled = stripe
        .client
        .cancel_intent(&authorized.id, reason, &key())
        .await
        .unwrap()
        .object;
    assert_eq!(canceled.status, IntentStatus::Canceled);
    assert_eq!(canceled.cancellation_reason.as_deref(), reason);
    let failure = stripe
        .client
        .capture_intent(&authorized.id, 1099, true, &key())
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::Conflict, "{failure}");
    assert_eq!(failure.intent.unwrap().status, IntentStatus::Canceled);
}

#[tokio::test]
async fn a_refund_is_created_and_listed() {
    let stripe = Stripe::start().await;
    let paid = stripe.paid(false).await;
    let new = refund(&paid, 500);
    let made = stripe
        .client
        .create_refund(&new, &key())
        .await
        .unwrap()
        .object;
    assert_eq!((made.status, made.amount), (RefundStatus::Succeeded, 500));
    assert_eq!(
        made.metadata.get(REFUND_ID),
        Some(&RefundId::from_uuid(new.refund).to_string())
    );
    let second = stripe
        .client
        .create_refund(&refund(&paid, 599), &key())
        .await
        .unwrap()
        .object;
    let listed = stripe.client.list_refunds(&paid.id).await.unwrap().object;
    let ids: Vec<_> = listed.iter().map(|refund| refund.id.as_str()).collect();
    assert_eq!(ids, [second.id.as_str(), made.id.as_str()]);
    let failure = stripe
        .client
        .create_refund(&refund(&paid, 1), &key())
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::AlreadyDone, "{failure}");
}

#[tokio::test]
async fn undelivered_events_of_the_simulator_can_be_parsed_as_webhooks() {
    let stripe = Stripe::with(stripe_simulator::Config {
        endpoints: vec![stripe_simulator::WebhookEndpoint {
            // Nobody listens on port 1.
            url: "http://127.0.0.1:1/".into(),
            secret: "whsec_1".into(),
            enabled_events: vec!["*".into()],
        }],
        ..stripe_simulator::Config::default()
    })
    .await;
    let paid = stripe.paid(false).await;
    let types = ["payment_intent.created", "payment_intent.succeeded"];
    let listed: Value = reqwest::Client::new()
        .get(format!("{}/v1/events", stripe.base))
        .bearer_auth("sk_test_client")
        .query(&[
            ("delivery_success", "false"),
            ("types[]", types[0]),
            ("types[]", types[1]),
        ])
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let events = listed["data"].as_array().unwrap();
    assert_eq!(events.len(), 2);
    for event in events {
        let incoming = engine::webhook::parse(event.to_string().as_bytes()).unwrap();
        assert!(types.contains(&incoming.r#type.as_str()), "{incoming:?}");
        let engine::webhook::Object::Intent(intent) = incoming.object else {
            panic!("no intent in {incoming:?}");
        };
        assert_eq!(intent.id, paid.id);
    }
}
