//! Table `event_cursor`: how far Stripe's events have been listed.

use std::time::Duration;

use infra::postgres::interval;
use sqlx::PgPool;

/// Leases the cursor, if it is due and no other worker has it. Returns until when events have been read, and the time now,
/// both in Unix seconds.
pub(crate) async fn claim(pool: &PgPool, lease: Duration) -> sqlx::Result<Option<Claimed>> {
    sqlx::query_as!(
        Claimed,
        r#"update event_cursor set leased_until = now() + $1::interval
         where name = 'events' and due_at <= now() and leased_until <= now()
         returning read_until, extract(epoch from now())::bigint as "now!""#,
        interval(lease),
    )
    .fetch_optional(pool)
    .await
}

/// The cursor under this worker's lease.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claimed {
    pub(crate) read_until: i64,
    pub(crate) now: i64,
}

/// Notes that all events until then were read. The cursor never goes back.
pub(crate) async fn advance(pool: &PgPool, read_until: i64) -> sqlx::Result<()> {
    sqlx::query!(
        "update event_cursor set read_until = greatest(read_until, $1) where name = 'events'",
        read_until,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Ends the lease; the next round is due after `pause`.
pub(crate) async fn release(pool: &PgPool, pause: Duration) -> sqlx::Result<()> {
    sqlx::query!(
        "update event_cursor set due_at = now() + $1::interval, leased_until = now() where name = 'events'",
        interval(pause),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Makes the next round due now.
pub(crate) async fn bring_forward(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query!("update event_cursor set due_at = now() where name = 'events'")
        .execute(pool)
        .await?;
    Ok(())
}
