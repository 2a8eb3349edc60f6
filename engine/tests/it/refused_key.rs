//! Stripe refuses the API key, or a right of it: calls wait, none goes dead, and all go on once the key is right.

use std::time::Duration;

use axum::body::to_bytes;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use engine::Command;
use infra::health::Readiness;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::world::World;

/// More than the circuit breaker needs to count failures, if it counted these.
const PAYMENTS: usize = 30;

async fn readiness(world: &World) -> (StatusCode, Value) {
    let ready = world.worker.check(Readiness::new("worker")).await;
    let response = ready.into_response();
    let status = response.status();
    let body = to_bytes(response.into_body(), 65_536).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn bring_forward(world: &World) {
    sqlx::query("update job set due_at = now() where state = 'queued'")
        .execute(world.database.pool())
        .await
        .unwrap();
}

#[tokio::test]
async fn while_stripe_refuses_the_key_all_calls_wait_and_they_go_on_when_it_is_right() {
    let world = World::start().await;
    world.fault(json!([{"fault": "key_refused"}])).await;
    let mut payments = Vec::new();
    for _ in 0..PAYMENTS {
        payments.push(world.create("pm_card_visa").await);
    }
    for _ in 0..20 {
        bring_forward(&world).await;
        world.worker.round().await.unwrap();
    }
    let tried = "select count(*) from job where state <> 'queued' or tries > 0";
    assert_eq!(world.count(tried).await, 0);
    let faults: Value = world.get("/_sim/faults").await;
    let calls = faults["fired"]["key_refused"].as_u64().unwrap();
    // The calls that were made before the first answer, and then single ones.
    assert!(calls <= PAYMENTS as u64 + 5, "{calls} calls were made");
    let (status, body) = readiness(&world).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let said = body.to_string();
    assert!(said.contains("STRIPE_API_KEY"), "{said}");

    world.fault(json!([])).await;
    for _ in 0..100 {
        bring_forward(&world).await;
        world.worker.round().await.unwrap();
        if world.open_work().await == 0 {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    for payment in payments {
        assert_eq!(world.view(payment).await.status, "succeeded");
        assert_eq!(world.charges(payment).await, 1);
    }
    assert_eq!(readiness(&world).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_right_that_the_key_lacks_delays_its_own_calls_and_no_others() {
    let world = World::start().await;
    let paid = world.create("pm_card_visa").await;
    world.drain().await;
    let forbidden = json!([{"fault": "forbidden", "route": "refunds.create"}]);
    world.fault(forbidden).await;
    let refund = Command::Refund {
        amount: None,
        reason: None,
    };
    world.command(paid, refund).await.unwrap();
    for _ in 0..3 {
        bring_forward(&world).await;
        world.worker.round().await.unwrap();
    }
    let waits = "select count(*) from job where kind = 'create_refund' and state = 'queued' and tries = 0 and due_at > now() + interval '50 seconds'";
    assert_eq!(world.count(waits).await, 1);
    let other = world.create("pm_card_visa").await;
    world.worker.drain().await.unwrap();
    assert_eq!(world.view(other).await.status, "succeeded");
    assert_eq!(readiness(&world).await.0, StatusCode::OK);

    world.fault(json!([])).await;
    world.drain().await;
    assert_eq!(world.view(paid).await.amount_refunded, 1099);
}
