//! Webhooks: registration, signatures, retries and their faults.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Endpoint, Simulator, Webhook, eventually};

fn types(webhooks: &[Webhook]) -> Vec<String> {
    let types = webhooks
        .iter()
        .map(|webhook| webhook.event()["type"].as_str().unwrap().to_owned());
    types.collect()
}

#[tokio::test]
async fn an_endpoint_receives_signed_events_of_its_types() {
    let stripe = Simulator::start().await;
    let (all, some) = (Endpoint::start(0).await, Endpoint::start(0).await);
    stripe.register(&all, &["*"]).await;
    stripe.register(&some, &["charge.succeeded"]).await;
    let id = stripe.paid("pm_card_visa").await;
    let arrived = all.receive(3).await;
    assert!(arrived.iter().all(Webhook::is_signed));
    let mut names = types(&arrived);
    names.sort();
    assert_eq!(
        names,
        [
            "charge.succeeded",
            "payment_intent.created",
            "payment_intent.succeeded"
        ]
    );
    let paid = arrived
        .iter()
        .map(Webhook::event)
        .find(|event| event["type"] == "payment_intent.succeeded")
        .unwrap();
    assert_eq!(paid["data"]["object"], stripe.retrieve(&id).await.body);
    assert_eq!(types(&some.receive(1).await), ["charge.succeeded"]);
}

#[tokio::test]
async fn an_endpoint_made_over_the_api_gets_a_secret() {
    let stripe = Simulator::start().await;
    let form = [
        ("url", "http://127.0.0.1:9/hook"),
        ("enabled_events[]", "*"),
    ];
    let made = stripe.post("/v1/webhook_endpoints", &form).await;
    assert!(made.body["secret"].as_str().unwrap().starts_with("whsec_"));
    let shown = stripe
        .get(&format!("/v1/webhook_endpoints/{}", made.id()))
        .await;
    assert_eq!(shown.body["secret"], Value::Null);
    let list = stripe.get("/v1/webhook_endpoints").await;
    assert_eq!(list.body["data"][0]["id"], made.id());
    let gone = stripe.request(
        Method::DELETE,
        &format!("/v1/webhook_endpoints/{}", made.id()),
    );
    assert_eq!(gone.send().await.unwrap().status(), 200);
    let wrong = stripe
        .post(
            "/v1/webhook_endpoints",
            &[("url", "nowhere"), ("enabled_events[]", "*")],
        )
        .await;
    assert_eq!(wrong.error()["param"], "url");
}

#[tokio::test]
async fn an_endpoint_registered_again_takes_the_place_of_the_first() {
    let stripe = Simulator::start().await;
    let endpoint = Endpoint::start(0).await;
    stripe.register(&endpoint, &["*"]).await;
    stripe.register(&endpoint, &["*"]).await;
    let list = stripe.get("/v1/webhook_endpoints").await;
    assert_eq!(list.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_unacknowledged_webhook_is_sent_again_and_shows_as_undelivered() {
    let stripe = Simulator::start().await;
    let endpoint = Endpoint::start(2).await;
    stripe
        .register(&endpoint, &["payment_intent.created"])
        .await;
    stripe.intent("pm_card_visa").await;
    let arrived = endpoint.receive(3).await;
    assert!(arrived.windows(2).all(|pair| pair[0].body == pair[1].body));
    let undelivered = "/v1/events?delivery_success=false";
    eventually(async || {
        let list = stripe.get(undelivered).await;
        list.body["data"]
            .as_array()
            .unwrap()
            .is_empty()
            .then_some(())
    })
    .await;
    assert_eq!(endpoint.arrived().len(), 3);
}

#[tokio::test]
async fn a_webhook_is_abandoned_after_the_last_retry_and_its_event_can_be_listed() {
    let stripe = Simulator::start().await;
    let endpoint = Endpoint::start(u32::MAX).await;
    stripe
        .register(&endpoint, &["payment_intent.created"])
        .await;
    stripe.intent("pm_card_visa").await;
    eventually(async || {
        let report = stripe
            .admin(Method::GET, "webhooks", &Value::Null)
            .await
            .body;
        (report["abandoned"] == 1 && report["pending"] == 0).then_some(())
    })
    .await;
    assert_eq!(endpoint.arrived().len(), 6, "one try and five retries");
    let list = stripe.get("/v1/events?delivery_success=false").await;
    assert_eq!(list.body["data"][0]["type"], "payment_intent.created");
}

#[tokio::test]
async fn webhooks_are_duplicated() {
    let stripe = Simulator::start().await;
    let endpoint = Endpoint::start(0).await;
    stripe.register(&endpoint, &["*"]).await;
    stripe
        .put_faults(
            json!([{"fault": "webhook_duplicated", "type": "payment_intent.*", "copies": 3}]),
        )
        .await;
    stripe.paid("pm_card_visa").await;
    let arrived = endpoint.receive(9).await;
    let mut times = BTreeMap::new();
    for name in types(&arrived) {
        *times.entry(name).or_insert(0) += 1;
    }
    let times: Vec<_> = times.into_iter().collect();
    let expected = [
        ("charge.succeeded", 1),
        ("payment_intent.created", 4),
        ("payment_intent.succeeded", 4),
    ];
    assert_eq!(
        times,
        expected.map(|(name, count)| (name.to_owned(), count))
    );
    assert_eq!(stripe.fired("webhook_duplicated").await, 2);
}

#[tokio::test]
async fn webhooks_are_shuffled_and_all_arrive() {
    let stripe = Simulator::start().await;
    let endpoint = Endpoint::start(0).await;
    stripe.register(&endpoint, &["*"]).await;
    stripe
        .put_faults(json!([{"fault": "webhook_shuffled", "ms": 500}]))
        .await;
    for _ in 0..10 {
        stripe.paid("pm_card_visa").await;
    }
    endpoint.receive(30).await;
    assert!(stripe.fired("webhook_shuffled").await >= 10);
}

#[tokio::test]
async fn webhooks_come_late_or_never() {
    let stripe = Simulator::start().await;
    let endpoint = Endpoint::start(0).await;
    stripe.register(&endpoint, &["*"]).await;
    stripe
        .put_faults(json!([
            {"fault": "webhook_lost", "type": "charge.succeeded"},
            {"fault": "webhook_late", "type": "payment_intent.created", "ms": 1000},
        ]))
        .await;
    stripe.paid("pm_card_visa").await;
    let arrived = endpoint.receive(2).await;
    assert_eq!(
        types(&arrived),
        ["payment_intent.succeeded", "payment_intent.created"]
    );
    let lost = stripe.get("/v1/events?delivery_success=false").await;
    assert_eq!(lost.body["data"][0]["type"], "charge.succeeded");
    assert_eq!(
        (
            stripe.fired("webhook_lost").await,
            stripe.fired("webhook_late").await
        ),
        (1, 1)
    );
}
