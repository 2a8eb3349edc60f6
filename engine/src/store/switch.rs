//! Table `switch`: what a person has stopped for all of Pawl.

use sqlx::PgPool;
use time::OffsetDateTime;

/// How a switch stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// Whether it is stopped.
    pub paused: bool,
    /// Why it was changed last.
    pub reason: Option<String>,
    /// Who changed it last.
    pub changed_by: Option<String>,
    /// When it was changed last.
    pub changed_at: OffsetDateTime,
}

/// Whether new payments are taken.
pub(crate) async fn intake(pool: &PgPool) -> sqlx::Result<Switch> {
    sqlx::query_as!(
        Switch,
        "select paused, reason, changed_by, changed_at from switch where name = 'intake'",
    )
    .fetch_one(pool)
    .await
}

/// Stops the taking of new payments, or lets it go on; false if it stood so already, and then nothing changes.
pub(crate) async fn set_intake(
    pool: &PgPool,
    paused: bool,
    reason: Option<&str>,
    changed_by: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update switch set paused = $1, reason = $2, changed_by = $3, changed_at = now()
         where name = 'intake' and paused <> $1",
        paused,
        reason,
        changed_by,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}
