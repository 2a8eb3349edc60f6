//! Connections to Postgres and databases for tests.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::IntoResponse;
use infra::health::Readiness;
use infra::postgres::{interval, is_transient, is_unavailable, ping, pool};
use infra::testing::TestDatabase;
use serde_json::{Value, json};
use sqlx::migrate::{Migration, MigrationType, Migrator};

fn migrations() -> Migrator {
    let first = Migration::new(
        1,
        "first".into(),
        MigrationType::Simple,
        sqlx::SqlStr::from_static("create table note (id int primary key)"),
        false,
    );
    Migrator::with_migrations(vec![first])
}

#[tokio::test]
async fn each_test_database_is_migrated_and_its_own_and_ends_with_its_guard() {
    let migrations = migrations();
    let (one, other) = tokio::join!(
        TestDatabase::create(&migrations),
        TestDatabase::create(&migrations),
    );
    sqlx::query("insert into note values (1)")
        .execute(one.pool())
        .await
        .unwrap();
    let notes: i64 = sqlx::query_scalar("select count(*) from note")
        .fetch_one(other.pool())
        .await
        .unwrap();
    assert_eq!(notes, 0);
    let through_url = pool(one.url(), 1).unwrap();
    let notes: i64 = sqlx::query_scalar("select count(*) from note")
        .fetch_one(&through_url)
        .await
        .unwrap();
    assert_eq!(notes, 1);
    let url = one.url().to_owned();
    drop(one);
    let gone = ping(&pool(&url, 1).unwrap()).await;
    assert!(gone.is_err(), "the database outlives its guard");
}

#[tokio::test]
async fn a_connection_bears_a_name_and_the_limits_that_end_a_paused_client() {
    let database = TestDatabase::create(&migrations()).await;
    for (setting, value) in [
        ("lock_timeout", "2s"),
        ("statement_timeout", "8s"),
        ("idle_in_transaction_session_timeout", "10s"),
    ] {
        let seen: String = sqlx::query_scalar("select current_setting($1)")
            .bind(setting)
            .fetch_one(database.pool())
            .await
            .unwrap();
        assert_eq!(seen, value, "{setting}");
    }
    let name: String = sqlx::query_scalar("select current_setting('application_name')")
        .fetch_one(database.pool())
        .await
        .unwrap();
    assert!(name.starts_with("it-"), "{name}");
}

