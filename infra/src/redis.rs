//! Connections to Redis.

mod lookups;

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisResult};

pub use lookups::{Lookups, Tokens, Unavailable};

/// A shared connection that is opened at its first command, and reopened whenever it breaks.
///
/// Nothing is connected here, so a service starts while Redis is unavailable. A command fails after `response_timeout`:
/// choose 10 s for the queue (apalis ends its worker at any error, and a short pause of Redis should not end it) and 1 s
/// or less where a request waits for the answer. Must be called within a Tokio runtime.
///
/// # Errors
/// If `url` is not a Redis URL.
pub fn manager(url: &str, response_timeout: Duration) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(1)))
        .set_response_timeout(Some(response_timeout))
        .set_number_of_retries(1)
        .set_min_delay(Duration::from_millis(20))
        .set_max_delay(Duration::from_millis(500));
    ConnectionManager::new_lazy_with_config(Client::open(url)?, config)
}

/// Checks that Redis answers now.
///
/// # Errors
/// If it could not be reached or did not answer in time.
pub async fn ping(manager: &ConnectionManager) -> RedisResult<()> {
    redis::cmd("PING").query_async(&mut manager.clone()).await
}
