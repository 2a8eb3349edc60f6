//! A private Redis server that keeps nothing on disk.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::time::{Instant, sleep};

use crate::child::Child;
use crate::{leftovers, ports};

/// The name of the server's executable; on Debian `redis-server` is a link to `redis-check-rdb`.
pub(crate) const PROGRAM: &str = "redis-";

/// A running server. Nothing in Redis is a fact (design, invariant 8), so nothing is saved.
#[derive(Debug)]
pub(crate) struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    /// Starts a server that works in `dir`.
    pub(crate) async fn start(dir: &Path) -> Result<Redis> {
        leftovers::stop(PROGRAM, dir).await?;
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        let mut failure = None;
        for _ in 0..3 {
            let port = ports::free()?;
            let mut command = Command::new("redis-server");
            command
                .current_dir(dir)
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
                .args(["--save", "", "--appendonly", "no"]);
            let child = Child::spawn("Redis", command, &dir.with_extension("log"))?;
            match (Redis { child, port }).ready().await {
                Ok(server) => return Ok(server),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| anyhow!("Redis did not start")))
    }

    /// `redis://…` of database 0.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    async fn ready(mut self) -> Result<Redis> {
        let client = redis::Client::open(self.url())?;
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            self.child.running()?;
            if let Ok(mut connection) = client.get_multiplexed_async_connection().await
                && redis::cmd("PING")
                    .query_async::<()>(&mut connection)
                    .await
                    .is_ok()
            {
                return Ok(self);
            }
            if Instant::now() > deadline {
                bail!("Redis started but did not answer within 20 s");
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}
