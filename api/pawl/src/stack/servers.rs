//! Postgres, Redis and Kafka as one: those that the environment names, and private ones for the rest.

use anyhow::Result;
use clap::ValueEnum;
use infra::Env;
use infra::kafka::MockKafka;

use super::{Home, Kafka, Place, Postgres, Redis};
use crate::output::Progress;

/// What stands in for Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Broker {
    /// Apache Kafka, one node.
    Real,
    /// librdkafka's mock in this process, which forgets everything at its end.
    Mock,
}

/// The three servers, and where they are. Dropping it stops those that it started.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) database_url: String,
    pub(crate) redis_url: String,
    pub(crate) kafka_brokers: String,
    // Dropped in this order: what works in the place before the place itself.
    _kafka: Option<Kafka>,
    _mock: Option<MockKafka>,
    _redis: Option<Redis>,
    _postgres: Option<Postgres>,
    _place: Place,
}

impl Servers {
    /// Uses `DATABASE_URL`, `REDIS_URL` and `KAFKA_BROKERS` where `env` has them, and starts the others in `place`.
    pub(crate) async fn start(
        env: &Env,
        home: &Home,
        place: Place,
        broker: Broker,
        progress: &mut Progress,
    ) -> Result<Servers> {
        progress.begin("Postgres");
        let (database_url, postgres) = if let Some(url) = env.optional("DATABASE_URL") {
            progress.done("DATABASE_URL");
            (url, None)
        } else {
            let server = Postgres::start(&place.join("postgres")).await?;
            progress.done(server.url());
            (server.url(), Some(server))
        };
        progress.begin("Redis");
        let (redis_url, redis) = if let Some(url) = env.optional("REDIS_URL") {
            progress.done("REDIS_URL");
            (url, None)
        } else {
            let server = Redis::start(&place.join("redis")).await?;
            progress.done(server.url());
            (server.url(), Some(server))
        };
        progress.begin("Kafka");
        let (kafka_brokers, kafka, mock) = match (env.optional("KAFKA_BROKERS"), broker) {
            (Some(brokers), _) => {
                progress.done("KAFKA_BROKERS");
                (brokers, None, None)
            }
            (None, Broker::Real) => {
                let server = Kafka::start(home, &place.join("kafka")).await?;
                progress.done(server.brokers());
                (server.brokers(), Some(server), None)
            }
            (None, Broker::Mock) => {
                let server = MockKafka::start(None)?;
                progress.done(format!(
                    "{} (a mock: it forgets when this ends)",
                    server.brokers()
                ));
                (server.brokers().to_owned(), None, Some(server))
            }
        };
        Ok(Servers {
            database_url,
            redis_url,
            kafka_brokers,
            _kafka: kafka,
            _mock: mock,
            _redis: redis,
            _postgres: postgres,
            _place: place,
        })
    }

    /// The variables that name them.
    pub(crate) fn variables(&self) -> [(&'static str, &str); 3] {
        [
            ("DATABASE_URL", &self.database_url),
            ("REDIS_URL", &self.redis_url),
            ("KAFKA_BROKERS", &self.kafka_brokers),
        ]
    }
}
