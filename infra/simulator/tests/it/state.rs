//! Restarts with and without a state file.

use serde_json::json;
use stripe_simulator::Config;

use crate::support::{Endpoint, Simulator, eventually, quick};

#[tokio::test]
async fn a_restart_with_a_state_file_restores_everything() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        state_file: Some(folder.path().join("below").join("stripe.json")),
        ..quick()
    };
    let stripe = Simulator::with(config.clone()).await;
    let paid = stripe.paid("pm_card_visa").await;
    let form = [("payment_intent", paid.as_str()), ("amount", "300")];
    let refund = stripe.post_as("refund-once", "/v1/refunds", &form).await;
    let (before, events) = (stripe.ledger("").await, stripe.event_types().await);
    stripe.stop().await;

    let stripe = Simulator::with(config).await;
    assert_eq!(stripe.retrieve(&paid).await.object_status(), "succeeded");
    assert_eq!(stripe.ledger("").await, before);
    assert_eq!(stripe.event_types().await, events);
    let again = stripe.post_as("refund-once", "/v1/refunds", &form).await;
    assert_eq!(again.body, refund.body);
    assert_eq!(
        stripe.ledger("").await["totals"]["usd"]["refunded"],
        json!(300)
    );
}

#[tokio::test]
async fn a_restart_finishes_charges_refunds_and_webhooks() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        state_file: Some(folder.path().join("stripe.json")),
        ..quick()
    };
    let slow = Config {
        settle_after: std::time::Duration::from_hours(1),
        ..config.clone()
    };
    let endpoint = Endpoint::start(0).await;
    let stripe = Simulator::with(slow).await;
    stripe.put_faults(json!([{"fault": "webhook_lost"}])).await;
    stripe
        .register(&endpoint, &["payment_intent.processing"])
        .await;
    let id = stripe.intent("pm_usBankAccount_success").await;
    assert_eq!(stripe.confirm(&id).await.object_status(), "processing");
    stripe.stop().await;
    assert!(endpoint.arrived().is_empty());

    let stripe = Simulator::with(config).await;
    endpoint.receive(1).await;
    eventually(async || (stripe.retrieve(&id).await.object_status() == "succeeded").then_some(()))
        .await;
}

#[tokio::test]
async fn an_unreadable_state_file_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stripe.json");
    std::fs::write(&path, "not json").unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = Config {
        state_file: Some(path),
        ..quick()
    };
    let stop = tokio_util::sync::CancellationToken::new();
    let fault = stripe_simulator::serve(config, listener, stop)
        .await
        .unwrap_err();
    assert!(format!("{fault:#}").contains("stripe.json"), "{fault:#}");
}
