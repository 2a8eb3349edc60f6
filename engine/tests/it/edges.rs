//! The edges of the code and of the database are the same table.

use std::collections::BTreeSet;

use engine::MIGRATIONS;
use infra::testing::TestDatabase;
use workflows::{attempt, edges};

#[tokio::test]
async fn the_database_allows_exactly_the_edges_of_the_machines() {
    let database = TestDatabase::create(&MIGRATIONS).await;
    let rows: Vec<(String, String, String, String, String)> = sqlx::query_as(
        "select id, machine, from_status, kind, to_status from edge where not retired",
    )
    .fetch_all(database.pool())
    .await
    .unwrap();
    let stored: BTreeSet<_> = rows.into_iter().collect();
    let coded: BTreeSet<_> = edges::all()
        .into_iter()
        .map(|edge| {
            let own = |text: &str| text.to_owned();
            (
                own(edge.id),
                own(edge.machine.as_str()),
                own(edge.from),
                own(edge.kind),
                own(edge.to),
            )
        })
        .collect();
    let missing: Vec<_> = coded.difference(&stored).collect();
    let unknown: Vec<_> = stored.difference(&coded).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "not in the database: {missing:#?}\nnot in the code: {unknown:#?}"
    );
}

#[tokio::test]
async fn a_move_that_is_no_edge_cannot_be_written() {
    let database = TestDatabase::create(&MIGRATIONS).await;
    sqlx::query(
        "insert into payment (id, account_id, status, version, amount, currency, capture_method, confirm, created_at, updated_at)
         values ('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002', 'succeeded', 1, 100, 'eur', 'automatic', true, now(), now())",
    )
    .execute(database.pool())
    .await
    .unwrap();
    let refused = sqlx::query(
        "insert into transition (stream, version, machine, subject, from_status, kind, to_status, cause, data, created_at)
         values ('00000000-0000-7000-8000-000000000001', 1, 'payment', '00000000-0000-7000-8000-000000000001',
                 'succeeded', 'payment_failed', 'requires_payment_method', 'test', '{}', now())",
    )
    .execute(database.pool())
    .await
    .unwrap_err();
    let constraint = refused
        .as_database_error()
        .and_then(|it| it.constraint().map(str::to_owned));
    assert_eq!(constraint.as_deref(), Some("transition_is_an_edge"));
}

#[tokio::test]
async fn an_edge_is_never_deleted_or_renamed() {
    let database = TestDatabase::create(&MIGRATIONS).await;
    for statement in [
        "delete from edge where kind = 'accepted'",
        "update edge set kind = 'taken' where kind = 'accepted'",
        "truncate edge",
    ] {
        let refused = sqlx::query(statement)
            .execute(database.pool())
            .await
            .unwrap_err();
        let constraint = refused
            .as_database_error()
            .and_then(|it| it.constraint().map(str::to_owned));
        assert_eq!(constraint.as_deref(), Some("edge_stays"), "{statement}");
    }
    sqlx::query("update edge set retired = true where kind = 'accepted'")
        .execute(database.pool())
        .await
        .unwrap();
}

#[tokio::test]
async fn the_database_refuses_to_store_broken_money() {
    let database = TestDatabase::create(&MIGRATIONS).await;
    let cases = [
        (
            "amount_captured = 101, amount_authorized = 100",
            "payment_captured_within_authorized",
        ),
        (
            "amount_authorized = 100, amount_captured = 100, amount_refunded = 101",
            "payment_refunded_within_captured",
        ),
        ("attempts = 1", "payment_has_its_attempt"),
    ];
    sqlx::query(
        "insert into payment (id, account_id, status, version, amount, currency, capture_method, confirm, created_at, updated_at)
         values (gen_random_uuid(), gen_random_uuid(), 'succeeded', 1, 100, 'eur', 'automatic', true, now(), now())",
    )
    .execute(database.pool())
    .await
    .unwrap();
    for (change, rule) in cases {
        let refused = sqlx::query(sqlx::AssertSqlSafe(format!("update payment set {change}")))
            .execute(database.pool())
            .await
            .unwrap_err();
        let constraint = refused
            .as_database_error()
            .and_then(|it| it.constraint().map(str::to_owned));
        assert_eq!(constraint.as_deref(), Some(rule));
    }
}

#[tokio::test]
async fn the_database_refuses_to_store_a_second_open_attempt() {
    let database = TestDatabase::create(&MIGRATIONS).await;
    let payment: uuid::Uuid = sqlx::query_scalar(
        "insert into payment (id, account_id, status, version, amount, currency, capture_method, confirm, attempts, attempt_id,
                              attempt_status, created_at, updated_at)
         values (gen_random_uuid(), gen_random_uuid(), 'requires_confirmation', 1, 100, 'eur', 'automatic', true, 2,
                 gen_random_uuid(), 'started', now(), now())
         returning id",
    )
    .fetch_one(database.pool())
    .await
    .unwrap();
    let add = async |status: &str| {
        sqlx::query("insert into attempt (payment_id, number, id, status) values ($1, 1, gen_random_uuid(), $2)")
            .bind(payment)
            .bind(status)
            .execute(database.pool())
            .await
    };
    for status in attempt::Status::ALL {
        let added = add(status.as_str()).await;
        let constraint = added
            .err()
            .and_then(|error| Some(error.as_database_error()?.constraint()?.to_owned()));
        if status.is_open() {
            assert_eq!(constraint.as_deref(), Some("attempt_closed"), "{status}");
        } else {
            assert_ne!(constraint.as_deref(), Some("attempt_closed"), "{status}");
        }
    }
    let again = add("failed").await.unwrap_err();
    let again = again.as_database_error().and_then(|it| it.constraint());
    assert_eq!(again, Some("attempt_pkey"));
}
