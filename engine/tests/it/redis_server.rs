//! A Redis of one test's own, to be flushed, paused and killed.

use std::process::Stdio;
use std::time::Duration;

use redis::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::wait::until;

/// A running server without persistence. It ends with this guard.
pub(crate) struct RedisServer {
    port: u16,
    directory: TempDir,
    child: Child,
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let directory = tempfile::tempdir().unwrap();
        let child = spawn(port, &directory);
        let server = Self {
            port,
            directory,
            child,
        };
        server.answers().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Stops it as kill -9 does.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it on the same port, empty.
    pub(crate) async fn start_again(&mut self) {
        self.child = spawn(self.port, &self.directory);
        self.answers().await;
    }

    pub(crate) async fn command(&self, words: &[&str]) -> Value {
        self.try_command(words).await.unwrap()
    }

    async fn try_command(&self, words: &[&str]) -> redis::RedisResult<Value> {
        let redis = infra::redis::manager(&self.url(), Duration::from_secs(5)).unwrap();
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut redis.clone()).await
    }

    async fn answers(&self) {
        until("the test's Redis answers", async || {
            self.try_command(&["PING"]).await.is_ok()
        })
        .await;
    }
}

fn spawn(port: u16, directory: &TempDir) -> Child {
    Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .current_dir(directory.path())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server is installed")
}
