//! `pawl services -- COMMAND`: private servers around one command, for tests and proofs.

use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use infra::Env;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio_util::sync::CancellationToken;

use crate::load::{Fleet, Options as FleetOptions, Sharing, run_name};
use crate::output::Progress;
use crate::stack::{Broker, Guard, Home, Servers};

/// Starts a private Postgres, Redis and Kafka, runs a command with `DATABASE_URL`, `REDIS_URL` and `KAFKA_BROKERS` set,
/// stops what it started and exits as the command did.
///
/// A variable that is set in the environment or in .env is used instead of a server of our own.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A real Apache Kafka broker, or librdkafka's mock in this process.
    #[arg(long, value_enum, default_value_t = Broker::Real)]
    kafka: Broker,
    /// Starts Pawl's own services too, with their rate limits off: the command finds `GATEWAY_URL`, `AUTH_URL`,
    /// `AUTH_API_KEY`, and the token of an admin in `TOKEN`, valid for 15 minutes.
    #[arg(long)]
    doors: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Runs the command; its exit code is ours.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    let shutdown = infra::shutdown::signal();
    if options.doors {
        return among_doors(options.command, &shutdown).await;
    }
    // Dropped when this function returns, which stops every server.
    let servers = tokio::select! {
        servers = start(options.kafka) => servers?,
        () = shutdown.cancelled() => return Ok(ExitCode::from(130)),
    };
    let mut command = Command::new(&options.command[0]);
    command
        .args(&options.command[1..])
        .envs(servers.variables());
    let status = supervise(command, &shutdown).await?;
    Ok(exit_code(status))
}

/// The same, with services of our own.
async fn among_doors(command: Vec<OsString>, shutdown: &CancellationToken) -> Result<ExitCode> {
    let fleet_options = FleetOptions {
        name: run_name("doors"),
        workers: 1,
        sharing: Sharing::Polite,
        log: "info",
        operations: true,
        environment: Vec::new(),
    };
    let mut progress = Progress::new();
    let fleet = tokio::select! {
        fleet = Fleet::start(&fleet_options, &mut progress) => fleet?,
        () = shutdown.cancelled() => return Ok(ExitCode::from(130)),
    };
    progress.end();
    let mut around = Command::new(&command[0]);
    around
        .args(&command[1..])
        .env("GATEWAY_URL", format!("http://{}", fleet.gateway))
        .env("AUTH_URL", &fleet.auth)
        .env("AUTH_API_KEY", fleet.keys.api_key)
        .env("TOKEN", fleet.log_in_as_admin().await?);
    let status = supervise(around, shutdown).await?;
    fleet.stop(true).await?;
    Ok(exit_code(status))
}

async fn start(broker: Broker) -> Result<Servers> {
    let home = Home::find()?;
    let place = home.throw_away().await?;
    Servers::start(&Env::load(), &home, place, broker, &mut Progress::new()).await
}

/// Waits for the command; when we are told to stop, so is it and all it started.
async fn supervise(mut command: Command, shutdown: &CancellationToken) -> Result<ExitStatus> {
    let name = command.get_program().display().to_string();
    // A group of its own, so that the signal we pass on reaches the whole tree below it, once.
    command.process_group(0);
    let mut child = tokio::process::Command::from(command)
        .spawn()
        .with_context(|| format!("run {name}"))?;
    let group = child.id().map(|id| Pid::from_raw(id.cast_signed()));
    // For the case that we are killed, as the servers have theirs.
    let _guard = group
        .map(|group| Guard::over(-group.as_raw(), Signal::SIGTERM))
        .transpose()?;
    tokio::select! {
        status = child.wait() => return Ok(status?),
        () = shutdown.cancelled() => {}
    }
    let tell = |signal| group.map(|group| killpg(group, signal));
    tell(Signal::SIGTERM);
    if let Ok(status) = tokio::time::timeout(Duration::from_secs(20), child.wait()).await {
        return Ok(status?);
    }
    tell(Signal::SIGKILL);
    Ok(child.wait().await?)
}

/// As a shell does it: 128 and the signal's number for a command that died of a signal.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(1))
}
