//! Payments and refunds that wait for a webhook end right without one: a timer compares them with Stripe's objects.

use std::time::Duration;

use engine::delivery::{Guard, Reach};
use engine::{Command, NewPayment};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use workflows::payment::CaptureMethod;

use crate::wait::until;
use crate::world::{WEBHOOK_TIMEOUT, World};

/// Asserts that the payment's check is due soon after it began to wait, and fires it.
async fn check(world: &World, what: &str) {
    let soon = "select count(*) from timer where kind = 'check'
                and due_at between now() + interval '1 minute' and now() + interval '2 minutes'";
    assert_eq!(world.count(soon).await, 1, "{what}");
    world.fire_timers("check").await;
}

async fn create(world: &World, new: NewPayment) -> Uuid {
    let key = world.key("/api/v1/payments");
    let payment = world.engine.create(new, key).await.unwrap().payment;
    world.drain().await;
    payment
}

async fn intent(world: &World, payment: Uuid) -> String {
    world.view(payment).await.intent_id.unwrap()
}

#[tokio::test]
async fn with_all_webhooks_lost_everything_that_waits_ends_right() {
    for (method, from, what, to) in [
        (
            "pm_card_authenticationRequired",
            "requires_action",
            "authenticate",
            "succeeded",
        ),
        (
            "pm_card_authenticationRequired",
            "requires_action",
            "fail_authentication",
            "requires_payment_method",
        ),
        (
            "pm_usBankAccount_processing",
            "processing",
            "succeed",
            "succeeded",
        ),
        (
            "pm_usBankAccount_processing",
            "processing",
            "fail",
            "requires_payment_method",
        ),
    ] {
        let world = World::start().await;
        let payment = create(&world, World::order(method)).await;
        assert_eq!(world.view(payment).await.status, from);
        let path = format!(
            "/_sim/payment_intents/{}/{what}",
            intent(&world, payment).await
        );
        world.post(&path, &[]).await;
        check(&world, what).await;
        assert_eq!(world.view(payment).await.status, to, "{what}");
    }
}

#[tokio::test]
async fn captures_and_confirmations_by_others_are_found_without_a_webhook() {
    let world = World::start().await;
    let manual = NewPayment {
        capture_method: CaptureMethod::Manual,
        ..World::order("pm_card_visa")
    };
    let payment = create(&world, manual).await;
    let path = format!(
        "/v1/payment_intents/{}/capture",
        intent(&world, payment).await
    );
    world.post(&path, &[("amount_to_capture", "700")]).await;
    check(&world, "a capture in the dashboard").await;
    let captured = world.view(payment).await;
    assert_eq!(
        (&*captured.status, captured.amount_captured),
        ("succeeded", 700)
    );

    let world = World::start().await;
    let unconfirmed = NewPayment {
        confirm: false,
        ..World::order("pm_card_visa")
    };
    let payment = create(&world, unconfirmed).await;
    let path = format!(
        "/v1/payment_intents/{}/confirm",
        intent(&world, payment).await
    );
    let form = [("return_url", "https://shop.example/back")];
    world.post(&path, &form).await;
    check(&world, "a confirmation by the browser").await;
    assert_eq!(world.view(payment).await.status, "succeeded");
}

#[tokio::test]
async fn refunds_that_are_pending_end_without_a_webhook_and_each_begins_a_new_wait() {
    let world = World::start().await;
    let payment = create(&world, World::order("pm_card_pendingRefund")).await;
    for (amount, what, refunded) in [
        (300, "succeed", 300),
        (200, "fail", 300),
        (100, "succeed", 400),
    ] {
        let refund = Command::Refund {
            amount: Some(amount),
            reason: None,
        };
        world.command(payment, refund).await.unwrap();
        world.drain().await;
        assert_eq!(world.view(payment).await.amount_reserved, amount, "{what}");
        let stripe_id: String =
            sqlx::query_scalar("select stripe_id from refund where status = 'pending'")
                .fetch_one(world.database.pool())
                .await
                .unwrap();
        world
            .post(&format!("/_sim/refunds/{stripe_id}/{what}"), &[])
            .await;
        check(&world, what).await;
        let view = world.view(payment).await;
        assert_eq!(
            (view.amount_refunded, view.amount_reserved),
            (refunded, 0),
            "{what}"
        );
        assert_eq!(world.count("select count(*) from timer").await, 0, "{what}");
    }
}

