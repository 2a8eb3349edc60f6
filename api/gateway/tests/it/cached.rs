//! A payment that is in the cache is answered without Postgres, to its owner and to no other account.

use std::time::Duration;

use infra::testing::redis_url;
use reqwest::StatusCode;
use sqlx::Connection;

use crate::stage::{Stage, body, path_of, problem};

#[tokio::test]
async fn a_cached_read_touches_no_postgres_and_still_knows_the_owner() {
    reads_without_postgres(Stage::start().await).await;
}

#[tokio::test]
async fn a_limited_cached_read_does_the_same() {
    let limits = [("RATE_LIMIT_USER_PER_MINUTE", "1000")];
    let stage = Stage::limited(&redis_url(), &limits).await;
    reads_without_postgres(stage).await;
}

async fn reads_without_postgres(stage: Stage) {
    let payment = stage.payment().await;
    let path = path_of(&payment, "");
    // A payment that moves is cached once somebody has read it.
    body(stage.get(&path).await, StatusCode::OK).await;
    let id: contracts::id::PaymentId = serde_json::from_value(payment["id"].clone()).unwrap();
    let mut redis = infra::redis::manager(&redis_url(), Duration::from_secs(1)).unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let cached: bool = redis::cmd("EXISTS")
            .arg(format!("pawl:view:{}", id.uuid()))
            .query_async(&mut redis)
            .await
            .unwrap();
        if cached {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "never cached");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Whoever reads a payment, a key or a member from Postgres now waits for the end of this transaction.
    let mut connection = sqlx::PgConnection::connect(stage.database.url())
        .await
        .unwrap();
    let mut transaction = connection.begin().await.unwrap();
    sqlx::raw_sql("lock table payment, api_key, membership in access exclusive mode")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let read = tokio::time::timeout(Duration::from_secs(2), stage.get(&path));
    let seen = body(read.await.expect("no lock is waited for"), StatusCode::OK).await;
    assert_eq!(seen, payment);
    let stranger = stage.stranger();
    let foreign = tokio::time::timeout(Duration::from_secs(2), stage.get_as(&stranger, &path));
    problem(
        foreign.await.expect("no lock is waited for"),
        404,
        "not_found",
        None,
    )
    .await;
    transaction.rollback().await.unwrap();
}
