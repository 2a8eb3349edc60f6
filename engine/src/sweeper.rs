//! The sweeper, once a second: pushes overdue jobs to Redis again (their ids were lost, or their worker died) and fires
//! timers.

use std::sync::Arc;
use std::time::Duration;

use contracts::id::{DeliveryId, PaymentId};
use futures::future::join_all;
use infra::health::Loop;
use infra::outage::{News, Outage, Past};
use infra::postgres;
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use workflows::stream::Event;

use crate::commit::Cause;
use crate::commit::advance::{Advance, Origin};
use crate::commit::batch::BatchQueue;
use crate::commit::batch::advance::Advances;
use crate::job_runner::JobRunner;
use crate::paused_kinds::PausedKinds;
use crate::queue::Queue;
use crate::store::{delivery, job, timer};

/// How long a due job may go unclaimed before it is pushed again.
const GRACE: Duration = Duration::from_secs(2);

/// The pause between two rounds.
const EVERY: Duration = Duration::from_secs(1);

/// The pause while Redis is unavailable and the sweeper runs the jobs itself.
const EVERY_WITHOUT_REDIS: Duration = Duration::from_millis(50);

/// The most jobs pushed in one round. While as many wait in Redis, none is pushed: it would only be a duplicate.
const PORTION: u16 = 1000;

/// The most jobs run at once while Redis is unavailable.
const PORTION_WITHOUT_REDIS: i64 = 128;

/// The most checks that are brought forward when Postgres returns: those that are due first.
const CHECKS: i64 = 1000;

/// The most timers fired in one round.
const TIMERS: i64 = 500;

pub(crate) struct Sweeper {
    pub(crate) pool: PgPool,
    pub(crate) queue: Queue,
    /// Runs jobs here while Redis is unavailable.
    pub(crate) runner: JobRunner,
    /// Takes the expiries of payments.
    pub(crate) advances: Arc<BatchQueue<Advances>>,
    pub(crate) rounds: Loop,
    /// The kinds of jobs that are paused, which it reads in each round.
    pub(crate) paused: PausedKinds,
}

impl Sweeper {
    /// Sweeps until `shutdown`.
    pub(crate) async fn run(&self, shutdown: &CancellationToken) {
        let mut redis_is_away = false;
        let postgres = Outage::default();
        while !shutdown.is_cancelled() {
            // Without Redis a round includes the calls of its jobs, which have bounds of their own.
            let round = (!redis_is_away).then(|| self.rounds.round());
            let swept = self.sweep(redis_is_away).await;
            drop(round);
            if swept.is_ok()
                && let Some(past) = postgres.answered(0)
            {
                self.check_after(past).await;
            }
            match swept {
                Ok(away) if away != redis_is_away => {
                    if away {
                        tracing::warn!(
                            "Redis is unavailable; the sweeper runs the jobs from Postgres until it is back"
                        );
                    } else {
                        tracing::info!("Redis is available again; jobs are pushed to it");
                    }
                    redis_is_away = away;
                }
                Ok(_) => {}
                Err(error) => log_failure(&error, postgres.failed(0)),
            }
            let pause = if redis_is_away {
                EVERY_WITHOUT_REDIS
            } else {
                EVERY
            };
            shutdown.run_until_cancelled(sleep(pause)).await;
        }
    }

    /// Postgres is available again. Gateways could not keep Stripe's webhooks meanwhile, and Stripe sends them again only
    /// after a while: the payments that began to wait lately are checked now.
    async fn check_after(&self, past: Past) {
        let checks = timer::bring_next_checks_forward(&self.pool, CHECKS);
        match postgres::within(checks).await {
            Ok(checks) => {
                let (seconds, failures) = (past.lasted.as_secs(), past.failures);
                tracing::info!(
                    seconds,
                    failures,
                    checks,
                    "Postgres is available again; payments that wait are compared with Stripe"
                );
            }
            Err(error) => {
                tracing::warn!(%error, "failed to bring the checks of waiting payments forward after Postgres was away; they are checked at their times");
            }
        }
    }