#[tokio::test]
async fn a_second_attempt_of_unknown_outcome_is_not_ended_by_the_error_of_the_first() {
    for fault in [
        json!([{"fault": "drop_after", "count": 3, "route": "payment_intents.confirm"}]),
        json!([{"fault": "drop_before", "count": 3, "route": "payment_intents.confirm"}]),
        json!([{"fault": "error_during", "count": 1, "should_retry": false, "route": "payment_intents.confirm"}]),
        json!([{"fault": "error_after", "count": 1, "should_retry": false, "route": "payment_intents.confirm"}]),
    ] {
        let world = World::start().await;
        let payment = create(&world, World::order("pm_card_chargeDeclined")).await;
        world.fault(fault.clone()).await;
        let again = Command::Confirm {
            payment_method: Some("pm_card_visa".into()),
            return_url: None,
        };
        world.command(payment, again).await.unwrap();
        world.drain().await;
        assert_eq!(world.view(payment).await.status, "succeeded", "{fault}");
        assert_eq!(world.charges(payment).await, 1, "{fault}");
    }
}

#[tokio::test]
async fn a_third_attempt_of_unknown_outcome_is_not_ended_by_an_error_of_the_first() {
    for fault in ["error_during", "error_after"] {
        let world = World::start().await;
        let payment = create(&world, World::order("pm_card_chargeDeclined")).await;
        let confirm = async |method: &str| {
            let again = Command::Confirm {
                payment_method: Some(method.into()),
                return_url: None,
            };
            world.command(payment, again).await.unwrap();
            world.drain().await;
        };
        // Stripe refuses the request, so that its intent goes on to show the error of the first attempt.
        confirm("pm_of_nobody").await;
        let error = world.view(payment).await.last_error.unwrap();
        assert_eq!(error.code.as_deref(), Some("resource_missing"));
        let rules = json!([{"fault": fault, "count": 1, "should_retry": false, "route": "payment_intents.confirm"}]);
        world.fault(rules).await;
        confirm("pm_card_visa").await;
        assert_eq!(world.view(payment).await.status, "succeeded", "{fault}");
        assert_eq!(world.charges(payment).await, 1, "{fault}");
    }
}

#[tokio::test]
async fn a_decline_that_a_resync_shows_ends_the_attempt_whose_answer_was_lost() {
    let world = World::start().await;
    let payment = create(&world, World::order("pm_card_chargeDeclined")).await;
    // The second decline is executed, and a 5xx is saved in place of its answer.
    let rules = json!([{"fault": "error_after", "count": 1, "should_retry": true, "route": "payment_intents.confirm"}]);
    world.fault(rules).await;
    let again = Command::Confirm {
        payment_method: Some("pm_card_chargeDeclined".into()),
        return_url: None,
    };
    world.command(payment, again).await.unwrap();
    world.worker.round().await.unwrap();
    let unknown = "select count(*) from job where state = 'queued' and unknown";
    assert_eq!(world.count(unknown).await, 1);

    for event in world.events().await {
        world.deliver(&event).await;
    }
    world.drain().await;
    let view = world.view(payment).await;
    let attempt = view.latest_attempt.unwrap();
    assert_eq!(
        (&*view.status, attempt.number, &*attempt.status),
        ("requires_payment_method", 2, "failed")
    );
    assert_eq!(
        attempt.error.unwrap().code.as_deref(),
        Some("card_declined")
    );
    assert_eq!(world.open_work().await, 0);
}

#[tokio::test]
async fn when_postgres_is_available_again_payments_that_wait_are_checked_at_once() {
    let world = World::start().await;
    let (proxy, url) = world.database.behind_proxy().await;
    let pool = infra::postgres::pool(&url, 8).unwrap();
    let worker = world.worker_over(pool, Guard::new(Reach::Anywhere), WEBHOOK_TIMEOUT);
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (worker, stop) = (worker.clone(), stop.clone());
        async move { worker.run(stop).await }
    });
    let payment = world.create("pm_card_authenticationRequired").await;
    until("the customer must authenticate", async || {
        world.view(payment).await.status == "requires_action"
    })
    .await;
    // No webhook says it, as if it was sent while nobody could keep it.
    let intent = world.view(payment).await.intent_id.unwrap();
    let path = format!("/_sim/payment_intents/{intent}/authenticate");
    proxy.refuse(true);
    world.post(&path, &[]).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    proxy.refuse(false);
    let began = Instant::now();
    until("the payment has succeeded", async || {
        world.view(payment).await.status == "succeeded"
    })
    .await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    stop.cancel();
    running.await.unwrap();
}
