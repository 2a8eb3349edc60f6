//! The calls against the simulator: a whole Stripe, good and bad.

use engine::stripe::{
    Class, Client, ClientConfig, ConfirmIntent, CreateIntent, CreateRefund, Created, IdempotencyKey,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;
use workflows::stripe::{ChargeStatus, Intent, IntentStatus, PAYMENT_ID, REFUND_ID, RefundStatus};

struct Stripe {
    base: String,
    client: Client,
    _stop: DropGuard,
}

impl Stripe {
    async fn start() -> Self {
        Self::with(stripe_simulator::Config::default()).await
    }

    async fn with(config: stripe_simulator::Config) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(stripe_simulator::serve(config, listener, stop.clone()));
        let key = SecretString::from("sk_test_client");
        let client = Client::new(&ClientConfig::new(base.as_str(), key)).unwrap();
        Self {
            base,
            client,
            _stop: stop.drop_guard(),
        }
    }

    /// Makes `fault` strike the next request of `route`, once.
    async fn break_once(&self, route: &str, mut fault: Value) {
        fault["route"] = route.into();
        fault["count"] = 1.into();
        let answer = reqwest::Client::new()
            .put(format!("{}/_sim/faults", self.base))
            .json(&json!({"rules": [fault]}))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    async fn create(&self, payment: Uuid, method: &str, manual_capture: bool) -> Intent {
        let new = intent(payment, method, manual_capture);
        self.client
            .create_intent(&new, &key())
            .await
            .unwrap()
            .object
    }

    async fn paid(&self, manual_capture: bool) -> Intent {
        let created = self
            .create(Uuid::now_v7(), "pm_card_visa", manual_capture)
            .await;
        let confirmed = self
            .client
            .confirm_intent(&created.id, &ConfirmIntent::default(), &key())
            .await;
        confirmed.unwrap().object
    }
}

fn key() -> IdempotencyKey {
    IdempotencyKey::from(Uuid::now_v7())
}

fn intent(payment: Uuid, method: &str, manual_capture: bool) -> CreateIntent {
    CreateIntent {
        payment,
        account: Uuid::from_u128(1),
        amount: 1099,
        currency: "eur".into(),
        manual_capture,
        payment_method: Some(method.into()),
        redirects: false,
        description: Some("A mug".into()),
        statement_descriptor: Some("MUGS".into()),
        receipt_email: Some("a@example.com".into()),
    }
}

fn refund(intent: &Intent, amount: i64) -> CreateRefund {
    CreateRefund {
        refund: Uuid::now_v7(),
        payment: Uuid::now_v7(),
        account: Uuid::from_u128(1),
        intent_id: intent.id.clone(),
        amount,
        reason: Some("requested_by_customer".into()),
    }
}

#[tokio::test]
async fn a_payment_is_created_confirmed_and_read_again() {
    let stripe = Stripe::start().await;
    let payment = Uuid::now_v7();
    let created = stripe.create(payment, "pm_card_visa", false).await;
    assert_eq!(created.status, IntentStatus::RequiresConfirmation);
    assert_eq!(created.metadata.get(PAYMENT_ID), Some(&payment.to_string()));
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
        .capture_intent(&authorized.id, 1000, &key())
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
        .capture_intent(&authorized.id, 1099, &key())
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::Conflict, "{failure}");
    assert_eq!(failure.intent.unwrap().status, IntentStatus::Canceled);
}

