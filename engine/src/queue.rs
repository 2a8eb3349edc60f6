//! The queue: apalis on Redis carries the ids of committed jobs to workers.
//!
//! Redis holds nothing that cannot be rebuilt. The sweeper pushes a lost id again, and the claim in Postgres lets only one
//! worker run an id that arrives twice. So every fault of Redis has the same answer: start again.
//!
//! Workarounds for faults of apalis-redis 1.0.0: ids never enter its `scheduled` set, where some thousand due ids block a
//! queue for ever; its workers, which end at any error of Redis and refuse a name that was used before, are restarted
//! under new names; its retries, locks and events are not used; the data that it keeps of finished jobs is deleted.

mod keys;
mod pace;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use apalis_core::backend::ext::BackendExt;
use apalis_core::error::BoxDynError;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::context::WorkerContext;
use apalis_redis::RedisStorage;
use contracts::id::JobId;
use infra::metrics::Counters;
use infra::outage::{News, Outage};
use infra::redis::Connection;
use redis::RedisError;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tower::limit::ConcurrencyLimitLayer;
use uuid::Uuid;

use self::keys::Keys;
use self::pace::{Paced, Tick};

/// The queue of Pawl's jobs. The braces keep all its keys in one slot of a Redis Cluster.
pub const JOBS: &str = "{pawl}:jobs";

/// Timeout of a worker's commands: apalis ends its worker at any error, and a short pause of Redis should be none.
const WORKER_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of a push; after it, the sweeper pushes the ids again.
const PUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// Timeout of [`Queue::backlog`]: after it, the sweeper runs the jobs without Redis.
const BACKLOG_TIMEOUT: Duration = Duration::from_millis(250);
/// How long handlers may go on after the shutdown.
const DRAIN: Duration = Duration::from_secs(20);
/// The most ids in one fetch. Never above the concurrency: ids that wait for a free handler delay the worker's heartbeat.
const BATCH: usize = 100;
/// The pause before a worker is restarted; it doubles with each failure, up to the longest.
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// A worker that ran this long was healthy: the pause starts from the first one again.
const HEALTHY_AFTER: Duration = Duration::from_secs(5);
/// How many ended workers are kept for removal while Redis is unavailable. Later ones could not register there.
const ENDED: usize = 16;
/// The pause between two rounds of trimming.
const TRIM_EVERY: Duration = Duration::from_millis(500);

static RESTARTS: Counters<0> = Counters::new(
    "pawl_queue_restarts_total",
    "Restarts of the worker that fetches jobs, because Redis failed.",
    [],
);

/// Why ids were not pushed. No job is lost: the sweeper pushes due jobs again.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The address is not a Redis URL.
    #[error("not a Redis URL: {0}")]
    Address(#[source] RedisError),
    /// Redis is unavailable, or refused the command.
    #[error("Redis failed: {0}")]
    Redis(#[from] RedisError),
}

/// A queue of job ids. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Queue {
    keys: Arc<Keys>,
    push: Connection,
    work: Connection,
}

impl Queue {
    /// The queue under `name` ([`JOBS`]; tests choose their own). Connects when first used, so Redis may be unavailable.
    ///
    /// # Errors
    /// [`QueueError::Address`].
    pub fn connect(redis_url: &str, name: &str) -> Result<Self, QueueError> {
        let manager =
            |timeout| infra::redis::manager(redis_url, timeout).map_err(QueueError::Address);
        Ok(Self {
            keys: Arc::new(Keys::new(name)),
            push: manager(PUSH_TIMEOUT)?,
            work: manager(WORKER_TIMEOUT)?,
        })
    }

    /// Pushes ids for the workers, in order. The jobs must be due and committed. An id may be pushed any number of times,
    /// and each push is delivered.
    ///
    /// # Errors
    /// [`QueueError::Redis`]; then any part of the ids may have been pushed.
    pub async fn push(&self, jobs: &[Uuid]) -> Result<(), QueueError> {
        Ok(self.keys.push(&self.push, jobs).await?)
    }

    /// The number of ids that no worker has fetched. While it is high, pushing due jobs again only adds duplicates.
    ///
    /// # Errors
    /// [`QueueError::Redis`], after a quarter of a second at most.
    pub async fn backlog(&self) -> Result<u64, QueueError> {
        let sent = Instant::now();
        timeout(BACKLOG_TIMEOUT, self.keys.backlog(&self.push))
            .await
            .unwrap_or_else(|_| {
                self.push.replace(sent);
                Err(io::Error::from(io::ErrorKind::TimedOut).into())
            })
            .map_err(QueueError::Redis)
    }

