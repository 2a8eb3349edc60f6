//! Private Postgres, Redis and Apache Kafka servers for a developer's machine, tests and proofs.
//!
//! ```no_run
//! # async fn start() -> anyhow::Result<()> {
//! use servers::{Broker, External, Home, Progress, Servers};
//!
//! let home = Home::find()?;
//! let directory = home.temporary().await?; // or home.permanent("dev")?
//! let servers = Servers::start(External::default(), &home, directory, Broker::Real, &mut Progress::new()).await?;
//! let database_url = &servers.database_url;
//! # Ok(())
//! # }
//! ```
//!
//! Each server answers on a free port of 127.0.0.1 once it is started. Dropping [`Servers`] stops the servers and waits
//! for their end; when this process dies without dropping it (kill -9), a guard process stops them. A server that an
//! earlier process left in the directory is stopped before a new one starts there.

mod child;
mod environment;
mod home;
mod kafka;
mod leftovers;
mod ports;
mod postgres;
mod progress;
mod redis;
mod replicas;
mod unprivileged;

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use infra::Env;
use infra::kafka::MockKafka;

use crate::kafka::Kafka;
use crate::postgres::Postgres;
use crate::redis::Redis;

pub use crate::child::Guard;
pub use crate::environment::Environment;
pub use crate::home::{Directory, Home};
pub use crate::progress::Progress;
pub use crate::replicas::Replicas;

/// The Kafka broker to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Broker {
    /// Apache Kafka, one node.
    Real,
    /// librdkafka's mock in this process, which keeps no message after its end.
    Mock,
}

/// The addresses of servers that run already; each one that is given is used, and no private server is started for it.
#[derive(Debug, Clone, Default)]
pub struct External {
    /// `postgres://…` of a database.
    pub database_url: Option<String>,
    /// `redis://…`.
    pub redis_url: Option<String>,
    /// `host:port` of the brokers.
    pub kafka_brokers: Option<String>,
}

impl External {
    /// The servers that `DATABASE_URL`, `REDIS_URL` and `KAFKA_BROKERS` name.
    #[must_use]
    pub fn from_env(env: &Env) -> External {
        External {
            database_url: env.optional("DATABASE_URL"),
            redis_url: env.optional("REDIS_URL"),
            kafka_brokers: env.optional("KAFKA_BROKERS"),
        }
    }
}

/// Postgres, Redis and Kafka, running. Dropping the value stops those that it started.
#[derive(Debug)]
pub struct Servers {
    /// `postgres://…` of the database.
    pub database_url: String,
    /// `redis://…`.
    pub redis_url: String,
    /// `host:port` of the brokers.
    pub kafka_brokers: String,
    // Dropped in this order: the servers before the directory in which they work.
    kafka: Option<Kafka>,
    _mock: Option<MockKafka>,
    _redis: Option<Redis>,
    _postgres: Option<Postgres>,
    _directory: Directory,
}

impl Servers {
    /// Starts in `directory` the servers that `external` does not name.
    ///
    /// # Errors
    /// A server is not installed or does not answer.
    pub async fn start(
        external: External,
        home: &Home,
        directory: Directory,
        broker: Broker,
        progress: &mut Progress,
    ) -> Result<Servers> {
        progress.begin("Postgres");
        let (database_url, postgres) = if let Some(url) = external.database_url {
            progress.done("DATABASE_URL");
            (url, None)
        } else {
            let server = Postgres::start(&directory.join("postgres")).await?;
            progress.done(server.url());
            (server.url(), Some(server))
        };
        progress.begin("Redis");
        let (redis_url, redis) = if let Some(url) = external.redis_url {
            progress.done("REDIS_URL");
            (url, None)
        } else {
            let server = Redis::start(&directory.join("redis")).await?;
            progress.done(server.url());
            (server.url(), Some(server))
        };
        progress.begin("Kafka");
        let (kafka_brokers, kafka, mock) = match (external.kafka_brokers, broker) {
            (Some(brokers), _) => {
                progress.done("KAFKA_BROKERS");
                (brokers, None, None)
            }
            (None, Broker::Real) => {
                let server = Kafka::start(&home.kafka_jars()?, &directory.join("kafka")).await?;
                progress.done(server.brokers());
                (server.brokers(), Some(server), None)
            }
            (None, Broker::Mock) => {
                let server = MockKafka::start(None)?;
                progress.done(format!(
                    "{} (a mock: it keeps no message after this ends)",
                    server.brokers()
                ));
                (server.brokers().to_owned(), None, Some(server))
            }
        };
        Ok(Servers {
            database_url,
            redis_url,
            kafka_brokers,
            kafka,
            _mock: mock,
            _redis: redis,
            _postgres: postgres,
            _directory: directory,
        })
    }

    /// The environment variables that name them.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, &str); 3] {
        [
            ("DATABASE_URL", &self.database_url),
            ("REDIS_URL", &self.redis_url),
            ("KAFKA_BROKERS", &self.kafka_brokers),
        ]
    }

    /// The process id of the Kafka broker, if it was started here and is not being restarted.
    #[must_use]
    pub fn kafka_process(&self) -> Option<u32> {
        self.kafka.as_ref()?.process_id()
    }

    /// Whether the Kafka broker was started here.
    #[must_use]
    pub fn owns_kafka(&self) -> bool {
        self.kafka.is_some()
    }

    /// Stops the Kafka broker that was started here, and starts it `pause` later with the same data and on the same port. The
    /// future is ready when it answers; nothing happens before it is polled. `None` if the broker was not started here.
    ///
    /// # Errors
    /// The broker does not start again.
    #[must_use]
    pub fn restart_kafka(
        &self,
        pause: Duration,
    ) -> Option<impl Future<Output = Result<()>> + Send + 'static> {
        Some(self.kafka.as_ref()?.restart(pause))
    }
}
