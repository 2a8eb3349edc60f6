//! Table `queue_pause`: the kinds of jobs that an operator has paused for all of Pawl.

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

/// A pause.
#[derive(Debug, Clone)]
pub(crate) struct Pause {
    pub(crate) kind: String,
    pub(crate) reason: Option<String>,
    pub(crate) paused_by: String,
    pub(crate) paused_at: OffsetDateTime,
}

/// All pauses.
pub(crate) async fn all(pool: &PgPool) -> sqlx::Result<Vec<Pause>> {
    sqlx::query_as!(
        Pause,
        "select kind, reason, paused_by, paused_at from queue_pause order by kind",
    )
    .fetch_all(pool)
    .await
}

/// Pauses a kind; false if it is paused already, and then nothing changes.
pub(crate) async fn add(
    connection: &mut PgConnection,
    kind: &str,
    reason: Option<&str>,
    paused_by: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into queue_pause (kind, reason, paused_by) values ($1, $2, $3) on conflict (kind) do nothing",
        kind,
        reason,
        paused_by,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Resumes a kind; false if it was not paused.
pub(crate) async fn remove(connection: &mut PgConnection, kind: &str) -> sqlx::Result<bool> {
    let done = sqlx::query!("delete from queue_pause where kind = $1", kind)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}
