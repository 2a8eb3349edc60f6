//! The keys of a queue in Redis and the scripts that work on them beside apalis's own.

use std::sync::LazyLock;
use std::time::Duration;

use apalis_core::worker::context::WorkerContext;
use apalis_redis::Config;
use redis::aio::ConnectionManager;
use redis::{RedisResult, Script};
use uuid::Uuid;

/// Ids per script, so that none holds up Redis for long.
const PORTION: usize = 500;
/// apalis keeps a key per task beside its hash. Should a task be lost, that key goes by itself.
const TASK_SECONDS: u32 = 86_400;
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Heartbeats missed before other workers take over. A worker sends none while a batch waits for slow handlers, so
/// this is far above a handler's time-out; nobody waits for it, the sweeper is faster.
const MISSED: usize = 60;

static PUSH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("push.lua")));
static TRIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("trim.lua")));
static BURY: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("bury.lua")));

/// A queue's names in Redis, as apalis chooses them.
#[derive(Debug)]
pub(super) struct Keys {
    config: Config,
    active: String,
    data: String,
    meta: String,
    done: String,
}

impl Keys {
    pub(super) fn new(queue: &str) -> Self {
        let config = Config::default()
            .queue(queue)
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(MISSED)
            // A lock costs a walk over the whole backlog for each job.
            .lock_tasks(false)
            .emit_events(false)
            // Without it nothing is ever acknowledged.
            .persist_results(true);
        Self {
            active: config.active_jobs_list(),
            data: config.job_data_hash(),
            meta: config.job_meta_hash(),
            done: config.done_jobs_set(),
            config,
        }
    }

    /// What a worker of apalis is configured with.
    pub(super) fn worker(&self, batch: usize) -> Config {
        self.config.clone().batch_size(batch)
    }

    /// Appends ids to the list that workers fetch from. Each push gets a task id of its own: under the job's, apalis
    /// would silently drop a later push of the same job.
    pub(super) async fn push(&self, redis: &ConnectionManager, jobs: &[Uuid]) -> RedisResult<()> {
        for portion in jobs.chunks(PORTION) {
            let mut call = PUSH.prepare_invoke();
            call.key(&self.active)
                .key(&self.data)
                .key(&self.meta)
                .arg(TASK_SECONDS);
            for job in portion {
                call.arg(rand::random::<u64>()).arg(format!("\"{job}\""));
            }
            call.invoke_async::<()>(&mut redis.clone()).await?;
        }
        Ok(())
    }

    /// How many ids wait.
    pub(super) async fn backlog(&self, redis: &ConnectionManager) -> RedisResult<u64> {
        redis::cmd("LLEN")
            .arg(&self.active)
            .query_async(&mut redis.clone())
            .await
    }

    /// Removes a portion of the done tasks; whether there may be more.
    pub(super) async fn trim(&self, redis: &ConnectionManager) -> RedisResult<bool> {
        let trimmed: usize = TRIM
            .key(&self.done)
            .key(&self.data)
            .key(&self.meta)
            .arg(PORTION)
            .invoke_async(&mut redis.clone())
            .await?;
        Ok(trimmed == PORTION)
    }

    /// Removes a dead worker. What it had fetched waits again, unless Redis has lost the data of it (it may evict any
    /// key): such an id would end each worker that fetches it, so it goes.
    pub(super) async fn bury(&self, redis: &ConnectionManager, name: &str) -> RedisResult<()> {
        let worker = WorkerContext::new(name);
        BURY.key(self.config.inflight_set_for(&worker))
            .key(&self.active)
            .key(&self.data)
            .key(&self.meta)
            .key(self.config.workers_set())
            .key(self.config.worker_metadata_key(&worker))
            .arg(name)
            .invoke_async(&mut redis.clone())
            .await
    }
}
