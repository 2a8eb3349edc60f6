//! The queue of job ids on a real Redis that is flushed, paused and killed, and whose keys are deleted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::queue::Queue;
use infra::testing::{Proxy, unique};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::redis_server::RedisServer;
use crate::wait::until;

/// What was delivered, and how often.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<HashMap<Uuid, usize>>>);

impl Seen {
    fn add(&self, job: Uuid) {
        *self.0.lock().unwrap().entry(job).or_default() += 1;
    }

    fn has_all(&self, jobs: &[Uuid]) -> bool {
        let seen = self.0.lock().unwrap();
        jobs.iter().all(|job| seen.contains_key(job))
    }

    fn missing(&self, jobs: &[Uuid]) -> Vec<Uuid> {
        let seen = self.0.lock().unwrap();
        jobs.iter()
            .filter(|job| !seen.contains_key(job))
            .copied()
            .collect()
    }

    fn times(&self, job: Uuid) -> usize {
        self.0.lock().unwrap().get(&job).copied().unwrap_or(0)
    }
}

/// A worker that notes each id it is handed.
struct Worker {
    seen: Seen,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Worker {
    fn start(queue: &Queue) -> Self {
        let (queue, seen, stop) = (queue.clone(), Seen::default(), CancellationToken::new());
        let (noted, token) = (seen.clone(), stop.clone());
        let handler = move |job| {
            let noted = noted.clone();
            async move { noted.add(job) }
        };
        let task = tokio::spawn(async move { queue.run(50, handler, token).await });
        Self { seen, stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        timeout(Duration::from_secs(10), self.task)
            .await
            .unwrap()
            .unwrap();
    }
}

fn jobs(count: usize) -> Vec<Uuid> {
    (0..count).map(|_| Uuid::now_v7()).collect()
}

fn name() -> String {
    format!("{{{}}}:jobs", unique("test"))
}

/// Pushes what is missing again and again, as the sweeper does, until nothing is.
async fn sweep(queue: &Queue, seen: &Seen, jobs: &[Uuid]) {
    until("all jobs are handled", async || {
        let missing = seen.missing(jobs);
        if missing.is_empty() {
            return true;
        }
        queue.push(&missing[..missing.len().min(300)]).await.ok();
        false
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_push_is_delivered_even_of_the_same_job() {
    let queue = Queue::connect(&infra::testing::redis_url(), &name()).unwrap();
    let worker = Worker::start(&queue);
    let jobs = jobs(1_200);
    queue.push(&jobs).await.unwrap();
    until("the first push arrives", async || {
        worker.seen.has_all(&jobs)
    })
    .await;
    queue.push(&jobs[..10]).await.unwrap();
    until("the second push arrives", async || {
        jobs[..10].iter().all(|job| worker.seen.times(*job) == 2)
    })
    .await;
    assert_eq!(worker.seen.times(jobs[10]), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_twelve_thousand_does_not_jam_the_queue() {
    let queue = Queue::connect(&infra::testing::redis_url(), &name()).unwrap();
    let jobs = jobs(12_000);
    queue.push(&jobs).await.unwrap();
    assert_eq!(queue.backlog().await.unwrap(), 12_000);
    let worker = Worker::start(&queue);
    until("the backlog is gone", async || worker.seen.has_all(&jobs)).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_flush_the_worker_goes_on_by_itself() {
    let redis = RedisServer::start().await;
    let queue = Queue::connect(&redis.url(), &name()).unwrap();
    let worker = Worker::start(&queue);
    for _ in 0..3 {
        let jobs = jobs(500);
        queue.push(&jobs).await.unwrap();
        redis.command(&["FLUSHALL"]).await;
        sweep(&queue, &worker.seen, &jobs).await;
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_of_redis_the_worker_goes_on_by_itself() {
    let mut redis = RedisServer::start().await;
    let queue = Queue::connect(&redis.url(), &name()).unwrap();
    let worker = Worker::start(&queue);
    let jobs = jobs(500);
    queue.push(&jobs[..250]).await.unwrap();
    redis.kill().await;
    assert!(queue.push(&jobs[250..]).await.is_err());
    redis.start_again().await;
    sweep(&queue, &worker.seen, &jobs).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_connections_swallow_what_is_sent_goes_on_over_new_ones() {
    let redis = RedisServer::start().await;
    let server = redis.url().trim_start_matches("redis://").to_owned();
    let proxy = Proxy::start(server).await;
    let url = format!("redis://{}", proxy.address());
    let queue = Queue::connect(&url, &name()).unwrap();
    let worker = Worker::start(&queue);
    let jobs = jobs(40);
    queue.push(&jobs[..20]).await.unwrap();
    until("the first jobs are handled", async || {
        worker.seen.has_all(&jobs[..20])
    })
    .await;
    proxy.swallow();
    let began = Instant::now();
    sweep(&queue, &worker.seen, &jobs).await;
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_redis_loses_nothing_although_nobody_pushes_again() {
    let redis = RedisServer::start().await;
    let queue = Queue::connect(&redis.url(), &name()).unwrap();
    let worker = Worker::start(&queue);
    let jobs = jobs(3_000);
    queue.push(&jobs).await.unwrap();
    redis.command(&["CLIENT", "PAUSE", "1000", "ALL"]).await;
    let asked = Instant::now();
    assert!(queue.backlog().await.is_err());
    assert!(
        asked.elapsed() < Duration::from_millis(900),
        "a look does not wait"
    );
    until("all jobs are handled", async || worker.seen.has_all(&jobs)).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_predecessor_was_killed_starts_at_once() {
    let queue = Queue::connect(&infra::testing::redis_url(), &name()).unwrap();
    for _ in 0..3 {
        let worker = Worker::start(&queue);
        let jobs = jobs(20);
        queue.push(&jobs).await.unwrap();
        until("the jobs are handled", async || worker.seen.has_all(&jobs)).await;
        worker.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_whose_data_was_evicted_stops_no_other() {
    let redis = RedisServer::start().await;
    let name = name();
    let queue = Queue::connect(&redis.url(), &name).unwrap();
    let jobs = jobs(200);
    queue.push(&jobs).await.unwrap();
    let victims = redis
        .command(&["LRANGE", &format!("{name}:active"), "90", "92"])
        .await;
    for victim in victims.into_sequence().unwrap() {
        let task = String::from_utf8_lossy(&redis::from_redis_value::<Vec<u8>>(victim).unwrap())
            .into_owned();
        redis
            .command(&["DEL", &format!("{name}:meta:{task}")])
            .await;
    }
    let worker = Worker::start(&queue);
    until("the others are handled", async || {
        worker.seen.missing(&jobs).len() == 3
    })
    .await;
    sweep(&queue, &worker.seen, &jobs).await;

    let more = self::jobs(200);
    worker.stop().await;
    queue.push(&more).await.unwrap();
    redis.command(&["DEL", &format!("{name}:data")]).await;
    let worker = Worker::start(&queue);
    sweep(&queue, &worker.seen, &more).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_leaves_nothing_in_redis() {
    let redis = RedisServer::start().await;
    let queue = Queue::connect(&redis.url(), &name()).unwrap();
    let worker = Worker::start(&queue);
    let jobs = jobs(3_000);
    queue.push(&jobs).await.unwrap();
    until("all jobs are handled", async || worker.seen.has_all(&jobs)).await;
    // What stays: the set of workers, the worker's own description, apalis's list of queues.
    until("redis is nearly empty", async || {
        redis::from_redis_value::<u64>(redis.command(&["DBSIZE"]).await).unwrap() <= 3
    })
    .await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_lets_running_jobs_end_and_leaves_the_others_to_the_next_worker() {
    let queue = Queue::connect(&infra::testing::redis_url(), &name()).unwrap();
    let jobs = jobs(10);
    queue.push(&jobs).await.unwrap();
    let (started, ended, gate) = (
        Seen::default(),
        Seen::default(),
        Arc::new(Semaphore::new(0)),
    );
    let stop = CancellationToken::new();
    let handler = {
        let (started, ended, gate) = (started.clone(), ended.clone(), Arc::clone(&gate));
        move |job| {
            let (started, ended, gate) = (started.clone(), ended.clone(), Arc::clone(&gate));
            async move {
                started.add(job);
                gate.acquire().await.unwrap().forget();
                ended.add(job);
            }
        }
    };
    let running = tokio::spawn({
        let (queue, stop) = (queue.clone(), stop.clone());
        async move { queue.run(4, handler, stop).await }
    });
    until("four jobs run", async || started.missing(&jobs).len() == 6).await;
    stop.cancel();
    gate.add_permits(4);
    timeout(Duration::from_secs(10), running)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        started.missing(&jobs).len(),
        6,
        "nothing starts after shutdown"
    );
    assert_eq!(ended.missing(&jobs).len(), 6, "what ran has ended");

    let rest = started.missing(&jobs);
    let before = Instant::now();
    let worker = Worker::start(&queue);
    until("the next worker gets the rest", async || {
        worker.seen.has_all(&rest)
    })
    .await;
    assert!(before.elapsed() < Duration::from_secs(5));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_panics_takes_no_other_with_it() {
    let queue = Queue::connect(&infra::testing::redis_url(), &name()).unwrap();
    let (seen, stop, jobs) = (Seen::default(), CancellationToken::new(), jobs(20));
    let bad = jobs[3];
    let handler = {
        let seen = seen.clone();
        move |job| {
            let seen = seen.clone();
            async move {
                seen.add(job);
                assert_ne!(job, bad, "this panic belongs to the test");
            }
        }
    };
    let running = tokio::spawn({
        let (queue, stop) = (queue.clone(), stop.clone());
        async move { queue.run(2, handler, stop).await }
    });
    queue.push(&jobs).await.unwrap();
    until("all are handled", async || seen.has_all(&jobs)).await;
    assert_eq!(seen.times(bad), 1);
    stop.cancel();
    timeout(Duration::from_secs(10), running)
        .await
        .unwrap()
        .unwrap();
}
