//! The keys of a queue in Redis, and our scripts on them.

use std::sync::LazyLock;
use std::time::Duration;

use apalis_core::worker::context::WorkerContext;
use apalis_redis::Config;
use infra::redis::Connection;
use redis::{RedisResult, Script};
use uuid::Uuid;

/// The most ids in one script, so that none blocks Redis for long.
const PORTION: usize = 500;
/// When the key that apalis keeps for each task expires, in case the task itself is lost.
const TASK_SECONDS: u32 = 86_400;
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Missed heartbeats before other workers take over. A worker sends none while a batch waits for slow handlers, so this
/// is far above a handler's timeout. Jobs do not wait for it: the sweeper pushes them again sooner.
const MISSED: usize = 60;

static PUSH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("push.lua")));
static TRIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("trim.lua")));
static REMOVE_WORKER: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("remove_worker.lua")));

/// The names of a queue's keys in Redis, which apalis defines.
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
            // apalis's lock walks over the whole backlog for each job.
            .lock_tasks(false)
            .emit_events(false)
            // Without it apalis acknowledges no task.
            .persist_results(true);
        Self {
            active: config.active_jobs_list(),
            data: config.job_data_hash(),
            meta: config.job_meta_hash(),
            done: config.done_jobs_set(),
            config,
        }
    }

    /// The configuration of a worker of apalis.
    pub(super) fn worker(&self, batch: usize) -> Config {
        self.config.clone().batch_size(batch)
    }

    /// Appends ids to the list that workers fetch from. Each push has a task id of its own: with the job's id as task id,
    /// apalis would silently drop a later push of the same job.
    pub(super) async fn push(&self, redis: &Connection, jobs: &[Uuid]) -> RedisResult<()> {
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

    /// The number of ids that no worker has fetched.
    pub(super) async fn backlog(&self, redis: &Connection) -> RedisResult<u64> {
        redis::cmd("LLEN")
            .arg(&self.active)
            .query_async(&mut redis.clone())
            .await
    }

    /// Deletes a portion of the finished tasks; returns whether there may be more.
    pub(super) async fn trim(&self, redis: &Connection) -> RedisResult<bool> {
        let trimmed: usize = TRIM
            .key(&self.done)
            .key(&self.data)
            .key(&self.meta)
            .arg(PORTION)
            .invoke_async(&mut redis.clone())
            .await?;
        Ok(trimmed == PORTION)
    }

    /// Removes a worker that ended. Its fetched tasks are queued again, except those whose data Redis has lost (it may
    /// evict any key): such a task would end each worker that fetches it, so it is deleted.
    pub(super) async fn remove_worker(&self, redis: &Connection, name: &str) -> RedisResult<()> {
        let worker = WorkerContext::new(name);
        REMOVE_WORKER
            .key(self.config.inflight_set_for(&worker))
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
