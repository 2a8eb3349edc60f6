//! Connections to Postgres and databases for tests.

use std::time::{Duration, Instant};

use infra::postgres::{interval, is_transient, is_unavailable, ping, pool};
use infra::testing::TestDatabase;
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
