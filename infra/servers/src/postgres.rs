//! A private Postgres server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep};

use crate::child::Child;
use crate::unprivileged::{Unprivileged, remove_dir};
use crate::{leftovers, ports};

/// The name of the server's executable.
pub(crate) const PROGRAM: &str = "postgres";

/// Settings for tests; those that make a commit durable keep their default: on.
const SETTINGS: [&str; 8] = [
    "listen_addresses=127.0.0.1",
    // The path of a Unix socket may have 107 characters, which a deep checkout exceeds; clients use TCP.
    "unix_socket_directories=",
    "max_connections=300",
    "shared_buffers=256MB",
    "max_wal_size=2GB",
    // One full page image per page and checkpoint: fewer checkpoints, less to write.
    "checkpoint_timeout=15min",
    "wal_compression=lz4",
    "log_min_messages=warning",
];

/// A running server with a database `pawl` and a superuser `pawl` that needs no password from 127.0.0.1.
#[derive(Debug)]
pub(crate) struct Postgres {
    child: Child,
    port: u16,
}

impl Postgres {
    /// Starts a server on the data in `dir`, which is created when it is missing.
    pub(crate) async fn start(dir: &Path) -> Result<Postgres> {
        leftovers::stop(PROGRAM, dir).await?;
        let user = Unprivileged::find()?;
        let data = user.make_dir(dir)?;
        let log = dir.with_extension("log");
        if !data.join("PG_VERSION").exists() {
            init(&user, dir, &log).await?;
        }
        // A kill -9 leaves this file behind. Its server was stopped above, so the process id in it is stale.
        let _ = fs::remove_file(data.join("postmaster.pid"));

        let mut failure = None;
        for _ in 0..3 {
            let port = ports::free()?;
            let mut command = program(&user, &data, PROGRAM);
            command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
            for setting in SETTINGS {
                command.args(["-c", setting]);
            }
            let child = Child::spawn("Postgres", command, &log)?;
            match (Postgres { child, port }).ready().await {
                Ok(server) => return Ok(server),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| anyhow!("Postgres did not start")))
    }

    /// `postgres://…` of the database `pawl`.
    pub(crate) fn url(&self) -> String {
        self.url_of("pawl")
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it without a chance to write or to say goodbye (SIGKILL).
    pub(crate) fn kill(self) -> Result<()> {
        let process = Pid::from_raw(self.child.id().cast_signed());
        kill(process, Signal::SIGKILL).context("kill Postgres")
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://pawl@127.0.0.1:{}/{database}", self.port)
    }

    async fn ready(mut self) -> Result<Postgres> {
        let deadline = Instant::now() + Duration::from_mins(1);
        let mut connection = loop {
            self.child.running()?;
            match PgConnection::connect(&self.url_of("postgres")).await {
                Ok(connection) => break connection,
                Err(error) if Instant::now() > deadline => {
                    return Err(error).context("Postgres started but did not answer for a minute");
                }
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        };
        let found = sqlx::query("select from pg_database where datname = 'pawl'")
            .fetch_optional(&mut connection)
            .await?;
        if found.is_none() {
            sqlx::query("create database pawl")
                .execute(&mut connection)
                .await?;
        }
        connection.close().await?;
        Ok(self)
    }
}

/// Copies the data of a server to `dir`, for a standby that follows it.
pub(crate) async fn copy(primary: &Postgres, dir: &Path) -> Result<()> {
    remove_dir(dir)?;
    let user = Unprivileged::find()?;
    let data = user.make_dir(dir)?;
    let mut command = program(&user, &data, "pg_basebackup");
    command.args([
        "--host=127.0.0.1",
        "--username=pawl",
        "--write-recovery-conf",
        "--checkpoint=fast",
    ]);
    command
        .arg(format!("--port={}", primary.port))
        .arg("--pgdata")
        .arg(&data);
    let log = dir.with_extension("log");
    Child::spawn("pg_basebackup", command, &log)?
        .success()
        .await
}

/// Creates an empty cluster in `dir`; what an interrupted run left there is removed first.
async fn init(user: &Unprivileged, dir: &Path, log: &Path) -> Result<()> {
    remove_dir(dir)?;
    let data = user.make_dir(dir)?;
    let mut command = program(user, &data, "initdb");
    command.arg("-D").arg(&data).args([
        "--username=pawl",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
    ]);
    Child::spawn("initdb", command, log)?.success().await
}

fn program(user: &Unprivileged, data: &Path, name: &str) -> Command {
    let mut command = Command::new(executable(name));
    user.run_as(&mut command);
    command.current_dir(data);
    command
}

/// Debian keeps the servers of each version in a directory of its own, outside the search path.
fn executable(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let newest = versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let path = entry.path().join("bin").join(name);
            path.is_file().then_some((version, path))
        })
        .max();
    newest.map_or_else(|| PathBuf::from(name), |(_, path)| path)
}
