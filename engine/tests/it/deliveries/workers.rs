//! Two workers send each delivery once, slow receivers delay no other delivery, and a worker that dies loses none.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use contracts::webhook::DeliveryStatus;
use engine::delivery::{Guard, Reach};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{deliveries, listen_to, numbers, until};
use crate::receiver::{Answer, Receiver};
use crate::world::World;

#[tokio::test]
async fn two_workers_at_once_deliver_each_event_once() {
    let world = World::start().await;
    let receiver = Receiver::start();
    let endpoint = listen_to(&world, &receiver, &["*"]).await;
    let other = world.worker_with(Guard::new(Reach::Anywhere), Duration::from_secs(5));
    let mut payments = Vec::new();
    for _ in 0..10 {
        payments.push(world.create("pm_card_visa").await);
    }
    let quiet = async || {
        let (one, two) = tokio::join!(world.worker.drain(), other.drain());
        one.unwrap();
        two.unwrap();
        world.open_work().await == 0
    };
    until("the end of all work", quiet).await;
    let got = receiver.got();
    let ids: BTreeSet<&str> = got.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids.len(), got.len(), "none came twice");
    for payment in payments {
        let view = world.view(payment).await;
        let expected: Vec<i64> = (1..=view.version).collect();
        assert_eq!(numbers(&got, &view.id.to_string()), expected);
    }
    let all = deliveries(&world, &endpoint).await;
    assert!(all.iter().all(|it| it.tries == 1));
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_neither_payments_nor_other_receivers() {
    let world = World::start().await;
    let (hanging, well) = (Receiver::start(), Receiver::start());
    hanging.always(Some(Answer::Never));
    listen_to(&world, &hanging, &["*"]).await;
    listen_to(&world, &well, &["payment.succeeded"]).await;
    // No call of the first ends while the test lasts.
    let worker = world.worker_with(Guard::new(Reach::Anywhere), Duration::from_mins(10));
    let stop = CancellationToken::new();
    let mut payments = Vec::new();
    for _ in 0..20 {
        payments.push(world.create("pm_card_visa").await);
    }
    let running = {
        let stop = stop.clone();
        tokio::spawn(async move { worker.run(stop).await })
    };
    until("20 payments told", async || well.got().len() == 20).await;
    let moved = "select count(*) from payment where status = 'succeeded'";
    assert_eq!(world.count(moved).await, 20);
    until("calls of the first", async || hanging.got().len() == 4).await;
    assert_eq!(hanging.most_at_once(), 4);
    running.abort();
}

#[tokio::test]
async fn an_event_whose_worker_died_in_the_call_is_delivered_by_another() {
    let world = World::start().await;
    let receiver = Receiver::start();
    receiver.answer([Answer::Never]);
    let endpoint = listen_to(&world, &receiver, &["payment.created"]).await;
    let dying = world.worker_with(Guard::new(Reach::Anywhere), Duration::from_mins(10));
    world.create("pm_card_visa").await;
    let dying = tokio::spawn(async move { dying.drain().await });
    until("the call", async || !receiver.got().is_empty()).await;
    dying.abort();
    world.worker.drain().await.unwrap();
    assert_eq!(receiver.got().len(), 1, "its lease still runs");
    end_leases(&world).await;
    world.worker.drain().await.unwrap();
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].id, got[1].id);
    let all = deliveries(&world, &endpoint).await;
    assert_eq!(all[0].status, DeliveryStatus::Delivered);
}

#[tokio::test]
async fn a_result_that_comes_after_the_lease_ran_out_changes_nothing() {
    let world = World::start().await;
    let receiver = Receiver::start();
    let release = Arc::new(Notify::new());
    receiver.answer([Answer::Held(500, release.clone())]);
    let endpoint = listen_to(&world, &receiver, &["payment.created"]).await;
    let slow = world.worker_with(Guard::new(Reach::Anywhere), Duration::from_mins(10));
    world.create("pm_card_visa").await;
    let slow = tokio::spawn(async move { slow.drain().await });
    until("the call", async || !receiver.got().is_empty()).await;
    end_leases(&world).await;
    world.worker.drain().await.unwrap();
    release.notify_one();
    slow.await.unwrap().unwrap();
    assert_eq!(receiver.got().len(), 2);
    let all = deliveries(&world, &endpoint).await;
    assert_eq!(all[0].status, DeliveryStatus::Delivered);
    assert_eq!((all[0].tries, all[0].last_code), (1, Some(200)));
}

#[tokio::test]
async fn a_delivery_that_kills_its_process_again_and_again_is_set_aside() {
    let world = World::start().await;
    let receiver = Receiver::start();
    let endpoint = listen_to(&world, &receiver, &["payment.created"]).await;
    world.create("pm_card_visa").await;
    for (picks, status) in [(20, DeliveryStatus::Pending), (21, DeliveryStatus::Failed)] {
        sqlx::query(
            "update delivery set picks = $1, lease = gen_random_uuid(), lease_until = now()",
        )
        .bind(picks)
        .execute(world.database.pool())
        .await
        .unwrap();
        world.worker.sweep().await.unwrap();
        let all = deliveries(&world, &endpoint).await;
        assert_eq!(all[0].status, status);
    }
    world.worker.drain().await.unwrap();
    assert!(receiver.got().is_empty(), "it is not sent by itself");

    let id = deliveries(&world, &endpoint).await[0].id.uuid();
    let again = world.engine.resend(world.account, endpoint.id.uuid(), id);
    again.await.unwrap();
    world.worker.drain().await.unwrap();
    assert_eq!(receiver.got().len(), 1);
    let all = deliveries(&world, &endpoint).await;
    assert_eq!(all[0].status, DeliveryStatus::Delivered);
}

/// Lets the leases of all deliveries run out.
async fn end_leases(world: &World) {
    sqlx::query("update delivery set lease_until = now() where lease is not null")
        .execute(world.database.pool())
        .await
        .unwrap();
}