    /// One round; returns whether Redis is unavailable.
    pub(crate) async fn sweep(&self, redis_was_away: bool) -> sqlx::Result<bool> {
        self.paused.renew(&self.pool).await?;
        let quarantined = postgres::within(job::quarantine(&self.pool)).await?;
        if quarantined > 0 {
            tracing::error!(
                jobs = quarantined,
                "jobs were claimed many times and never finished; they are dead-lettered and need an operator"
            );
        }
        let deliveries = postgres::within(delivery::set_aside(&self.pool)).await?;
        for id in deliveries {
            tracing::error!(
                delivery = %DeliveryId::from_uuid(id),
                "a webhook delivery failed: it was claimed again and again without the end of a try and may kill its \
                 process; it needs an operator"
            );
        }
        self.fire_timers().await?;
        let Ok(backlog) = self.queue.backlog().await else {
            self.run_without_redis().await?;
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
        let overdue = job::overdue(&self.pool, grace, i64::from(PORTION));
        let overdue = postgres::within(overdue).await?;
        if overdue.is_empty() {
            return Ok(false);
        }
        if self.queue.push(&overdue).await.is_err() {
            // It answers reads but refuses writes: out of memory, perhaps.
            self.run_without_redis().await?;
            return Ok(true);
        }
        tracing::debug!(jobs = overdue.len(), "pushed overdue jobs to Redis again");
        Ok(false)
    }

    async fn run_without_redis(&self) -> sqlx::Result<()> {
        let due = job::overdue(&self.pool, Duration::ZERO, PORTION_WITHOUT_REDIS);
        let due = postgres::within(due).await?;
        join_all(due.into_iter().map(|id| {
            let runner = self.runner.clone();
            tokio::spawn(async move { runner.run(id).await })
        }))
        .await;
        Ok(())
    }

    /// A timer never moves a payment by itself: a check requests a resync, an expiry requests a cancellation, and a reminder
    /// is an event for the merchant.
    async fn fire_timers(&self) -> sqlx::Result<()> {
        let fired = postgres::within(async {
            let mut transaction = self.pool.begin().await?;
            let fired = timer::fire(&mut transaction, TIMERS).await?;
            let checks: Vec<_> = fired
                .iter()
                .filter(|timer| timer.kind == timer::Kind::Check)
                .map(|timer| timer.payment)
                .collect();
            if !checks.is_empty() {
                job::add_resyncs(&mut transaction, &checks, OffsetDateTime::now_utc()).await?;
            }
            transaction.commit().await?;
            Ok(fired)
        });
        let fired = fired.await?;
        let others = fired.iter().filter_map(|timer| match timer.kind {
            timer::Kind::Check => None,
            timer::Kind::Expire => Some((timer.payment, Cause::expiry(), Origin::Expiry)),
            timer::Kind::Evidence | timer::Kind::Authorization => Some(reminder(*timer)),
        });
        // At the same time: a payment that stays locked delays the others by no more than its own wait.
        join_all(others.map(|(payment, cause, origin)| self.fire(payment, cause, origin))).await;
        Ok(())
    }

    async fn fire(&self, payment: Uuid, cause: Cause, origin: Origin) {
        let advance = Advance {
            payment,
            cause,
            origin,
        };
        if let Err(error) = self.advances.submit(advance).await {
            let payment = PaymentId::from(payment);
            tracing::warn!(%payment, %error, "failed to apply a timer to its payment; the timer fires again later");
        }
    }
}

fn log_failure(error: &sqlx::Error, news: Option<News>) {
    match news {
        Some(News::Began) => {
            tracing::warn!(%error, "failed to sweep jobs and timers in Postgres; retrying every second");
        }
        Some(News::Lasts(past)) => {
            let (seconds, failures) = (past.lasted.as_secs(), past.failures);
            tracing::warn!(%error, seconds, failures, "jobs and timers in Postgres are still not swept; retrying every second");
        }
        None => tracing::debug!(%error, "failed to sweep jobs and timers in Postgres"),
    }
}

/// The request that a timer before a last moment makes.
fn reminder(fired: timer::Fired) -> (Uuid, Cause, Origin) {
    // The database's time, by which the timer was due: a worker's clock may differ.
    let now = fired.now;
    let event = match fired.kind {
        timer::Kind::Authorization => Event::AuthorizationExpiring {
            now,
            capture: Uuid::now_v7(),
        },
        timer::Kind::Evidence | timer::Kind::Check | timer::Kind::Expire => {
            Event::EvidenceDue { now }
        }
    };
    let timer = fired.kind;
    (
        fired.payment,
        Cause::reminder(timer, now),
        Origin::Reminder { event, timer },
    )
}
