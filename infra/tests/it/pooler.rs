//! A real `PgBouncer` between a service and Postgres is refused.

use infra::postgres::{ping, pool, refuse_pooler};
use infra::testing::{PgBouncer, TestDatabase};
use sqlx::migrate::Migrator;

async fn database() -> TestDatabase {
    TestDatabase::create(&Migrator::with_migrations(Vec::new())).await
}

/// What the check says of a `PgBouncer` with this configuration.
async fn refusal(database: &TestDatabase, connect_query: &str, settings: &str) -> String {
    let pgbouncer = PgBouncer::start(database.url(), connect_query, settings).await;
    let error = refuse_pooler(pgbouncer.url()).await.unwrap_err();
    let said = format!("{error:#}");
    assert!(
        said.contains("PgBouncer") && said.contains("DATABASE_URL"),
        "{said}"
    );
    said
}

#[tokio::test]
async fn a_pooler_that_refuses_our_settings_is_named() {
    let said = refusal(&database().await, "", "").await;
    assert!(said.contains("unsupported startup parameter"), "{said}");
}

#[tokio::test]
async fn a_pooler_that_drops_our_settings_is_refused_at_start_and_by_the_pool() {
    let database = database().await;
    let drops = "ignore_startup_parameters = options,extra_float_digits";
    let said = refusal(&database, "", drops).await;
    assert!(said.contains("dropped"), "{said}");
    let pgbouncer = PgBouncer::start(database.url(), "", drops).await;
    let through = pool(pgbouncer.url(), 1).unwrap();
    assert!(
        ping(&through).await.is_err(),
        "a connection without timeouts is used"
    );
}

#[tokio::test]
async fn a_pooler_that_sets_what_we_set_is_recognised_by_the_age_of_its_connections() {
    let said = refusal(
        &database().await,
        "set lock_timeout = ''2s''",
        "ignore_startup_parameters = options,extra_float_digits",
    )
    .await;
    assert!(said.contains("older"), "{said}");
}

#[tokio::test]
async fn postgres_itself_is_accepted_and_one_that_is_away_is_not_waited_for() {
    refuse_pooler(database().await.url()).await.unwrap();
    refuse_pooler("postgres://pawl@127.0.0.1:1/pawl")
        .await
        .unwrap();
    refuse_pooler("redis://127.0.0.1").await.unwrap_err();
}
