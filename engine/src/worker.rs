//! The worker: runs jobs against Stripe, applies webhooks, delivers events to merchants, and runs the sweeper.

use std::sync::Arc;
use std::time::Duration;

use infra::health::{Loop, Loops, Readiness};
use infra::postgres;
use sqlx::PgPool;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::audit::{AuditKey, Auditor};
use crate::cache::Cache;
use crate::commit::After;
use crate::commit::batch::BatchQueue;
use crate::commit::batch::advance::Advances;
use crate::commit::batch::claim::Claims;
use crate::delivery::{CallerError, DeliveryWorker};
use crate::event_reader::{EventReader, RoundError};
use crate::inbox::Applier;
use crate::job_runner::JobRunner;
use crate::paused_kinds::PausedKinds;
use crate::queue::Queue;
use crate::retention::Retention;
use crate::store::{event_cursor, job};
use crate::stripe::Client;
use crate::sweeper::Sweeper;
use crate::{delivery, gauges, webhook};

/// The pause between two reads of an inbox that holds nothing to apply: at first, and after several of them.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(40);
/// The pause after webhooks could not be applied.
const RETRY: Duration = Duration::from_secs(1);

/// How many jobs one call of [`Worker::round`] runs.
const ROUND: i64 = 100;

/// The dependencies and settings of a worker.
pub struct WorkerParts {
    /// The database.
    pub pool: PgPool,
    /// The queue from which job ids come.
    pub queue: Queue,
    /// The cached views of payments.
    pub cache: Cache,
    /// Stripe's API.
    pub stripe: Client,
    /// What signs the daily comparison with Stripe.
    pub audit_key: AuditKey,
    /// The Stripe account and mode whose webhooks are applied.
    pub source: webhook::Source,
    /// How many jobs run at once.
    pub concurrency: usize,
    /// How long a claimed job stays leased to this worker. It must be longer than the timeout of a call to Stripe or to a
    /// merchant.
    pub lease: Duration,
    /// Settings of the deliveries to merchants.
    pub webhooks: delivery::Config,
}

/// A worker, cheap to clone.
#[derive(Clone)]
pub struct Worker {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    queue: Queue,
    stripe: Client,
    concurrency: usize,
    runner: JobRunner,
    sweeper: Sweeper,
    retention: Retention,
    events: EventReader,
    auditor: Auditor,
    applier: Applier,
    deliveries: DeliveryWorker,
    /// The rounds of the applier.
    inbox: Loop,
    loops: Loops,
}

