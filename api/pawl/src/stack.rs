//! Private servers for a developer's machine, tests and proofs: Postgres, Redis and a real Apache Kafka broker.
//!
//! ```text
//! let home = Home::find()?;
//! let place = home.throw_away().await?;                                // or home.kept("dev")?
//! let postgres = Postgres::start(&place.join("postgres")).await?;      // postgres.url()
//! let redis = Redis::start(&place.join("redis")).await?;               // redis.url()
//! let kafka = Kafka::start(&home, &place.join("kafka")).await?;        // kafka.brokers()
//! ```
//!
//! Each `start` returns when the server answers on a free port of 127.0.0.1. Dropping the value stops the server and waits
//! for its end; when this process dies without dropping (kill -9), a guard process stops the server. A server left in the
//! directory by an earlier process is stopped before a new one starts there.

mod child;
mod home;
mod kafka;
mod leftovers;
mod ports;
mod postgres;
mod redis;
mod servers;
mod unprivileged;

pub(crate) use child::Guard;
pub(crate) use home::{Home, Place};
pub(crate) use kafka::Kafka;
pub(crate) use postgres::Postgres;
pub(crate) use redis::Redis;
pub(crate) use servers::{Broker, Servers};
