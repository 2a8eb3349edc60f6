//! The worker service: runs jobs against Stripe, applies webhooks, delivers events to merchants, publishes to Kafka, takes
//! commands from Kafka if it is told to, and runs the sweeper.

use std::net::SocketAddr;
use std::time::Duration;

use engine::audit::AuditKey;
use engine::cache::Cache;
use engine::delivery::{Guard, Reach};
use engine::queue::Queue;
use engine::stripe::{Client, ClientConfig};
use engine::webhook::Source;
use engine::worker::{Worker, WorkerParts};
use engine::{Engine, Parts, delivery, queue};
use infra::Env;
use infra::env::{ExposeSecret, SecretString};
use infra::health::Readiness;
use infra::http::routes::with_problems;
use infra::kafka::Brokers;
use infra::redis::Connection;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The service's name in logs, metrics and health.
const SERVICE: &str = "worker-service";

/// How long readiness waits for Redis.
const REDIS_TIMEOUT: Duration = Duration::from_secs(1);

/// How long an event may wait for Kafka before readiness reports it.
const OUTBOX_LAG: Duration = Duration::from_secs(30);

/// The database role whose rights it has: see `migrations/0010_roles.sql`.
const DATABASE_ROLE: &str = "pawl_worker";

/// The configuration of the worker service.
#[derive(Debug)]
pub struct Config {
    /// Where it serves health and metrics: `WORKER_ADDR`.
    pub address: SocketAddr,
    /// `DATABASE_URL`.
    pub database_url: SecretString,
    /// How many connections it may open: `WORKER_DATABASE_CONNECTIONS`.
    pub database_connections: u32,
    /// `REDIS_URL`.
    pub redis_url: SecretString,
    /// `KAFKA_BROKERS`, and the `KAFKA_S…` variables of their security.
    pub kafka_brokers: Brokers,
    /// The topic that it takes commands from, if it does: `KAFKA_COMMANDS` and `KAFKA_COMMANDS_TOPIC`.
    pub kafka_commands: Option<String>,
    /// `STRIPE_API_KEY`.
    pub stripe_key: SecretString,
    /// `STRIPE_API_BASE`.
    pub stripe_base: String,
    /// The source of the webhooks that are applied: the mode of `STRIPE_API_KEY`, and `STRIPE_ACCOUNT` if payments are made
    /// on a connected account.
    pub source: Source,
    /// How many jobs it runs at once, each with at most one call to Stripe: `WORKER_CONCURRENCY`.
    pub concurrency: usize,
    /// How long a call to Stripe may last: `STRIPE_TIMEOUT_SECONDS`.
    pub stripe_timeout: Duration,
    /// How long a claimed job stays leased to this worker: `WORKER_LEASE_SECONDS`.
    pub lease: Duration,
    /// Which addresses of merchants may receive deliveries: `WEBHOOK_ALLOW_PRIVATE`.
    pub webhook_reach: Reach,
    /// How long a delivery may last: `WEBHOOK_TIMEOUT_SECONDS`.
    pub webhook_timeout: Duration,
}

impl Config {
    /// Reads the environment; faults are collected in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let (stripe_key, stripe_base) = env.stripe();
        env.required("KAFKA_BROKERS");
        let kafka_brokers = Brokers::from_env(env);
        let topic = env.text("KAFKA_COMMANDS_TOPIC");
        Self {
            address: env.socket("WORKER_ADDR"),
            database_url: env.secret("DATABASE_URL"),
            database_connections: env.number("WORKER_DATABASE_CONNECTIONS"),
            redis_url: env.secret("REDIS_URL"),
            kafka_brokers,
            kafka_commands: env.switch("KAFKA_COMMANDS").then_some(topic),
            stripe_key,
            stripe_base,
            source: Source {
                livemode: env.is_live(),
                account: env.optional("STRIPE_ACCOUNT"),
            },
            concurrency: env.number("WORKER_CONCURRENCY"),
            stripe_timeout: Duration::from_secs(env.number("STRIPE_TIMEOUT_SECONDS")),
            lease: Duration::from_secs(env.number("WORKER_LEASE_SECONDS")),
            webhook_reach: Reach::from_env(env),
            webhook_timeout: Duration::from_secs(env.number("WEBHOOK_TIMEOUT_SECONDS")),
        }
    }
}

