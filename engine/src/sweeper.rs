//! The sweeper: pushes again what the carrier lost, takes over from workers that died, rings timers, and forgets what
//! has been kept long enough.

use std::time::Duration;

use contracts::id::{DeliveryId, PaymentId};
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::queue::Queue;
use crate::store::{delivery, idempotency, inbox, job, timer, webhook_endpoint};
use crate::worker::Worker;

/// How long a due job may go unclaimed before it is pushed again.
const GRACE: Duration = Duration::from_secs(2);

/// How often the sweeper looks.
const EVERY: Duration = Duration::from_secs(1);

/// The same while Redis is away and the sweeper hands out the jobs itself.
const EVERY_WITHOUT_REDIS: Duration = Duration::from_millis(50);

/// Jobs in one portion. While as many wait in Redis, nothing is pushed: it would only add duplicates.
const PORTION: u16 = 1000;

/// Jobs performed at once while Redis is away.
const PORTION_WITHOUT_REDIS: i64 = 128;

/// Timers in one portion.
const TIMERS: i64 = 500;

/// How often old rows are forgotten, and how many at once.
const FORGET_EVERY: Duration = Duration::from_mins(1);
const FORGET: i64 = 5000;

/// How long finished deliveries can be looked at and sent again.
const KEEP_DELIVERIES: Duration = Duration::from_hours(30 * 24);

pub(crate) struct Sweeper {
    pub(crate) worker: Worker,
    pub(crate) pool: PgPool,
    pub(crate) queue: Queue,
}

impl Sweeper {
    pub(crate) async fn run(&self, shutdown: &CancellationToken) {
        let mut forgotten = Instant::now();
        let mut redis_is_away = false;
        while !shutdown.is_cancelled() {
            let swept = self.sweep(redis_is_away).await;
            match swept {
                Ok(away) if away != redis_is_away => {
                    if away {
                        tracing::warn!("Redis is away; jobs are taken from Postgres");
                    } else {
                        tracing::info!("Redis is back");
                    }
                    redis_is_away = away;
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "the sweeper waits for Postgres"),
            }
            if forgotten.elapsed() > FORGET_EVERY {
                forgotten = Instant::now();
                if let Err(error) = self.forget().await {
                    tracing::warn!(%error, "old rows were not forgotten");
                }
            }
            let pause = if redis_is_away {
                EVERY_WITHOUT_REDIS
            } else {
                EVERY
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// One round; says whether Redis is away.
    pub(crate) async fn sweep(&self, redis_was_away: bool) -> sqlx::Result<bool> {
        let set_aside = job::quarantine(&self.pool).await?;
        if set_aside > 0 {
            tracing::error!(
                jobs = set_aside,
                "jobs were taken again and again without an end; a person must look"
            );
        }
        let deliveries = delivery::set_aside(&self.pool).await?;
        for id in deliveries {
            tracing::error!(
                delivery = %DeliveryId::from_uuid(id),
                "a webhook delivery failed: it was claimed again and again without the end of a try and may kill its \
                 process; it needs an operator"
            );
        }
        self.ring().await?;
        let Ok(backlog) = self.queue.backlog().await else {
            self.perform_without_redis().await?;
            return Ok(true);
        };
        if backlog >= u64::from(PORTION) {
            return Ok(false);
        }
        let grace = if redis_was_away {
            Duration::ZERO
        } else {
            GRACE
        };
        let lost = job::overdue(&self.pool, grace, i64::from(PORTION)).await?;
        if lost.is_empty() {
            return Ok(false);
        }
        if self.queue.push(&lost).await.is_err() {
            // It answers but takes nothing: out of memory, perhaps.
            self.perform_without_redis().await?;
            return Ok(true);
        }
        tracing::debug!(jobs = lost.len(), "pushed again");
        Ok(false)
    }

    async fn perform_without_redis(&self) -> sqlx::Result<()> {
        let due = job::overdue(&self.pool, Duration::ZERO, PORTION_WITHOUT_REDIS).await?;
        futures::future::join_all(due.into_iter().map(|id| {
            let worker = self.worker.clone();
            tokio::spawn(async move { worker.perform(id).await })
        }))
        .await;
        Ok(())
    }

    /// Timers never move a payment by themselves: a check asks Stripe, an expiry asks for a cancel.
    async fn ring(&self) -> sqlx::Result<()> {
        let mut transaction = self.pool.begin().await?;
        let rung = timer::ring(&mut transaction, TIMERS).await?;
        let checks: Vec<_> = rung
            .iter()
            .filter(|timer| !timer.expires)
            .map(|timer| timer.payment)
            .collect();
        if !checks.is_empty() {
            job::add_resyncs(&mut transaction, &checks, OffsetDateTime::now_utc()).await?;
        }
        transaction.commit().await?;
        for timer in rung.iter().filter(|timer| timer.expires) {
            if let Err(error) = self.worker.expire(timer.payment).await {
                tracing::warn!(payment = %PaymentId::from(timer.payment), %error, "an expiry will ring again");
            }
        }
        Ok(())
    }

    pub(crate) async fn forget(&self) -> sqlx::Result<()> {
        let mut connection = self.pool.acquire().await?;
        idempotency::forget_old(&mut connection, FORGET).await?;
        job::forget_old(&mut connection, FORGET).await?;
        inbox::forget_old(&mut connection, FORGET).await?;
        timer::forget_old(&mut connection, FORGET).await?;
        delivery::delete_expired(&mut connection, oldest_delivery(), FORGET).await?;
        delivery::delete_sequences(&mut connection, FORGET).await?;
        webhook_endpoint::delete_removed(&mut connection, FORGET).await?;
        Ok(())
    }
}

/// An id below those of all deliveries that are still kept.
fn oldest_delivery() -> Uuid {
    let kept_since = OffsetDateTime::now_utc() - KEEP_DELIVERIES;
    let millis = u64::try_from(kept_since.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}
