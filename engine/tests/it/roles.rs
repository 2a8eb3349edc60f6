//! What each service may not do in the database, whatever it is told.

use infra::testing::TestDatabase;
use sqlx::{AssertSqlSafe, PgPool};

const SERVICES: [&str; 4] = ["pawl_gateway", "pawl_core", "pawl_worker", "pawl_auth"];

/// Why the statement is refused in this role; nothing if it is not.
async fn refusal(pool: &PgPool, role: &str, statement: &str) -> Option<String> {
    let mut transaction = pool.begin().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("set local role {role}")))
        .execute(&mut *transaction)
        .await
        .unwrap();
    let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(&mut *transaction)
        .await;
    transaction.rollback().await.unwrap();
    done.err().map(|error| error.to_string())
}

/// Every way to change what was written.
const REWRITINGS: [&str; 9] = [
    "update attempt set status = 'captured'",
    "delete from attempt",
    "truncate attempt",
    "update history set cause = 'another'",
    "delete from history",
    "truncate history",
    "update audit set reason = 'another'",
    "delete from audit",
    "truncate audit",
];

#[tokio::test]
async fn no_service_changes_history() {
    let database = TestDatabase::create(&engine::MIGRATIONS).await;
    for role in SERVICES {
        for statement in REWRITINGS {
            let refusal = refusal(database.pool(), role, statement).await;
            let refusal = refusal.unwrap_or_else(|| panic!("{role} may: {statement}"));
            assert!(
                refusal.contains("permission denied"),
                "{statement}: {refusal}"
            );
        }
    }
}

#[tokio::test]
async fn not_even_the_owner_changes_history() {
    let database = TestDatabase::create(&engine::MIGRATIONS).await;
    for statement in REWRITINGS {
        let refused = sqlx::raw_sql(statement).execute(database.pool()).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("only grows"), "{statement}: {error}");
    }
}

#[tokio::test]
async fn a_service_reaches_nothing_that_its_work_does_not_need() {
    let database = TestDatabase::create(&engine::MIGRATIONS).await;
    for (role, forbidden) in [
        (
            "pawl_gateway",
            &[
                "select password_hash from app_user",
                "select * from refresh_token",
                "select * from signing_key",
                "select * from session",
                "update api_key set revoked_at = null",
                "update membership set role = 'admin'",
                "insert into audit (id, action, outcome) values (gen_random_uuid(), 'x', 'done')",
                "update switch set paused = true",
                "insert into edge select * from edge",
                "delete from payment",
            ][..],
        ),
        (
            "pawl_core",
            &[
                "select password_hash from app_user",
                "select * from signing_key",
                "select * from webhook_secret",
                "update membership set role = 'admin'",
                "delete from payment",
            ],
        ),
        (
            "pawl_worker",
            &[
                "select * from app_user",
                "select * from api_key",
                "select * from signing_key",
                "update switch set paused = true",
                "insert into audit (id, action, outcome) values (gen_random_uuid(), 'x', 'done')",
                "delete from payment",
            ],
        ),
        (
            "pawl_auth",
            &[
                "select * from payment",
                "select * from history",
                "select * from transition",
                "select * from job",
                "select * from inbox",
                "select * from inbox_open",
                "select * from inbox_result",
                "select * from webhook_secret",
                "delete from account",
                "delete from app_user",
                "delete from api_key",
            ],
        ),
    ] {
        for statement in forbidden {
            let refusal = refusal(database.pool(), role, statement).await;
            let refusal = refusal.unwrap_or_else(|| panic!("{role} may: {statement}"));
            assert!(
                refusal.contains("permission denied"),
                "{statement}: {refusal}"
            );
        }
    }
}
