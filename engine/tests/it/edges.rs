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
        "insert into history (stream, first_version, transitions, cause, data, created_at)
         values ('00000000-0000-7000-8000-000000000001', 1,
                 array[('payment', '00000000-0000-7000-8000-000000000001', 'none', 'accepted', 'local_created', null),
                       ('payment', '00000000-0000-7000-8000-000000000001', 'succeeded', 'payment_failed',
                        'requires_payment_method', null)]::status_change[],
                 'test', '{}', now())",
    )
    .execute(database.pool())
    .await
    .unwrap_err();
    assert_eq!(constraint(&refused), Some("transition_is_an_edge"));
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
        assert_eq!(constraint(&refused), Some("edge_stays"), "{statement}");
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
        assert_eq!(constraint(&refused), Some(rule));
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
        let refused_by = added.as_ref().err().and_then(constraint);
        if status.is_open() {
            assert_eq!(refused_by, Some("attempt_closed"), "{status}");
        } else {
            assert_ne!(refused_by, Some("attempt_closed"), "{status}");
        }
    }
    let again = add("failed").await.unwrap_err();
    let again = constraint(&again);
    assert_eq!(again, Some("attempt_pkey"));
}

/// Adds a step of this many transitions by this cause; returns the rule that refuses it.
async fn add_step(
    database: &TestDatabase,
    stream: uuid::Uuid,
    first_version: i64,
    transitions: i64,
    cause: &str,
) -> Option<String> {
    let added = sqlx::query(
        "insert into history (stream, first_version, transitions, cause, data, created_at)
         select $1, $2, array_agg(('payment', $1, 'local_created', 'cancel_requested', 'local_created', null)::status_change),
                $4, '{}', now()
         from generate_series(1, $3)",
    )
    .bind(stream)
    .bind(first_version)
    .bind(transitions)
    .bind(cause)
    .execute(database.pool())
    .await;
    let error = added.err()?;
    Some(error.as_database_error()?.constraint()?.to_owned())
}

#[tokio::test]
async fn the_database_refuses_versions_with_a_gap_or_twice_and_a_cause_twice() {
    let database = TestDatabase::create(&MIGRATIONS).await;
    let stream = uuid::Uuid::now_v7();
    let add = async |first_version, transitions, cause: &'static str| {
        add_step(&database, stream, first_version, transitions, cause).await
    };
    let gap = Some("history_has_no_gap".to_owned());
    assert_eq!(add(2, 1, "a").await, gap, "the first step begins with 1");
    assert_eq!(add(1, 2, "a").await, None);
    assert_eq!(add(4, 1, "b").await, gap, "3 is missing");
    assert_eq!(add(2, 1, "b").await, gap, "2 is there");
    assert_eq!(add(3, 3, "b").await, None);
    assert_eq!(add(4, 1, "c").await, gap, "4 is inside a step");
    let again = Some("history_pkey".to_owned());
    assert_eq!(add(1, 1, "c").await, again);
    assert_eq!(add(3, 4, "c").await, again);
    let once = Some("history_once".to_owned());
    assert_eq!(add(6, 1, "a").await, once, "the cause has moved the stream");
    assert_eq!(add(6, 1, "c").await, None);
    let versions: Vec<i64> =
        sqlx::query_scalar("select version from transition where stream = $1 order by version")
            .bind(stream)
            .fetch_all(database.pool())
            .await
            .unwrap();
    assert_eq!(versions, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn two_transactions_cannot_both_add_the_next_step() {
    let database = TestDatabase::create(&MIGRATIONS).await;
    let stream = uuid::Uuid::now_v7();
    assert_eq!(add_step(&database, stream, 1, 1, "a").await, None);
    let (first, second) = tokio::join!(
        add_step(&database, stream, 2, 1, "b"),
        add_step(&database, stream, 2, 3, "c"),
    );
    let refusals: Vec<String> = [first, second].into_iter().flatten().collect();
    assert_eq!(refusals, ["history_pkey"]);
}

/// The constraint that refused a statement.
fn constraint(refused: &sqlx::Error) -> Option<&str> {
    refused.as_database_error()?.constraint()
}
