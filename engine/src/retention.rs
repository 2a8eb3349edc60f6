//! Retention: deletes rows that were kept long enough, in portions, until none is left.
//!
//! It runs beside the sweeper, so that a long deletion delays no job and no timer.

use std::time::Duration;

use infra::health::Loop;
use infra::postgres;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::store;
use crate::store::{delivery, idempotency, inbox, job, timer, webhook_endpoint};

/// The pause between two rounds.
const EVERY: Duration = Duration::from_mins(1);

/// The most rows that one statement deletes: each is a transaction of its own, which holds its locks for some milliseconds.
const PORTION: i64 = 5000;

/// How long finished jobs are kept.
const KEEP_JOBS: Duration = Duration::from_hours(7 * 24);

/// How long finished deliveries are kept, during which they can be listed and sent again.
const KEEP_DELIVERIES: Duration = Duration::from_hours(30 * 24);

pub(crate) struct Retention {
    pub(crate) pool: PgPool,
    /// Each portion is a round.
    pub(crate) rounds: Loop,
}

impl Retention {
    /// Deletes expired rows every minute until `shutdown`.
    pub(crate) async fn run(&self, shutdown: &CancellationToken) {
        while shutdown.run_until_cancelled(sleep(EVERY)).await.is_some() {
            let round = shutdown.run_until_cancelled(self.delete_expired());
            if let Some(Err(error)) = round.await {
                tracing::warn!(%error, "failed to delete expired rows; retrying in 1 min");
            }
        }
    }

    /// Deletes all rows that are expired now, however many there are.
    pub(crate) async fn delete_expired(&self) -> sqlx::Result<()> {
        let mut connection = self.pool.acquire().await?;
        loop {
            let _round = self.rounds.round();
            if !postgres::within(delete_portion(&mut connection)).await? {
                return Ok(());
            }
        }
    }
}

/// Deletes a portion of the expired rows of each table; returns whether there may be more.
async fn delete_portion(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let now = OffsetDateTime::now_utc();
    let jobs = store::earliest_id(now - KEEP_JOBS);
    let deliveries = store::earliest_id(now - KEEP_DELIVERIES);
    let deleted = [
        idempotency::delete_expired(connection, PORTION).await?,
        job::delete_expired(connection, jobs, PORTION).await?,
        inbox::delete_expired(connection, PORTION).await?,
        timer::delete_expired(connection, PORTION).await?,
        delivery::delete_expired(connection, deliveries, PORTION).await?,
        delivery::delete_sequences(connection, PORTION).await?,
        webhook_endpoint::delete_removed(connection, PORTION).await?,
    ];
    Ok(deleted.iter().any(|rows| *rows >= PORTION.unsigned_abs()))
}
