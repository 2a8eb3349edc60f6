//! `pawl hello`: the smallest axum service, in a process of its own, with which the gateway is compared.

use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::output;

/// The path it answers.
pub(super) const PATH: &str = "/hello";

/// Serves one route with axum's defaults until it is killed; the first line of its output is its address.
///
/// # Errors
/// No port is free.
pub async fn run() -> Result<ExitCode> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    output::line(listener.local_addr()?.to_string());
    let router = Router::new().route(PATH, get(|| async { "hello" }));
    axum::serve(listener, router).await?;
    Ok(ExitCode::SUCCESS)
}

/// The process, which ends with this value.
#[derive(Debug)]
pub(super) struct Hello {
    child: Child,
    pub(super) address: std::net::SocketAddr,
}

impl Hello {
    /// Starts this very binary again; returns when it listens.
    pub(super) async fn start(threads: &str) -> Result<Hello> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("hello")
            .env("TOKIO_WORKER_THREADS", threads)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting pawl hello")?;
        let output = child.stdout.take().context("pawl hello has no output")?;
        let line = BufReader::new(output).lines().next_line().await?;
        let address = line.context("pawl hello ended at once")?.parse()?;
        Ok(Hello { child, address })
    }

    /// The process id, while it runs.
    pub(super) fn pid(&self) -> Option<i32> {
        self.child.id().and_then(|pid| i32::try_from(pid).ok())
    }
}
