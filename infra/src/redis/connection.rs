//! A connection to Redis that is replaced when it does not answer in time.
//!
//! The connection manager of the library opens a new connection when one breaks. One that takes what is sent and never
//! answers (after a failover behind a proxy or a NAT) is not broken for it, and would fail each command for ever.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, Pipeline, RedisFuture, RedisResult, Value};
use tokio::time::Instant;

/// A shared connection to Redis. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

struct Shared {
    client: Client,
    config: ConnectionManagerConfig,
    database: i64,
    current: RwLock<Current>,
}

struct Current {
    manager: ConnectionManager,
    since: Instant,
}

impl fmt::Debug for Connection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Connection")
    }
}

impl Connection {
    pub(super) fn new(url: &str, response_timeout: Duration) -> RedisResult<Self> {
        let client = Client::open(url)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(response_timeout))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(20))
            .set_max_delay(Duration::from_millis(500));
        let manager = ConnectionManager::new_lazy_with_config(client.clone(), config.clone())?;
        let database = manager.get_db();
        let since = Instant::now();
        Ok(Self(Arc::new(Shared {
            client,
            config,
            database,
            current: RwLock::new(Current { manager, since }),
        })))
    }

    /// Leaves the present connection to the commands that wait for it, and opens another one for the next command, because a
    /// command that was sent at `sent` was not answered in time. Without effect if the connection was replaced since then.
    ///
    /// A caller with a time-out of its own must call it; a command that runs into the connection's own time-out does so by
    /// itself.
    pub fn replace(&self, sent: Instant) {
        let mut current = self.0.current.write();
        if current.since > sent {
            return;
        }
        let (client, config) = (self.0.client.clone(), self.0.config.clone());
        // The first one was made from the same address, so that no error is possible here.
        if let Ok(manager) = ConnectionManager::new_lazy_with_config(client, config) {
            let since = Instant::now();
            *current = Current { manager, since };
            tracing::debug!(
                "Redis did not answer in time; the next commands are sent over a new connection"
            );
        }
    }

    fn now(&self) -> ConnectionManager {
        self.0.current.read().manager.clone()
    }

    async fn watched<T>(&self, answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        let sent = Instant::now();
        let answer = answer.await;
        if answer.as_ref().is_err_and(redis::RedisError::is_timeout) {
            self.replace(sent);
        }
        answer
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let mut manager = self.now();
            self.watched(manager.req_packed_command(command)).await
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let mut manager = self.now();
            self.watched(manager.req_packed_commands(pipeline, offset, count))
                .await
        })
    }

    fn get_db(&self) -> i64 {
        self.0.database
    }
}
