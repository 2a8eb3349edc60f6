//! The carrier: apalis on Redis takes ids of jobs from those who committed them to those who perform them.
//!
//! Redis holds nothing that cannot be rebuilt. An id that is lost is pushed again by the sweeper, one that comes twice
//! meets the claim in Postgres. So every fault here has the same answer: start again and go on.
//!
//! Against what apalis-redis 1.0.0 does wrong: ids never pass through its `scheduled` set, where some thousand due ids
//! jam a queue for ever; its workers, which end at any error of Redis and refuse every name they have seen, are started
//! again under fresh names; its retries, locks and events are not used; what it keeps of finished jobs is removed.

mod keys;
mod pace;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use apalis_core::backend::ext::BackendExt;
use apalis_core::error::BoxDynError;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::context::WorkerContext;
use apalis_redis::RedisStorage;
use contracts::id::JobId;
use redis::RedisError;
use redis::aio::ConnectionManager;
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

/// apalis ends its worker at any error, so a pause of Redis must not look like one.
const WORKER_PATIENCE: Duration = Duration::from_secs(10);
/// A push that takes longer is left to the sweeper.
const PUSH_PATIENCE: Duration = Duration::from_secs(2);
/// Whoever asks how long the queue is wants to know whether to do the jobs without it.
const LOOK_PATIENCE: Duration = Duration::from_millis(250);
/// How long handlers may go on after shutdown was asked for.
const DRAIN: Duration = Duration::from_secs(20);
/// Ids per fetch. Never above the concurrency: what is fetched but not started holds back the worker's heartbeat.
const BATCH: usize = 100;
/// A worker that lived this long was sound, and the next failure is a new one.
const SOUND_AFTER: Duration = Duration::from_secs(5);
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// Dead workers remembered while Redis is away. Those beyond were never registered there.
const GRAVES: usize = 16;
/// Pause between two rounds of trimming.
const TRIM_EVERY: Duration = Duration::from_millis(500);

/// Why ids were not pushed. Nothing is lost by it: what is due and unclaimed is pushed again.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The address is not that of a Redis.
    #[error("not a Redis URL: {0}")]
    Address(#[source] RedisError),
    /// Redis is away, or refused.
    #[error("Redis did not take the jobs: {0}")]
    Redis(#[from] RedisError),
}

/// A queue of job ids. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Queue {
    keys: Arc<Keys>,
    push: ConnectionManager,
    work: ConnectionManager,
}

impl Queue {
    /// The queue under `name` ([`JOBS`]; tests choose their own). Connects when first used, so Redis may be away.
    ///
    /// # Errors
    /// [`QueueError::Address`].
    pub fn connect(redis_url: &str, name: &str) -> Result<Self, QueueError> {
        let manager =
            |patience| infra::redis::manager(redis_url, patience).map_err(QueueError::Address);
        Ok(Self {
            keys: Arc::new(Keys::new(name)),
            push: manager(PUSH_PATIENCE)?,
            work: manager(WORKER_PATIENCE)?,
        })
    }

    /// Hands ids to the workers, in order, at once: the jobs must be due and committed. An id may be pushed any number
    /// of times, and each push is delivered.
    ///
    /// # Errors
    /// [`QueueError::Redis`]; then any part of the ids may have been pushed.
    pub async fn push(&self, jobs: &[Uuid]) -> Result<(), QueueError> {
        Ok(self.keys.push(&self.push, jobs).await?)
    }

    /// How many ids wait for a worker. While many do, pushing due jobs again only adds duplicates.
    ///
    /// # Errors
    /// [`QueueError::Redis`], after a quarter of a second at most.
    pub async fn backlog(&self) -> Result<u64, QueueError> {
        timeout(LOOK_PATIENCE, self.keys.backlog(&self.push))
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
            .map_err(QueueError::Redis)
    }

    /// Calls `handler` for each id, for at most `concurrency` at a time, until `shutdown`; then lets running handlers
    /// end, for up to 20 s. It returns at no other moment: when Redis fails, its worker is started again.
    ///
    /// The handler runs in a task of its own and is never cut short by a fault of Redis. The same id may come again
    /// while it runs.
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
            // What workers that ended early left running.
            let _ = gate.acquire_many(all).await;
        };
        let too_late = async {
            shutdown.cancelled().await;
            sleep(DRAIN).await;
        };
        tokio::select! {
            () = whole => {}
            () = too_late => tracing::warn!("jobs still run after the drain; their leases will run out"),
        }
    }

    /// Starts one worker after the other until `shutdown`.
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
        let mut graves: Vec<String> = Vec::new();
        loop {
            // apalis refuses a name that it has seen, even after a clean stop.
            let name = Uuid::now_v7().simple().to_string();
            let started = Instant::now();
            let ended = self
                .work(&name, concurrency, gate, handler.clone(), shutdown)
                .await;
            graves.push(name);
            if started.elapsed() >= SOUND_AFTER {
                delay = FIRST_DELAY;
            }
            if let Err(error) = ended {
                if delay == FIRST_DELAY {
                    tracing::warn!(error, "the queue's worker ended; another one starts");
                } else {
                    tracing::debug!(error, "the queue's worker ended again");
                }
            }
            self.bury(&mut graves).await;
            if shutdown.is_cancelled() {
                return;
            }
            tokio::select! {
                () = sleep(delay.mul_f64(rand::random_range(0.5..1.0))) => {}
                () = shutdown.cancelled() => return,
            }
            delay = LONGEST_DELAY.min(delay * 2);
        }
    }

    /// One worker, from its registration to its end: the shutdown, or the first error of Redis.
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
        // Whoever drops the run must not leave a worker behind that goes on taking ids.
        let mut running = AbortOnDropHandle::new(tokio::spawn(worker.run()));
        let ended = tokio::select! {
            ended = &mut running => ended,
            () = shutdown.cancelled() => {
                if context.stop().is_err() {
                    // Not started yet, so there is nothing to let end.
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

    /// Gives back what dead workers had fetched, without waiting for apalis to find them orphaned.
    async fn bury(&self, graves: &mut Vec<String>) {
        while let Some(name) = graves.last() {
            if self.keys.bury(&self.push, name).await.is_err() {
                break;
            }
            graves.pop();
        }
        if graves.len() > GRAVES {
            graves.drain(..graves.len() - GRAVES);
        }
    }

    /// Removes what is done, which apalis would keep for ever.
    async fn trim(&self, shutdown: &CancellationToken) {
        loop {
            // An error needs no word here: the worker meets the same one.
            while self.keys.trim(&self.push).await.unwrap_or(false) {}
            tokio::select! {
                () = sleep(TRIM_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }
}

/// Runs the handler in a task of its own, because apalis drops its futures at the first error of Redis. Always ends
/// well: what became of the job stands in Postgres, and apalis's own retries are not used.
async fn perform<H, F>(job: Uuid, gate: Arc<Semaphore>, handler: H) -> Result<(), BoxDynError>
where
    H: Fn(Uuid) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    // Shared by all workers of a run: what a dead one left running still counts.
    let permit = gate.acquire_owned().await;
    let effect = tokio::spawn(async move {
        handler(job).await;
        drop(permit);
    });
    if let Err(error) = effect.await
        && error.is_panic()
    {
        tracing::error!(job = %JobId::from(job), %error, "a job panicked");
    }
    Ok(())
}