#[tokio::test]
async fn a_pool_is_made_while_postgres_is_unavailable_and_says_so_when_used() {
    let pool = pool("postgres://pawl@127.0.0.1:1/pawl", 2).unwrap();
    let started = Instant::now();
    let error = ping(&pool).await.unwrap_err();
    assert!(is_unavailable(&error), "{error:?}");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_refused_statement_is_told_from_an_unavailable_database() {
    let database = TestDatabase::create(&migrations()).await;
    let refused = sqlx::query("select * from nothing")
        .execute(database.pool())
        .await
        .unwrap_err();
    assert!(
        !is_unavailable(&refused) && !is_transient(&refused),
        "{refused:?}"
    );
    let ended = sqlx::query("select pg_terminate_backend(pg_backend_pid())")
        .execute(database.pool())
        .await
        .unwrap_err();
    assert!(is_unavailable(&ended) && is_transient(&ended), "{ended:?}");
    ping(database.pool()).await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_waits_too_long_for_a_lock_may_be_run_again() {
    let database = TestDatabase::create(&migrations()).await;
    let mut holder = database.pool().begin().await.unwrap();
    let lock = "lock table note in access exclusive mode";
    sqlx::query(lock).execute(&mut *holder).await.unwrap();
    let mut waiter = database.pool().begin().await.unwrap();
    let timeout = "set local lock_timeout = '10ms'";
    sqlx::query(timeout).execute(&mut *waiter).await.unwrap();
    let error = sqlx::query(lock).execute(&mut *waiter).await.unwrap_err();
    assert!(is_transient(&error), "{error:?}");
    assert!(!is_unavailable(&error), "{error:?}");
}

#[tokio::test]
async fn an_interval_has_the_length_of_its_duration() {
    let database = TestDatabase::create(&migrations()).await;
    let seconds: f64 = sqlx::query_scalar("select extract(epoch from $1::interval)::float8")
        .bind(interval(Duration::from_millis(90_061_500)))
        .fetch_one(database.pool())
        .await
        .unwrap();
    assert!((seconds - 90_061.5).abs() < f64::EPSILON, "{seconds}");
}

#[tokio::test]
async fn what_is_no_postgres_url_is_an_error_that_says_how_one_looks() {
    let error = pool("redis://127.0.0.1", 1).unwrap_err();
    assert!(format!("{error:#}").contains("postgres://"), "{error:#}");
}

async fn readiness(database: &TestDatabase, needed: i64) -> (StatusCode, Value) {
    let ready = Readiness::new("test").database(database.pool(), needed);
    let answer = ready.await.into_response();
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 4096)
        .await
        .unwrap();
    (
        status,
        serde_json::from_slice::<Value>(&body).unwrap()["checks"].take(),
    )
}

#[tokio::test]
async fn readiness_names_a_schema_that_is_missing_older_or_newer_and_what_to_do() {
    let database = TestDatabase::create(&migrations()).await;
    let (status, checks) = readiness(&database, 1).await;
    let all_well = json!({"postgres": "ok", "schema": "ok", "clock": "ok"});
    assert_eq!((status, checks), (StatusCode::OK, all_well));
    let (status, checks) = readiness(&database, 3).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        checks["schema"],
        "schema version 1 found, 3 needed: run `pawl migrate`"
    );
    // A newer schema is named, and does not stop a service whose successor is about to start.
    let (status, checks) = readiness(&database, 0).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        checks["schema"]
            .as_str()
            .unwrap()
            .contains("version 1 found"),
        "{checks}"
    );
    sqlx::query("drop table _sqlx_migrations")
        .execute(database.pool())
        .await
        .unwrap();
    let (status, checks) = readiness(&database, 1).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        checks["schema"],
        "schema version 0 found, 1 needed: run `pawl migrate`"
    );
}

#[tokio::test]
async fn a_database_whose_roles_were_never_made_was_never_migrated() {
    let database = TestDatabase::create(&migrations()).await;
    let stranger = infra::postgres::pool_as("pawl_nobody", database.url(), 1).unwrap();
    assert_eq!(infra::postgres::schema_version(&stranger).await.unwrap(), 0);
    let (postgres, schema) = {
        let ready = Readiness::new("test").database(&stranger, 1).await;
        let body = axum::body::to_bytes(ready.into_response().into_body(), 4096)
            .await
            .unwrap();
        let checks = serde_json::from_slice::<Value>(&body).unwrap()["checks"].take();
        (checks["postgres"].clone(), checks["schema"].clone())
    };
    assert_eq!(postgres, "ok");
    assert!(
        schema.as_str().unwrap().ends_with("run `pawl migrate`"),
        "{schema}"
    );
}

#[tokio::test]
async fn a_clock_is_compared_with_the_databases_and_a_wrong_one_is_told() {
    let database = TestDatabase::create(&migrations()).await;
    let skew = infra::postgres::clock_skew(database.pool()).await.unwrap();
    assert!(skew.abs() < 1.0, "one machine has one clock: {skew}");
    for (skew, reason) in [
        (0.0, None),
        (4.9, None),
        (-4.9, None),
        (3600.0, Some("3600 s ahead of")),
        (-7.0, Some("7 s behind")),
    ] {
        let seen = infra::postgres::check_clock(skew).err();
        match reason {
            None => assert_eq!(seen, None, "{skew}"),
            Some(reason) => assert!(seen.as_ref().unwrap().contains(reason), "{seen:?}"),
        }
    }
}
