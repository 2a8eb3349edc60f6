//! Rows that this program cannot read stop themselves alone, and visibly.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::world::World;

/// Shorter than a lease, for which a job waits that was claimed together with a bad one and then left.
const SOON: Duration = Duration::from_secs(10);

/// Creates three payments and spoils what belongs to the first by this statement; then the two others must succeed soon.
async fn others_succeed(spoil: &'static str) -> (World, Uuid) {
    let world = World::start().await;
    let bad = world.create("pm_card_visa").await;
    let good = [
        world.create("pm_card_visa").await,
        world.create("pm_card_visa").await,
    ];
    sqlx::query(spoil)
        .bind(bad)
        .execute(world.database.pool())
        .await
        .unwrap();
    let began = Instant::now();
    world.drain().await;
    for payment in good {
        assert_eq!(world.cached(payment).await["status"], "succeeded");
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    (world, bad)
}

async fn dead_job(world: &World, payment: Uuid) -> String {
    sqlx::query_scalar("select error from job where payment_id = $1 and state = 'dead'")
        .bind(payment)
        .fetch_one(world.database.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_job_whose_effect_cannot_be_read_is_dead_and_stops_no_other() {
    let spoil = r#"update job set effect = '{"kind": "teleport"}' where payment_id = $1"#;
    let (world, bad) = others_succeed(spoil).await;
    let error = dead_job(&world, bad).await;
    assert!(error.starts_with("its effect cannot be read"), "{error}");
    assert!(error.contains("teleport"), "{error}");
}

#[tokio::test]
async fn the_job_of_a_payment_that_cannot_be_read_is_dead_and_stops_no_other() {
    let spoil = "update payment set last_error = '7' where id = $1";
    let (world, bad) = others_succeed(spoil).await;
    let error = dead_job(&world, bad).await;
    assert!(error.contains("cannot be read"), "{error}");
}
