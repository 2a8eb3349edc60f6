//! Table `audit_report`: the comparisons of Stripe's objects with the database.

use std::time::Duration;

use infra::postgres::interval;
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

/// A report with its signature.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// The JSON that was signed.
    pub(crate) report: String,
    pub(crate) signature: String,
    pub(crate) key_id: String,
}

/// Keeps a report.
pub(crate) async fn add(
    pool: &PgPool,
    report: &Stored,
    drifts: i32,
    checked_at: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into audit_report (id, checked_at, drifts, report, signature, key_id) values ($1, $2, $3, $4, $5, $6)",
        Uuid::now_v7(),
        checked_at,
        drifts,
        report.report,
        report.signature,
        report.key_id,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The newest report.
pub(crate) async fn newest(pool: &PgPool) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as!(
        Stored,
        "select report, signature, key_id from audit_report order by id desc limit 1"
    )
    .fetch_optional(pool)
    .await
}

/// Takes the turn to make the next report, if it is due: the one after it is due a day later.
pub(crate) async fn take_turn(pool: &PgPool) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update audit_turn set due_at = now() + interval '1 day' where name = 'audit' and due_at <= now()"
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives the turn back after a failure: another try is due after `pause`.
pub(crate) async fn give_back_turn(pool: &PgPool, pause: Duration) -> sqlx::Result<()> {
    sqlx::query!(
        "update audit_turn set due_at = now() + $1::interval where name = 'audit'",
        interval(pause),
    )
    .execute(pool)
    .await?;
    Ok(())
}
