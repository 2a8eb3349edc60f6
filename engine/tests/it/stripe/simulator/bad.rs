//! Calls that Stripe refuses, loses or spoils.

use std::time::Duration;

use engine::stripe::{Class, Client, ClientConfig, ConfirmIntent, Created};
use infra::testing::Proxy;
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;
use workflows::stripe::IntentStatus;

use super::{Stripe, intent, key};

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
async fn an_api_key_that_stripe_does_not_know_is_refused_and_holds_the_next_calls_back() {
    let stripe = Stripe::start().await;
    let key = SecretString::from("nonsense");
    let client = Client::new(&ClientConfig::new(stripe.base.as_str(), key)).unwrap();
    let failure = client.retrieve_intent("pi_1").await.unwrap_err();
    assert_eq!(
        (failure.class, failure.status),
        (Class::KeyRefused, Some(401))
    );
    assert!(client.key_refused());
    let next = client.retrieve_intent("pi_1").await.unwrap_err();
    assert!(
        !next.sent && next.message.contains("STRIPE_API_KEY"),
        "{next}"
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
async fn after_a_call_without_an_answer_the_others_leave_the_connections_of_before() {
    let stripe = Stripe::start().await;
    let created = stripe.create(Uuid::now_v7(), "pm_card_visa", false).await;
    let proxy = Proxy::start(stripe.base.trim_start_matches("http://").to_owned()).await;
    let mut config = ClientConfig::new(
        format!("http://{}", proxy.address()),
        SecretString::from("sk_test_client"),
    );
    config.timeout = Duration::from_secs(1);
    let client = Client::new(&config).unwrap();
    let read_four_times = async || {
        let reads = (0..4).map(|_| client.retrieve_intent(&created.id));
        futures::future::join_all(reads).await
    };
    // Four connections stay open.
    for read in read_four_times().await {
        read.unwrap();
    }
    proxy.swallow();
    client.retrieve_intent(&created.id).await.unwrap_err();
    for read in read_four_times().await {
        read.unwrap();
    }
}
