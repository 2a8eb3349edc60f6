//! What happens before the authorization of a payment ends.

use engine::{Command, Force, NewPayment};
use uuid::Uuid;
use workflows::payment::{CaptureMethod, OnExpiry, Status};

use crate::world::World;

const HOUR: i64 = 3_600;

/// An authorized payment with this policy.
async fn authorized(world: &World, policy: OnExpiry) -> Uuid {
    let order = NewPayment {
        capture_method: CaptureMethod::Manual,
        authorization_expiry: policy,
        ..World::order("pm_card_visa")
    };
    let key = world.key("/api/v1/payments");
    let payment = world.engine.create(order, key).await.unwrap().payment;
    world.drain().await;
    assert_eq!(world.view(payment).await.status, "requires_capture");
    payment
}

/// Lets the authorization end in so many seconds.
pub(crate) async fn ends_in(world: &World, payment: Uuid, seconds: i64) {
    sqlx::query(
        "update payment set capture_before = extract(epoch from now())::int8 + $2 where id = $1",
    )
    .bind(payment)
    .bind(seconds)
    .execute(world.database.pool())
    .await
    .unwrap();
}

/// Seconds between the timer and the end of the authorization.
async fn lead(world: &World) -> i64 {
    world
        .count(
            "select (capture_before - extract(epoch from due_at))::int8
             from timer join payment on payment.id = payment_id where kind = 'authorization'",
        )
        .await
}

async fn timers(world: &World) -> i64 {
    world
        .count("select count(*) from timer where kind = 'authorization'")
        .await
}

async fn told(world: &World, payment: Uuid) -> usize {
    let history = world.history(payment).await;
    let types = history.iter().map(|event| event.r#type.as_ref());
    types
        .filter(|it| *it == "payment.authorization_expiring")
        .count()
}

#[tokio::test]
async fn a_merchant_is_told_once_a_day_before_an_authorization_ends() {
    let world = World::start().await;
    let payment = authorized(&world, OnExpiry::Alert).await;
    assert_eq!(lead(&world).await, 24 * HOUR);

    // Fired too early, for whatever reason: nothing is lost.
    world.fire_timers("authorization").await;
    assert_eq!(
        (told(&world, payment).await, lead(&world).await),
        (0, 24 * HOUR)
    );

    ends_in(&world, payment, 23 * HOUR).await;
    world.fire_timers("authorization").await;
    assert_eq!((told(&world, payment).await, timers(&world).await), (1, 0));
    assert_eq!(world.view(payment).await.status, "requires_capture");

    // A later report with the same deadline sets no timer again.
    world.engine.resync(world.account, payment).await.unwrap();
    world.drain().await;
    ends_in(&world, payment, 22 * HOUR).await;
    let view = world.view(payment).await;
    assert_eq!(
        (told(&world, payment).await, &*view.authorization_expiry),
        (1, "alert")
    );
}

#[tokio::test]
async fn an_authorization_is_captured_or_canceled_before_it_ends_where_the_payment_says_so() {
    let world = World::start().await;
    for (policy, status, captured) in [
        (OnExpiry::Capture, "succeeded", 1099),
        (OnExpiry::Cancel, "canceled", 0),
    ] {
        let payment = authorized(&world, policy).await;
        assert_eq!(lead(&world).await, HOUR);
        ends_in(&world, payment, HOUR / 2).await;
        world.fire_timers("authorization").await;
        let view = world.view(payment).await;
        assert_eq!((&*view.status, view.amount_captured), (status, captured));
        assert_eq!((told(&world, payment).await, timers(&world).await), (1, 0));
    }
}

/// Fires the timer, and does nothing of what follows.
async fn fire(world: &World) {
    sqlx::query("update timer set due_at = now() where kind = 'authorization'")
        .execute(world.database.pool())
        .await
        .unwrap();
    world.worker.sweep().await.unwrap();
}

#[tokio::test]
async fn a_policy_acts_after_the_call_that_was_under_way_took_nothing() {
    let world = World::start().await;
    let payment = authorized(&world, OnExpiry::Cancel).await;
    ends_in(&world, payment, HOUR / 2).await;
    let capture = Command::Capture {
        amount: None,
        is_final: true,
    };
    world.command(payment, capture).await.unwrap();
    fire(&world).await;
    assert_eq!((told(&world, payment).await, timers(&world).await), (0, 1));
    // An operator closes the call before it was made.
    let force = Force {
        to: Status::RequiresCapture,
        reason: "a test".to_owned(),
        actor: "ada".to_owned(),
        version: world.view(payment).await.version,
    };
    let forced = world.engine.force(world.account, payment, force);
    forced.await.unwrap();
    world.fire_timers("authorization").await;
    let view = world.view(payment).await;
    assert_eq!((&*view.status, timers(&world).await), ("canceled", 0));
}

#[tokio::test]
async fn a_capture_of_the_client_in_the_same_moment_leaves_nothing_to_do() {
    let world = World::start().await;
    let payment = authorized(&world, OnExpiry::Capture).await;
    ends_in(&world, payment, HOUR / 2).await;
    let capture = Command::Capture {
        amount: Some(500),
        is_final: true,
    };
    world.command(payment, capture).await.unwrap();
    // The timer fires while the capture is under way: it is kept until the outcome is known.
    fire(&world).await;
    assert_eq!((told(&world, payment).await, timers(&world).await), (0, 1));
    world.drain().await;
    let view = world.view(payment).await;
    assert_eq!((&*view.status, view.amount_captured), ("succeeded", 500));
    assert_eq!((view.captures.len(), timers(&world).await), (1, 0));
}
