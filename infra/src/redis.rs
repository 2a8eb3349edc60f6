//! Connections to Redis.

mod connection;
mod lookups;

use std::time::Duration;

use redis::RedisResult;

pub use connection::Connection;
pub use lookups::{Lookups, Tokens, Unavailable};

/// A shared connection that is opened at its first command, and opened anew whenever it breaks or does not answer in time.
///
/// Nothing is connected here, so a service starts while Redis is unavailable. A command fails after `response_timeout`:
/// choose 10 s for the queue (apalis ends its worker at any error, and a short pause of Redis should not end it) and 1 s
/// or less where a request waits for the answer. Must be called within a Tokio runtime.
///
/// # Errors
/// If `url` is not a Redis URL.
pub fn manager(url: &str, response_timeout: Duration) -> RedisResult<Connection> {
    Connection::new(url, response_timeout)
}

/// Checks that Redis answers now.
///
/// # Errors
/// If it could not be reached or did not answer in time.
pub async fn ping(connection: &Connection) -> RedisResult<()> {
    redis::cmd("PING")
        .query_async(&mut connection.clone())
        .await
}
