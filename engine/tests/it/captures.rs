//! Captures: in several parts, refused by Stripe, expired, and never more than was authorized.

use engine::{Command, Error, NewPayment};
use futures::future::join_all;
use serde_json::json;
use uuid::Uuid;
use workflows::payment::CaptureMethod;
use workflows::stream::Refusal;

use crate::world::World;

fn capture(amount: i64, is_final: bool) -> Command {
    Command::Capture {
        amount: Some(amount),
        is_final,
    }
}

/// A payment of 10.99 whose money is authorized.
async fn authorized(world: &World, multicapture: bool) -> Uuid {
    let order = NewPayment {
        capture_method: CaptureMethod::Manual,
        multicapture,
        ..World::order("pm_card_visa")
    };
    let key = world.key("/api/v1/payments");
    let payment = world.engine.create(order, key).await.unwrap().payment;
    world.drain().await;
    assert_eq!(world.view(payment).await.status, "requires_capture");
    payment
}

async fn captures(world: &World, payment: Uuid) -> Vec<(String, i64, bool)> {
    let captures = world.view(payment).await.captures;
    captures
        .into_iter()
        .map(|it| (it.status.into_owned(), it.amount, it.is_final))
        .collect()
}

fn done(amount: i64, is_final: bool) -> (String, i64, bool) {
    ("succeeded".to_owned(), amount, is_final)
}

#[tokio::test]
async fn a_payment_is_captured_in_parts_and_the_last_one_releases_the_rest() {
    let world = World::start().await;
    let payment = authorized(&world, true).await;
    let view = world.view(payment).await;
    assert_eq!(view.multicapture.as_deref(), Some("available"));
    for (amount, captured) in [(300, 300), (200, 500)] {
        world
            .command(payment, capture(amount, false))
            .await
            .unwrap();
        world.drain().await;
        let view = world.view(payment).await;
        assert_eq!(
            (&*view.status, view.amount_captured),
            ("requires_capture", captured)
        );
        assert_eq!(view.amount_capturable, 1099 - captured);
    }
    world.command(payment, capture(99, true)).await.unwrap();
    world.drain().await;
    // All webhooks, twice: each part is counted once.
    for event in world.events().await {
        world.deliver(&event).await;
        world.deliver(&event).await;
    }
    world.drain().await;
    let view = world.view(payment).await;
    assert_eq!((&*view.status, view.amount_captured), ("succeeded", 599));
    let parts = [done(300, false), done(200, false), done(99, true)];
    assert_eq!(captures(&world, payment).await, parts);
    let stored =
        "select count(*) from transition where machine = 'capture' and to_status = 'succeeded'";
    assert_eq!(world.count(stored).await, 3);
    let told = "select count(*) from transition where machine = 'capture' and (data->'moved'->>'amount')::int8 > 0";
    assert_eq!(world.count(told).await, 6);
}

#[tokio::test]
async fn a_part_is_refused_where_one_capture_is_all() {
    let world = World::start().await;
    let payment = authorized(&world, false).await;
    let refused = world.command(payment, capture(300, false)).await;
    assert!(matches!(
        refused,
        Err(Error::Refused(Refusal::MulticaptureUnavailable))
    ));
    world.command(payment, capture(300, true)).await.unwrap();
    world.drain().await;
    assert_eq!(captures(&world, payment).await, [done(300, true)]);
}

#[tokio::test]
async fn of_parallel_captures_one_is_accepted_at_a_time_and_the_sum_stays_within_the_authorization()
{
    let world = World::start().await;
    let payment = authorized(&world, true).await;
    for _ in 0..6 {
        let asked = (0..10).map(|_| world.command(payment, capture(300, false)));
        let accepted = join_all(asked).await;
        assert!(accepted.iter().filter(|it| it.is_ok()).count() <= 1);
        world.drain().await;
    }
    let view = world.view(payment).await;
    assert_eq!((view.amount_captured, view.amount_capturable), (900, 199));
    assert_eq!(captures(&world, payment).await, vec![done(300, false); 3]);
}

#[tokio::test]
async fn the_database_refuses_captures_over_the_authorization_also_without_the_payments_lock() {
    let world = World::start().await;
    let payment = authorized(&world, true).await;
    let add = |amount: i64| {
        let pool = world.database.pool().clone();
        async move {
            let done = sqlx::query(
                "insert into capture (id, payment_id, status, amount, final, created_at, updated_at)
                 values ($1, $2, 'succeeded', $3, false, now(), now())",
            )
            .bind(Uuid::now_v7())
            .bind(payment)
            .bind(amount)
            .execute(&pool)
            .await;
            done.err().map(|error| {
                let constraint = error.as_database_error().and_then(|it| it.constraint());
                constraint.unwrap_or("another error").to_owned()
            })
        }
    };
    let results = join_all((0..8).map(|_| add(400))).await;
    let accepted = results.iter().filter(|it| it.is_none()).count();
    assert_eq!(accepted, 2, "{results:?}");
    let refused = results.iter().flatten();
    assert!(refused.clone().all(|it| it == "capture_within_authorized"));
    // Two requests at once are refused as well.
    let request =
        "insert into capture (id, payment_id, status, amount, final, created_at, updated_at)
                   values (gen_random_uuid(), $1, 'requested', 1, true, now(), now())";
    let pool = world.database.pool();
    sqlx::query(request)
        .bind(payment)
        .execute(pool)
        .await
        .unwrap();
    let second = sqlx::query(request).bind(payment).execute(pool).await;
    let error = second.unwrap_err();
    let constraint = error.as_database_error().and_then(|it| it.constraint());
    assert_eq!(constraint, Some("capture_one_open"));
}

#[tokio::test]
async fn a_capture_after_the_authorization_ran_out_fails_and_the_payment_follows_stripe() {
    let world = World::start().await;
    let payment = authorized(&world, false).await;
    let intent = world.view(payment).await.intent_id.unwrap();
    world
        .post(&format!("/_sim/payment_intents/{intent}/expire"), &[])
        .await;
    world.command(payment, capture(300, true)).await.unwrap();
    world.drain().await;
    let view = world.view(payment).await;
    assert_eq!(view.status, "canceled");
    // Stripe's reason; no client gave one.
    assert_eq!(view.cancellation_reason.as_deref(), Some("automatic"));
    let failed = ("failed".to_owned(), 300, true);
    assert_eq!(captures(&world, payment).await, [failed]);
    let facts: serde_json::Value = sqlx::query_scalar(
        "select data->'moved' from transition where machine = 'payment' and to_status = 'canceled'",
    )
    .fetch_one(world.database.pool())
    .await
    .unwrap();
    assert_eq!(facts["cancellation_reason"], json!("automatic"));
}
