//! A payment that another transaction locks, and connections on which no answer arrives, delay no other payment.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use engine::delivery::{Guard, Reach};
use engine::{Command, Error};
use futures::future::join_all;
use infra::health::Readiness;
use serde_json::Value;
use sqlx::{Postgres, Transaction};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::wait::until;
use crate::world::{WEBHOOK_TIMEOUT, World};

/// A moment that nobody notices, on a loaded machine.
const SOON: Duration = Duration::from_secs(2);

/// Locks payments as a careless operator would, for as long as the result lives.
async fn lock(world: &World, payments: &[Uuid]) -> Transaction<'static, Postgres> {
    let mut stranger = world.database.pool().begin().await.unwrap();
    sqlx::query("select from payment where id = any($1) for update")
        .bind(payments)
        .execute(&mut *stranger)
        .await
        .unwrap();
    stranger
}

async fn payments(world: &World, count: usize) -> Vec<Uuid> {
    let mut payments = Vec::new();
    for _ in 0..count {
        payments.push(world.create("pm_card_visa").await);
    }
    world.drain().await;
    payments
}

fn refund() -> Command {
    Command::Refund {
        amount: None,
        reason: None,
    }
}

#[tokio::test]
async fn commands_to_payments_that_stay_locked_are_refused_in_time_and_delay_no_others() {
    let world = World::start().await;
    let all = payments(&world, 6).await;
    let (locked, free) = all.split_at(3);
    let stranger = lock(&world, locked).await;
    let began = Instant::now();
    let refund_all = |payments: &[Uuid]| {
        let commands = payments.iter();
        join_all(commands.map(|payment| world.command(*payment, refund())))
    };
    let (refused, ()) = tokio::join!(refund_all(locked), async {
        for outcome in refund_all(free).await {
            outcome.unwrap();
        }
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        // They are still locked, and their commands still wait.
        let more = payments(&world, 1);
        assert_eq!(more.await.len(), 1);
    });
    for outcome in refused {
        assert!(matches!(outcome, Err(Error::Busy { .. })), "{outcome:?}");
    }
    assert!(began.elapsed() > Duration::from_secs(5));
    drop(stranger);
    for outcome in refund_all(locked).await {
        outcome.unwrap();
    }
    world.drain().await;
    for payment in all {
        assert_eq!(world.view(payment).await.amount_refunded, 1099);
    }
}

#[tokio::test]
async fn a_command_waits_for_a_payment_that_is_locked_for_a_moment() {
    let world = World::start().await;
    let payment = payments(&world, 1).await[0];
    let stranger = lock(&world, &[payment]).await;
    let (refunded, ()) = tokio::join!(world.command(payment, refund()), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(stranger);
    });
    refunded.unwrap();
}

#[tokio::test]
async fn webhooks_of_a_locked_payment_wait_and_those_of_others_are_applied() {
    let world = World::start().await;
    let all = payments(&world, 2).await;
    for payment in &all {
        let intent = world.view(*payment).await.intent_id.unwrap();
        world
            .post("/v1/refunds", &[("payment_intent", &intent)])
            .await;
    }
    let stranger = lock(&world, &all[..1]).await;
    for event in world.events().await {
        world.deliver(&event).await;
    }
    let began = Instant::now();
    let other = all[1];
    until("the free payment's refund is known", async || {
        world.worker.round().await.unwrap();
        world.view(other).await.amount_refunded == 1099
    })
    .await;
    assert!(began.elapsed() < SOON * 2, "{:?}", began.elapsed());
    assert_eq!(world.view(all[0]).await.amount_refunded, 0);
    let waiting = "select count(*) from inbox_open where status = 'received' and tries = 0";
    assert!(world.count(waiting).await > 0, "its events wait untouched");
    drop(stranger);
    until("the other one's too", async || {
        world.worker.round().await.unwrap();
        world.view(all[0]).await.amount_refunded == 1099
    })
    .await;
}

#[tokio::test]
async fn a_worker_whose_connections_swallow_what_is_sent_goes_on_over_new_ones() {
    let world = World::start().await;
    let (proxy, url) = world.database.behind_proxy().await;
    let pool = infra::postgres::pool(&url, 8).unwrap();
    let worker = world.worker_over(pool, Guard::new(Reach::Anywhere), WEBHOOK_TIMEOUT);
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (worker, stop) = (worker.clone(), stop.clone());
        async move { worker.run(stop).await }
    });
    let succeeds = async |within: Duration| {
        let payment = world.create("pm_card_visa").await;
        let began = Instant::now();
        until("the payment succeeds", async || {
            world.view(payment).await.status == "succeeded"
        })
        .await;
        assert!(began.elapsed() < within, "{:?}", began.elapsed());
    };
    succeeds(Duration::from_secs(15)).await;
    proxy.swallow();
    succeeds(Duration::from_secs(20)).await;
    let ready = worker.check(Readiness::new("worker")).await;
    assert_eq!(ready.into_response().status(), StatusCode::OK);
    stop.cancel();
    running.await.unwrap();
}

/// The status and the checks of readiness.
async fn readiness(world: &World) -> (StatusCode, Value) {
    let ready = world.engine.check(Readiness::new("engine")).await;
    let answer = ready.into_response();
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 4096).await;
    let body: Value = serde_json::from_slice(&body.unwrap()).unwrap();
    (status, body["checks"].clone())
}

#[tokio::test]
async fn while_the_table_is_locked_clients_are_refused_in_time_and_readiness_says_so() {
    let world = World::start().await;
    let paid = payments(&world, 1).await[0];
    let mut stranger = world.database.pool().begin().await.unwrap();
    sqlx::query("lock table payment in access exclusive mode")
        .execute(&mut *stranger)
        .await
        .unwrap();
    let began = Instant::now();
    let create = world
        .engine
        .create(World::order("pm_card_visa"), world.key("/payments"));
    let (created, refunded, (status, checks)) =
        tokio::join!(create, world.command(paid, refund()), readiness(&world));
    for error in [created.unwrap_err(), refunded.unwrap_err()] {
        assert!(
            matches!(error, Error::Unavailable { .. } | Error::Busy { .. }),
            "{error:?}"
        );
    }
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let reason = checks["tables"].as_str().unwrap();
    assert!(reason.contains("payment is locked"), "{checks}");
    assert_eq!(checks["postgres"], "ok");
    drop(stranger);
    world.create("pm_card_visa").await;
    assert_eq!(readiness(&world).await.0, StatusCode::OK);
}
