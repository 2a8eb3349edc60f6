//! Idempotency keys: one key, one execution, one answer.

use crate::support::{Simulator, eventually};

const INTENTS: &str = "/v1/payment_intents";
const FORM: &[(&str, &str)] = &[("amount", "1000"), ("currency", "usd")];

async fn intents(stripe: &Simulator) -> usize {
    let list = stripe.get(&format!("{INTENTS}?limit=100")).await;
    list.body["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn every_post_must_have_a_key() {
    let stripe = Simulator::start().await;
    let request = stripe.request(reqwest::Method::POST, INTENTS).form(FORM);
    assert_eq!(request.send().await.unwrap().status(), 400);
    assert_eq!(
        stripe.post_as(&"k".repeat(256), INTENTS, FORM).await.status,
        400
    );
    assert_eq!(
        stripe.post_as(&"k".repeat(255), INTENTS, FORM).await.status,
        200
    );
    assert_eq!(intents(&stripe).await, 1);
}

#[tokio::test]
async fn the_same_key_is_answered_the_same_and_executed_once() {
    let stripe = Simulator::start().await;
    let first = stripe.post_as("once", INTENTS, FORM).await;
    assert_eq!(first.header("idempotent-replayed"), None);
    let second = stripe.post_as("once", INTENTS, FORM).await;
    assert_eq!(second.body, first.body);
    assert_eq!(second.header("idempotent-replayed"), Some("true"));
    assert_eq!(
        second.header("original-request"),
        first.header("request-id")
    );
    assert_eq!(intents(&stripe).await, 1);
}

#[tokio::test]
async fn other_parameters_or_another_path_under_a_key_are_an_error() {
    let stripe = Simulator::start().await;
    let id = stripe.post_as("once", INTENTS, FORM).await.id();
    let other = [("amount", "1001"), ("currency", "usd")];
    let answer = stripe.post_as("once", INTENTS, &other).await;
    assert_eq!(
        (answer.status, answer.error()["type"].as_str()),
        (400, Some("idempotency_error"))
    );
    let answer = stripe
        .post_as("once", &format!("{INTENTS}/{id}/cancel"), FORM)
        .await;
    assert_eq!(answer.error()["type"], "idempotency_error");
    assert_eq!(intents(&stripe).await, 1);
}

#[tokio::test]
async fn a_decline_is_saved() {
    let stripe = Simulator::start().await;
    let id = stripe.intent("pm_card_chargeDeclined").await;
    let path = format!("{INTENTS}/{id}/confirm");
    let first = stripe.post_as("try", &path, &[]).await;
    let second = stripe.post_as("try", &path, &[]).await;
    assert_eq!((first.status, second.status), (402, 402));
    assert_eq!(first.body, second.body);
    assert_eq!(second.header("idempotent-replayed"), Some("true"));
    assert_eq!(
        stripe.ledger("").await["totals"]["usd"]["failed_charges"],
        1
    );
}

#[tokio::test]
async fn a_validation_failure_is_not_saved() {
    let stripe = Simulator::start().await;
    assert_eq!(
        stripe
            .post_as("fixed", INTENTS, &[("amount", "1000")])
            .await
            .status,
        400
    );
    let answer = stripe.post_as("fixed", INTENTS, FORM).await;
    assert_eq!(
        (answer.status, answer.header("idempotent-replayed")),
        (200, None)
    );
}

/// Waits until a request is delayed inside the simulator by the fault that it asked for.
async fn held(stripe: &Simulator) {
    eventually(async || (stripe.fired("delay_before").await == 1).then_some(())).await;
}

#[tokio::test]
async fn a_key_whose_request_still_runs_is_in_use() {
    let stripe = Simulator::start().await;
    let slow = stripe.post_with_fault("delay_before=1500", "slow", INTENTS, FORM);
    let meanwhile = async {
        held(&stripe).await;
        stripe.post_as("slow", INTENTS, FORM).await
    };
    let (slow, meanwhile) = tokio::join!(slow, meanwhile);
    assert_eq!(meanwhile.status, 409);
    assert_eq!(meanwhile.error()["code"], "idempotency_key_in_use");
    assert_eq!(meanwhile.header("stripe-should-retry"), Some("true"));
    assert_eq!(slow.unwrap().status, 200);
    assert_eq!(intents(&stripe).await, 1);
}

#[tokio::test]
async fn a_client_that_disconnects_does_not_stop_its_request() {
    let stripe = Simulator::start().await;
    tokio::select! {
        _ = stripe.post_with_fault("delay_before=500", "gone", INTENTS, FORM) => panic!("it was held"),
        () = held(&stripe) => {}
    }
    let answer = eventually(async || {
        let answer = stripe.post_as("gone", INTENTS, FORM).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(answer.header("idempotent-replayed"), Some("true"));
    assert_eq!(intents(&stripe).await, 1);
}

#[tokio::test]
async fn fifty_equal_requests_at_once_execute_once() {
    let stripe = Simulator::start().await;
    let all =
        futures::future::join_all((0..50).map(|_| stripe.post_as("same", INTENTS, FORM))).await;
    assert!(all.iter().all(|answer| matches!(answer.status, 200 | 409)));
    let executed = all
        .iter()
        .filter(|answer| answer.status == 200 && answer.header("idempotent-replayed").is_none());
    assert_eq!(executed.count(), 1);
    assert_eq!(intents(&stripe).await, 1);
}
