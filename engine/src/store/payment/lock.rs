//! Whether the table can be used.

use sqlx::PgPool;
use sqlx::error::DatabaseError;

/// `lock_not_available`: the time-out for locks has passed.
const LOCKED: &str = "55P03";

/// Checks that no session keeps the whole table locked, as `LOCK TABLE` and changes of the schema do. It waits for the time
/// that every statement waits for a lock. Another error is no reason here: readiness asks for Postgres itself.
///
/// # Errors
/// A sentence that says what to do.
pub(crate) async fn check_unlocked(pool: &PgPool) -> Result<(), String> {
    let read = sqlx::query("select from payment limit 1").execute(pool);
    let Err(error) = infra::postgres::within(read).await else {
        return Ok(());
    };
    let code = error.as_database_error().and_then(DatabaseError::code);
    if code.as_deref() != Some(LOCKED) {
        return Ok(());
    }
    Err(
        "the table payment is locked by another session: wait for the migration that runs, or find the session in \
         pg_locks and end it"
            .to_owned(),
    )
}
