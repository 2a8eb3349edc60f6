//! Postgres, Redis and Kafka for one run: private ones, or those that the environment names.

use anyhow::{Context as _, Result};
use infra::Env;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use super::cpu;
use crate::output::Progress;
use crate::stack::{Home, Kafka, Place, Postgres, Redis};

/// The servers of a run, stopped when this value is dropped.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) database_url: String,
    pub(crate) redis_url: String,
    pub(crate) kafka_brokers: String,
    /// The server in which a database was made for this run.
    database_server: Option<String>,
    // Dropped in this order: what works in the place before the place itself.
    kafka: Option<Kafka>,
    _redis: Option<Redis>,
    _postgres: Option<Postgres>,
    _place: Place,
}

/// Who may use the Redis of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Keys of others stay.
    Polite,
    /// The run flushes Redis: it gets a server of its own, whatever the environment says.
    Flushes,
}

impl Servers {
    /// Starts what the environment does not name. In a server of the environment a fresh database is made.
    pub(crate) async fn start(
        home: &Home,
        sharing: Sharing,
        progress: &mut Progress,
    ) -> Result<Servers> {
        let env = Env::load();
        let place = home.throw_away().await?;
        let database_server = env.optional("DATABASE_URL");
        let (database_url, postgres) = if let Some(url) = &database_server {
            (fresh_database(url).await?, None)
        } else {
            progress.begin("Postgres");
            let server = Postgres::start(&place.join("postgres")).await?;
            progress.done(server.url());
            (server.url(), Some(server))
        };
        let given = env
            .optional("REDIS_URL")
            .filter(|_| sharing == Sharing::Polite);
        let (redis_url, redis) = if let Some(url) = given {
            (url, None)
        } else {
            progress.begin("Redis");
            let server = Redis::start(&place.join("redis")).await?;
            progress.done(server.url());
            (server.url(), Some(server))
        };
        let (kafka_brokers, kafka) = if let Some(brokers) = env.optional("KAFKA_BROKERS") {
            (brokers, None)
        } else {
            progress.begin("Kafka");
            let server = Kafka::start(home, &place.join("kafka")).await?;
            progress.done(server.brokers());
            (server.brokers(), Some(server))
        };
        Ok(Servers {
            database_url,
            redis_url,
            kafka_brokers,
            database_server,
            kafka,
            _redis: redis,
            _postgres: postgres,
            _place: place,
        })
    }

    /// Removes the database that was made in a server of the environment.
    pub(crate) async fn remove_database(&self) -> Result<()> {
        let Some(server) = &self.database_server else {
            return Ok(());
        };
        let url = reqwest::Url::parse(&self.database_url)?;
        let name = url.path().trim_start_matches('/');
        let drop = format!("drop database if exists {name} with (force)");
        let mut connection = PgConnection::connect(server).await?;
        sqlx::query(AssertSqlSafe(drop))
            .execute(&mut connection)
            .await?;
        Ok(connection.close().await?)
    }

    /// Whether nobody else writes to this Kafka.
    pub(crate) fn owns_kafka(&self) -> bool {
        self.kafka.is_some()
    }

    /// The process ids of those servers that run on this machine, by name.
    pub(crate) async fn pids(&self, pool: &PgPool) -> Result<Vec<(String, i32)>> {
        let backend: i32 = sqlx::query_scalar("select pg_backend_pid()")
            .fetch_one(pool)
            .await?;
        // Where the server runs on another machine, its process ids mean nothing here, and it goes unmeasured.
        let postgres = cpu::parent(backend);
        let mut connection = redis::Client::open(self.redis_url.as_str())?
            .get_multiplexed_async_connection()
            .await?;
        let info: String = redis::cmd("INFO")
            .arg("server")
            .query_async(&mut connection)
            .await?;
        let redis = info
            .lines()
            .find_map(|line| line.strip_prefix("process_id:"))
            .and_then(|pid| pid.trim().parse().ok());
        let kafka = match &self.kafka {
            Some(server) => i32::try_from(server.id()).ok(),
            None => cpu::find("kafka.Kafka").first().copied(),
        };
        let pids = [("postgres", postgres), ("redis", redis), ("kafka", kafka)];
        Ok(pids
            .into_iter()
            .filter_map(|(name, pid)| Some((name.to_owned(), pid?)))
            .collect())
    }
}

/// A new database in the server of that address.
async fn fresh_database(url: &str) -> Result<String> {
    let name = format!("pawl_run_{}", Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(url)
        .await
        .context("connecting to DATABASE_URL")?;
    sqlx::query(AssertSqlSafe(format!("create database {name}")))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    let mut fresh = reqwest::Url::parse(url).context("DATABASE_URL is no URL")?;
    fresh.set_path(&name);
    Ok(fresh.into())
}