#[tokio::test]
async fn a_refund_is_created_read_and_listed() {
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
    assert_eq!(made.metadata.get(REFUND_ID), Some(&new.refund.to_string()));
    assert_eq!(
        stripe
            .client
            .retrieve_refund(&made.id)
            .await
            .unwrap()
            .object,
        made
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
async fn a_declined_card_comes_with_the_intent() {
    let stripe = Stripe::start().await;
    let created = stripe
        .create(Uuid::now_v7(), "pm_card_chargeDeclined", false)
        .await;
    let failure = stripe
        .client
        .confirm_intent(&created.id, &ConfirmIntent::default(), &key())
        .await
        .unwrap_err();
    assert_eq!(
        (failure.class, failure.status),
        (Class::Business, Some(402))
    );
    let error = failure.error.unwrap();
    assert_eq!(error.code.as_deref(), Some("card_declined"));
    assert!(error.charge.is_some());
    let intent = failure.intent.unwrap();
    assert_eq!(intent.id, created.id);
    assert_eq!(intent.status, IntentStatus::RequiresPaymentMethod);
    assert!(intent.last_payment_error.is_some());
}

#[tokio::test]
async fn an_intent_that_makes_no_sense_is_refused() {
    let stripe = Stripe::start().await;
    let mut new = intent(Uuid::now_v7(), "pm_card_visa", false);
    new.currency = "zzz".into();
    let failure = stripe.client.create_intent(&new, &key()).await.unwrap_err();
    assert_eq!(failure.class, Class::Refused, "{failure}");
}

#[tokio::test]
async fn a_dropped_answer_is_unknown_and_the_same_key_brings_it() {
    let stripe = Stripe::start().await;
    stripe
        .break_once("payment_intents.create", json!({"fault": "drop_after"}))
        .await;
    let payment = Uuid::now_v7();
    let (new, key) = (intent(payment, "pm_card_visa", false), key());
    let failure = stripe.client.create_intent(&new, &key).await.unwrap_err();
    assert_eq!(failure.class, Class::Unknown, "{failure}");
    assert!(failure.sent);

    let created = Created {
        from: 0,
        to: i64::from(u32::MAX),
    };
    let found = stripe
        .client
        .find_intent(payment, created)
        .await
        .unwrap()
        .object
        .unwrap();
    let again = stripe.client.create_intent(&new, &key).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.object.id, found.id);
    let nothing = stripe
        .client
        .find_intent(Uuid::now_v7(), created)
        .await
        .unwrap();
    assert_eq!(nothing.object, None);
}

#[tokio::test]
async fn a_saved_500_is_replayed_for_its_key() {
    let stripe = Stripe::start().await;
    let created = stripe.create(Uuid::now_v7(), "pm_card_visa", false).await;
    let route = "payment_intents.confirm";
    stripe
        .break_once(
            route,
            json!({"fault": "error_after", "should_retry": false}),
        )
        .await;
    let (confirmation, key) = (ConfirmIntent::default(), key());
    let first = stripe
        .client
        .confirm_intent(&created.id, &confirmation, &key)
        .await
        .unwrap_err();
    assert_eq!(
        (first.class, first.replayed),
        (Class::Saved, false),
        "{first}"
    );
    assert!(
        first.answered_at >= Some(created.created),
        "by the clock that made it"
    );
    let second = stripe
        .client
        .confirm_intent(&created.id, &confirmation, &key)
        .await
        .unwrap_err();
    assert_eq!(
        (second.class, second.replayed),
        (Class::Saved, true),
        "{second}"
    );
    let read = stripe
        .client
        .retrieve_intent(&created.id)
        .await
        .unwrap()
        .object;
    assert_eq!(
        read.status,
        IntentStatus::Succeeded,
        "it had been executed all the same"
    );
}

#[tokio::test]
async fn a_saved_500_without_a_word_about_retrying_is_found_out_by_its_replay() {
    let stripe = Stripe::start().await;
    stripe
        .break_once("payment_intents.create", json!({"fault": "error_during"}))
        .await;
    let (new, key) = (intent(Uuid::now_v7(), "pm_card_visa", false), key());
    let first = stripe.client.create_intent(&new, &key).await.unwrap_err();
    assert_eq!(first.class, Class::Retry, "{first}");
    let second = stripe.client.create_intent(&new, &key).await.unwrap_err();
    assert_eq!(second.class, Class::Saved, "{second}");
}

#[tokio::test]
async fn what_passes_by_itself_is_retried_with_the_same_key() {
    let stripe = Stripe::start().await;
    for (fault, status) in [
        (json!({"fault": "conflict"}), 409),
        (json!({"fault": "rate_limited"}), 429),
        (
            json!({"fault": "error_before", "status": 503, "should_retry": true}),
            503,
        ),
    ] {
        stripe.break_once("payment_intents.create", fault).await;
        let (new, key) = (intent(Uuid::now_v7(), "pm_card_visa", false), key());
        let failure = stripe.client.create_intent(&new, &key).await.unwrap_err();
        assert_eq!(
            (failure.class, failure.status),
            (Class::Retry, Some(status)),
            "{failure}"
        );
        let again = stripe.client.create_intent(&new, &key).await.unwrap();
        assert!(!again.replayed);
    }
}

#[tokio::test]
async fn a_page_of_html_and_half_a_body_are_unknown() {
    let stripe = Stripe::start().await;
    for fault in ["html_after", "truncated_after"] {
        stripe
            .break_once("payment_intents.create", json!({"fault": fault}))
            .await;
        let (new, key) = (intent(Uuid::now_v7(), "pm_card_visa", false), key());
        let failure = stripe.client.create_intent(&new, &key).await.unwrap_err();
        assert_eq!(failure.class, Class::Unknown, "{failure}");
        assert!(
            stripe
                .client
                .create_intent(&new, &key)
                .await
                .unwrap()
                .replayed
        );
    }
}

#[tokio::test]
async fn another_body_under_the_same_key_is_impossible() {
    let stripe = Stripe::start().await;
    let (mut new, key) = (intent(Uuid::now_v7(), "pm_card_visa", false), key());
    stripe.client.create_intent(&new, &key).await.unwrap();
    new.amount += 1;
    let failure = stripe.client.create_intent(&new, &key).await.unwrap_err();
    assert_eq!(failure.class, Class::Impossible, "{failure}");
}

#[tokio::test]
async fn an_api_key_that_stripe_does_not_know_is_impossible() {
    let stripe = Stripe::start().await;
    let key = SecretString::from("nonsense");
    let client = Client::new(&ClientConfig::new(stripe.base.as_str(), key)).unwrap();
    let failure = client.retrieve_intent("pi_1").await.unwrap_err();
    assert_eq!(
        (failure.class, failure.status),
        (Class::Impossible, Some(401))
    );
}

#[tokio::test]
async fn an_object_that_does_not_exist_is_missing() {
    let stripe = Stripe::start().await;
    let failure = stripe
        .client
        .retrieve_intent("pi_nowhere")
        .await
        .unwrap_err();
    assert!(failure.is_missing(), "{failure}");
    assert_eq!(failure.class, Class::Impossible);
}

#[tokio::test]
async fn events_that_reached_nobody_can_be_listed_and_read() {
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
    let events = stripe
        .client
        .list_events(0, &types, None)
        .await
        .unwrap()
        .object;
    assert_eq!(events.events.len(), 2);
    for event in &events.events {
        let incoming = engine::webhook::parse(event.get().as_bytes()).unwrap();
        assert!(types.contains(&incoming.r#type.as_str()), "{incoming:?}");
        let engine::webhook::Object::Intent(intent) = incoming.object else {
            panic!("no intent in {incoming:?}");
        };
        assert_eq!(intent.id, paid.id);
    }
    assert_eq!(events.next, None);
}
