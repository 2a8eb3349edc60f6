//! Table `switch`: what an operator has paused for all of Pawl.

use sqlx::PgPool;
use time::OffsetDateTime;

/// The state of a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// Whether it is paused.
    pub paused: bool,
    /// The reason given for the last change.
    pub reason: Option<String>,
    /// The operator who made the last change.
    pub changed_by: Option<String>,
    /// The time of the last change.
    pub changed_at: OffsetDateTime,
}

/// Reads the switch for new payments.
pub(crate) async fn intake(pool: &PgPool) -> sqlx::Result<Switch> {
    sqlx::query_as!(
        Switch,
        "select paused, reason, changed_by, changed_at from switch where name = 'intake'",
    )
    .fetch_one(pool)
    .await
}

/// Pauses or resumes new payments; false if the switch was in that state already, and then nothing changes.
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
