//! Starts and stops the worker service as a process.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use infra::testing::{kafka_brokers, redis_url};
use tokio::process::{Child, Command};

use crate::world::World;

/// How long a test waits for the process.
const TIMEOUT: Duration = Duration::from_mins(1);

pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a worker with the world's database and Stripe, and its own Redis database; it aborts at `crash_at`, if given.
    pub(crate) fn start(world: &World, redis: u8, crash_at: Option<&str>) -> Self {
        Self::with(world, redis, crash_at, &[])
    }

    /// As [`Process::start`], with these variables besides.
    pub(crate) fn with(
        world: &World,
        redis: u8,
        crash_at: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker-service"));
        command
            .env_clear()
            .env("DATABASE_URL", world.database.url())
            .env(
                "REDIS_URL",
                format!("{}/{redis}", redis_url().trim_end_matches('/')),
            )
            .env(
                "KAFKA_BROKERS",
                kafka_brokers().expect("KAFKA_BROKERS is set by `make test`"),
            )
            .env("STRIPE_API_KEY", "sk_test_worker")
            .env("STRIPE_API_BASE", &world.stripe)
            .env("STRIPE_TIMEOUT_SECONDS", "1")
            .env("WORKER_LEASE_SECONDS", "2")
            .env("WEBHOOK_ALLOW_PRIVATE", "true")
            .env("WEBHOOK_TIMEOUT_SECONDS", "1")
            .env("WORKER_ADDR", "127.0.0.1:0")
            .env("RUST_LOG", "warn")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(point) = crash_at {
            command.env("PAWL_CRASH_AT", point);
        }
        Self {
            child: command.spawn().unwrap(),
        }
    }

    /// Waits until the process has ended by itself.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        tokio::time::timeout(TIMEOUT, self.child.wait())
            .await
            .expect("it ends in time")
            .unwrap()
    }

    /// Sends SIGTERM and waits until the process has ended.
    pub(crate) async fn stop(self) -> ExitStatus {
        let id = self.child.id().expect("it runs").to_string();
        let killed = Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .await
            .unwrap();
        assert!(killed.success());
        self.ended().await
    }
}

/// Reads a value repeatedly until `found` accepts it; fails after a minute with the last value.
pub(crate) async fn until<T: std::fmt::Debug, F: Future<Output = T>>(
    read: impl Fn() -> F,
    found: impl Fn(&T) -> bool,
) -> T {
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    loop {
        let value = read().await;
        if found(&value) {
            return value;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "not in time; last value: {value:#?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