/// Works until `shutdown`, then waits for running jobs to end. Serves health and metrics on `listener`.
///
/// # Errors
/// If the configuration cannot be used, or `DATABASE_URL` leads to a connection pooler.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    infra::postgres::refuse_pooler(config.database_url.expose_secret()).await?;
    let pool = infra::postgres::pool_as(
        DATABASE_ROLE,
        config.database_url.expose_secret(),
        config.database_connections,
    )?;
    let redis_url = config.redis_url.expose_secret();
    let cache = Cache::connect(redis_url)?;
    let audit_key = AuditKey::derive(&config.stripe_key);
    let stripe = Client::new(&ClientConfig {
        timeout: config.stripe_timeout,
        concurrency: config.concurrency,
        ..ClientConfig::new(config.stripe_base, config.stripe_key)
    })?;
    let queue = Queue::connect(redis_url, queue::JOBS)?;
    let commands = config.kafka_commands.map(|topic| {
        let parts = Parts {
            pool: pool.clone(),
            queue: queue.clone(),
            cache: cache.clone(),
        };
        (Engine::start(parts), topic)
    });
    let worker = Worker::new(WorkerParts {
        pool: pool.clone(),
        queue,
        cache: cache.clone(),
        stripe,
        audit_key,
        source: config.source,
        concurrency: config.concurrency,
        lease: config.lease,
        webhooks: delivery::Config {
            guard: Guard::new(config.webhook_reach),
            timeout: config.webhook_timeout,
        },
    })?;
    // The process that should have written these views may have died; an older view must not stay in the cache.
    let published = move |versions: &[(Uuid, i64)]| cache.invalidate(versions.iter().copied());
    let probe = Probe {
        pool: pool.clone(),
        redis: infra::redis::manager(redis_url, REDIS_TIMEOUT)?,
        worker: worker.clone(),
    };
    let health = infra::health::routes(SERVICE, Probe::readiness).with_state(probe);
    let router = with_problems(health, "There is no such route.");
    infra::postgres::watch(SERVICE, pool.clone(), shutdown.clone());
    tokio::try_join!(
        infra::http::serve(SERVICE, listener, router, shutdown.clone()),
        async {
            worker.run(shutdown.clone()).await;
            Ok(())
        },
        async {
            let (brokers, loops) = (&config.kafka_brokers, worker.loops());
            Ok(engine::relay::run(pool, brokers, published, loops, shutdown.clone()).await?)
        },
        async {
            let Some((engine, topic)) = commands else {
                return Ok(());
            };
            let (brokers, loops) = (&config.kafka_brokers, worker.loops());
            let stop = shutdown.clone();
            Ok(engine::command_consumer::run(engine, brokers, &topic, loops, stop).await?)
        },
    )?;
    Ok(())
}

/// The servers that readiness checks.
#[derive(Clone)]
struct Probe {
    pool: PgPool,
    redis: Connection,
    worker: Worker,
}

impl Probe {
    /// Postgres is required. Redis and Kafka are only reported, because payments go on without them; Kafka by the age of the
    /// outbox.
    async fn readiness(self) -> Readiness {
        self.worker
            .check(Readiness::new(SERVICE))
            .await
            .reports("redis", infra::redis::ping(&self.redis).await)
            .reports("kafka", self.check_outbox().await)
    }

    async fn check_outbox(&self) -> Result<(), String> {
        let lag = infra::postgres::within(engine::relay::lag(&self.pool))
            .await
            .map_err(|error| error.to_string())?;
        if lag.oldest < OUTBOX_LAG {
            return Ok(());
        }
        let (messages, seconds) = (lag.messages, lag.oldest.as_secs());
        Err(format!(
            "{messages} events wait, the oldest for {seconds} s"
        ))
    }
}