    /// Calls `handler` for each id, for at most `concurrency` ids at once, until `shutdown`; then waits up to 20 s for
    /// running handlers. When Redis fails, its worker is restarted.
    ///
    /// A handler runs in a task of its own, which a fault of Redis does not stop. The same id may arrive again while its
    /// handler runs.
    pub async fn run<H, F>(&self, concurrency: usize, handler: H, shutdown: CancellationToken)
    where
        H: Fn(Uuid) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let concurrency = concurrency.max(1);
        let gate = Arc::new(Semaphore::new(concurrency));
        let all = u32::try_from(concurrency).unwrap_or(u32::MAX);
        let whole = async {
            tokio::join!(
                self.supervise(concurrency, &gate, handler, &shutdown),
                self.trim(&shutdown)
            );
            // Handlers of workers that ended early may still run.
            let _ = gate.acquire_many(all).await;
        };
        let too_late = async {
            shutdown.cancelled().await;
            sleep(DRAIN).await;
        };
        tokio::select! {
            () = whole => {}
            () = too_late => tracing::warn!("jobs still run 20 s after the shutdown; their results may be lost, and then they run again when their leases expire"),
        }
    }

    /// Starts a worker, and another one whenever it ends, until `shutdown`.
    async fn supervise<H, F>(
        &self,
        concurrency: usize,
        gate: &Arc<Semaphore>,
        handler: H,
        shutdown: &CancellationToken,
    ) where
        H: Fn(Uuid) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut delay = FIRST_DELAY;
        let mut ended: Vec<String> = Vec::new();
        let outage = Outage::default();
        loop {
            // apalis refuses a name that was used before, even after a clean stop.
            let name = Uuid::now_v7().simple().to_string();
            let started = Instant::now();
            let result = tokio::select! {
                result = self.work(&name, concurrency, gate, handler.clone(), shutdown) => result,
                never = log_recovery(&outage) => match never {},
            };
            ended.push(name);
            if started.elapsed() >= HEALTHY_AFTER {
                delay = FIRST_DELAY;
            }
            if let Err(error) = result {
                RESTARTS.with_labels([]).increment(1);
                log_restart(&error, outage.failed(0));
            }
            self.remove_workers(&mut ended).await;
            if shutdown.is_cancelled() {
                return;
            }
            let delay_with_jitter = sleep(delay.mul_f64(rand::random_range(0.5..1.0)));
            if shutdown
                .run_until_cancelled(delay_with_jitter)
                .await
                .is_none()
            {
                return;
            }
            delay = LONGEST_DELAY.min(delay * 2);
        }
    }

    /// Runs one worker until `shutdown` or the first error of Redis.
    async fn work<H, F>(
        &self,
        name: &str,
        concurrency: usize,
        gate: &Arc<Semaphore>,
        handler: H,
        shutdown: &CancellationToken,
    ) -> Result<(), String>
    where
        H: Fn(Uuid) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let config = self.keys.worker(BATCH.min(concurrency));
        let storage =
            RedisStorage::<Uuid, Paced>::new(Paced::new(self.work.clone())).with_config(config);
        let context = WorkerContext::new(name);
        let gate = Arc::clone(gate);
        let worker = WorkerBuilder::new(context.clone())
            .backend(storage.poll_with_strategy(Tick::new()))
            .layer(ConcurrencyLimitLayer::new(concurrency))
            .build(move |job: Uuid| perform(job, Arc::clone(&gate), handler.clone()));
        // If this future is dropped, the worker must not go on fetching ids.
        let mut running = AbortOnDropHandle::new(tokio::spawn(worker.run()));
        let ended = tokio::select! {
            ended = &mut running => ended,
            () = shutdown.cancelled() => {
                if context.stop().is_err() {
                    // Not started yet, so no handler runs.
                    running.abort();
                }
                running.await
            }
        };
        match ended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) if error.is_cancelled() => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Removes ended workers and queues their fetched ids again at once; apalis would do so only after missed heartbeats.
    async fn remove_workers(&self, ended: &mut Vec<String>) {
        while let Some(name) = ended.last() {
            if self.keys.remove_worker(&self.push, name).await.is_err() {
                break;
            }
            ended.pop();
        }
        if ended.len() > ENDED {
            ended.drain(..ended.len() - ENDED);
        }
    }

    /// Deletes finished tasks, which apalis would keep for ever.
    async fn trim(&self, shutdown: &CancellationToken) {
        loop {
            // No log line for an error: the worker fails with the same one and logs it.
            while self.keys.trim(&self.push).await.unwrap_or(false) {}
            if shutdown
                .run_until_cancelled(sleep(TRIM_EVERY))
                .await
                .is_none()
            {
                return;
            }
        }
    }
}

/// Logs that the worker fetches jobs again, once it has run for longer than a fetch may take. Never ends.
async fn log_recovery(outage: &Outage) -> Infallible {
    sleep(WORKER_TIMEOUT + HEALTHY_AFTER).await;
    if let Some(past) = outage.answered(0) {
        let (seconds, failures) = (past.lasted.as_secs(), past.failures);
        tracing::info!(seconds, failures, "jobs are fetched from Redis again");
    }
    std::future::pending().await
}

fn log_restart(error: &str, news: Option<News>) {
    match news {
        Some(News::Began) => {
            tracing::warn!(
                error,
                "failed to fetch jobs from Redis; restarting the worker of the queue"
            );
        }
        Some(News::Lasts(past)) => {
            let (seconds, failures) = (past.lasted.as_secs(), past.failures);
            tracing::warn!(
                error,
                seconds,
                failures,
                "failed to fetch jobs from Redis again and again; restarting the worker of the queue each time"
            );
        }
        None => tracing::debug!(
            error,
            "failed to fetch jobs from Redis; restarting the worker of the queue"
        ),
    }
}

/// Runs the handler in a task of its own, because apalis drops its futures at the first error of Redis. Always returns
/// `Ok`: the result of the job is in Postgres, and apalis's own retries are not used.
async fn perform<H, F>(job: Uuid, gate: Arc<Semaphore>, handler: H) -> Result<(), BoxDynError>
where
    H: Fn(Uuid) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    // All workers of a run share the gate: handlers of an ended worker still count.
    let permit = gate.acquire_owned().await;
    let effect = tokio::spawn(async move {
        handler(job).await;
        drop(permit);
    });
    if let Err(error) = effect.await
        && error.is_panic()
    {
        tracing::error!(job = %JobId::from(job), %error, "the job panicked; it runs again when its lease expires");
    }
    Ok(())
}
