//! The engine's tables, one file each: all SQL on a table stands in its file. `stream` joins the tables that hold the
//! subjects of a payment's stream.
//!
//! A function here is one statement. Its caller decides which statements form a transaction, and in which order.

pub(crate) mod attempt;
pub(crate) mod audit_report;
mod capture;
mod decode;
pub(crate) mod delivery;
pub(crate) mod dispute;
pub(crate) mod event_cursor;
pub(crate) mod idempotency;
pub(crate) mod inbox;
pub(crate) mod job;
pub(crate) mod outbox;
pub(crate) mod payment;
pub(crate) mod queue_pause;
pub(crate) mod refund;
pub(crate) mod stream;
pub(crate) mod switch;
pub(crate) mod timer;
pub(crate) mod transition;
pub(crate) mod webhook_endpoint;

use sqlx::PgExecutor;
use time::OffsetDateTime;
use uuid::Uuid;

/// The smallest id (`UUIDv7`) of a row that is made at that moment.
pub(crate) fn earliest_id(moment: OffsetDateTime) -> Uuid {
    let millis = moment.unix_timestamp_nanos() / 1_000_000;
    let millis = u64::try_from(millis).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}

/// The time now as Postgres keeps it, in whole microseconds: an answer must show the time that a later read shows.
pub(crate) fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(now.microsecond() * 1000)
        .unwrap_or(now)
}

/// The position of Postgres' log, which grows with every write.
pub(crate) async fn log_position(executor: impl PgExecutor<'_>) -> sqlx::Result<String> {
    sqlx::query_scalar!(r#"select pg_current_wal_insert_lsn()::text as "position!""#)
        .fetch_one(executor)
        .await
}