impl Worker {
    /// Makes a worker; [`Worker::run`] starts it.
    ///
    /// # Errors
    /// [`CallerError`] when the HTTP client for deliveries cannot be made.
    pub fn new(parts: WorkerParts) -> Result<Self, CallerError> {
        let WorkerParts {
            pool,
            queue,
            cache,
            stripe,
            audit_key,
            source,
            concurrency,
            lease,
            webhooks,
        } = parts;
        let (loops, after) = (Loops::default(), After::start(queue.clone(), cache));
        let advances = Advances {
            pool: pool.clone(),
            after: after.clone(),
            lease: Some(lease),
        };
        let advances = Arc::new(BatchQueue::start(advances, &loops));
        let claims = Claims {
            pool: pool.clone(),
            lease,
        };
        let claims = BatchQueue::start(claims, &loops);
        let paused = PausedKinds::default();
        let runner = JobRunner::new(
            stripe.clone(),
            paused.clone(),
            claims,
            Arc::clone(&advances),
        );
        let inner = Inner {
            retention: Retention {
                pool: pool.clone(),
                rounds: loops.add("retention"),
            },
            events: EventReader {
                pool: pool.clone(),
                stripe: stripe.clone(),
            },
            auditor: Auditor {
                pool: pool.clone(),
                stripe: stripe.clone(),
                key: audit_key,
            },
            sweeper: Sweeper {
                pool: pool.clone(),
                queue: queue.clone(),
                runner: runner.clone(),
                advances,
                rounds: loops.add("sweeper"),
                paused,
            },
            applier: Applier {
                pool: pool.clone(),
                after,
                source,
            },
            deliveries: DeliveryWorker::new(pool.clone(), webhooks, lease, &loops)?,
            inbox: loops.add("inbox.applied"),
            loops,
            runner,
            pool,
            queue,
            stripe,
            concurrency,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Works until `shutdown`, then waits for running jobs to end.
    pub async fn run(&self, shutdown: CancellationToken) {
        let runner = self.inner.runner.clone();
        let handler = move |id| {
            let runner = runner.clone();
            async move { runner.run(id).await }
        };
        tokio::join!(
            self.inner
                .queue
                .run(self.inner.concurrency, handler, shutdown.clone()),
            Box::pin(self.apply_webhooks(&shutdown)),
            Box::pin(self.inner.deliveries.run(&shutdown)),
            Box::pin(self.inner.sweeper.run(&shutdown)),
            Box::pin(self.inner.retention.run(&shutdown)),
            Box::pin(self.inner.events.run(&shutdown)),
            Box::pin(self.inner.auditor.run(&shutdown)),
            gauges::sample(&self.inner.pool, &self.inner.stripe, &shutdown),
        );
    }

    /// Adds what the work needs: Postgres with this schema and its tables unlocked, and that each loop of this worker has finished a round in the
    /// last 10 s, and that Stripe takes the API key.
    pub async fn check(&self, readiness: Readiness) -> Readiness {
        readiness
            .database(&self.inner.pool, crate::schema_version())
            .await
            .needs(
                "tables",
                crate::store::payment::check_unlocked(&self.inner.pool).await,
            )
            .needs("loops", self.inner.loops.stalled())
            .needs("stripe_key", self.check_key())
    }

    fn check_key(&self) -> Result<(), String> {
        if self.inner.stripe.key_refused() {
            return Err(
                "Stripe refuses the key in STRIPE_API_KEY (401); all calls wait: correct it, and `pawl config check` tries it"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// The loops of this worker, which [`Worker::check`] reports, for a loop that runs beside it.
    #[must_use]
    pub fn loops(&self) -> &Loops {
        &self.inner.loops
    }

    /// One round of the sweeper, as it otherwise runs every second: fires timers, and pushes overdue jobs again.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn sweep(&self) -> Result<(), crate::Error> {
        self.inner.sweeper.sweep(false).await?;
        Ok(())
    }

    /// Reads Stripe's list of events now, as some worker otherwise does every 30 s, and stores those whose webhooks have not
    /// come. Webhooks of events older than `webhook_takes` should have arrived. Returns how many were missing.
    ///
    /// # Errors
    /// When Postgres or Stripe fails; what was stored stays stored.
    pub async fn read_events(&self, webhook_takes: Duration) -> Result<u64, crate::Error> {
        postgres::within(event_cursor::bring_forward(&self.inner.pool)).await?;
        let round = self.inner.events.round(webhook_takes).await;
        round.map_err(|error| match error {
            RoundError::Postgres(error) => error.into(),
            RoundError::Stripe(failure) => crate::Error::Unavailable {
                retry_after: Duration::from_secs(1),
                cause: failure.to_string(),
            },
        })
    }

    /// Deletes all expired rows, as the worker otherwise does every minute.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn delete_expired(&self) -> Result<(), crate::Error> {
        self.inner.retention.delete_expired().await?;
        Ok(())
    }

    /// Does all work that is due (jobs, Stripe's webhooks and deliveries) until none is left: for tests, without Redis
    /// and without waiting.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn drain(&self) -> Result<(), crate::Error> {
        while self.round().await? > 0 {}
        Ok(())
    }

    /// Does the work that is due now, without the work that follows from it. Returns how many webhooks, jobs and
    /// deliveries it found.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn round(&self) -> Result<usize, crate::Error> {
        let applied = Box::pin(self.inner.applier.apply_due()).await?;
        let due = job::overdue(&self.inner.pool, Duration::ZERO, ROUND);
        let due = postgres::within(due).await?;
        let done = applied + due.len();
        futures::future::join_all(due.into_iter().map(|id| self.inner.runner.run(id))).await;
        Ok(done + Box::pin(self.inner.deliveries.round()).await?)
    }

    async fn apply_webhooks(&self, shutdown: &CancellationToken) {
        let mut pause = SHORTEST_PAUSE;
        while !shutdown.is_cancelled() {
            let round = self.inner.inbox.round();
            let applied = self.inner.applier.apply_due().await;
            drop(round);
            match applied {
                Ok(0) => pause = (pause * 2).min(LONGEST_PAUSE),
                Ok(_) => pause = SHORTEST_PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "failed to apply webhooks; retrying in 1 s");
                    pause = RETRY;
                }
            }
            shutdown.run_until_cancelled(sleep(pause)).await;
        }
    }
}
