//! `pawl services -- COMMAND`: runs a command with private servers, for tests and proofs.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use infra::Env;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use servers::{Broker, External, Guard, Home, Progress, Servers};
use tokio_util::sync::CancellationToken;

/// The exit code of a command that Ctrl-C or SIGTERM ended before it began.
const INTERRUPTED: u8 = 130;
/// The time that the command has after SIGTERM until SIGKILL.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts a private Postgres, Redis and Kafka, runs a command with `DATABASE_URL`, `REDIS_URL` and `KAFKA_BROKERS` set,
/// stops what it started and exits as the command did.
///
/// A variable that is set in the environment or in .env is used instead of a private server.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A real Apache Kafka broker, or librdkafka's mock in this process.
    #[arg(long, value_enum, default_value_t = Broker::Real)]
    kafka: Broker,
    /// Starts Pawl's own services too, with their rate limits off: the command finds `GATEWAY_URL`, `AUTH_URL`,
    /// `AUTH_API_KEY`, and the token of an admin in `TOKEN`, valid for 15 minutes.
    #[cfg(feature = "proof")]
    #[arg(long, alias = "doors")]
    pawl: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Runs the command and exits with its exit code.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    let shutdown = infra::shutdown::signal();
    #[cfg(feature = "proof")]
    if options.pawl {
        return with_pawl(options.command, &shutdown).await;
    }
    // Dropped when this function returns, which stops every server.
    let start = shutdown.run_until_cancelled(start(options.kafka));
    let Some(servers) = start.await.transpose()? else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    supervise(options.command, servers.variables(), &shutdown).await
}

/// Runs the command beside Pawl's own services.
#[cfg(feature = "proof")]
async fn with_pawl(command: Vec<OsString>, shutdown: &CancellationToken) -> Result<ExitCode> {
    let mut progress = Progress::new();
    let start = proof::fleet::Fleet::for_a_command(&mut progress);
    let Some(fleet) = shutdown.run_until_cancelled(start).await.transpose()? else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    progress.end();
    let code = supervise(command, fleet.variables().await?, shutdown).await?;
    fleet.stop(true).await?;
    Ok(code)
}

async fn start(broker: Broker) -> Result<Servers> {
    let home = Home::find()?;
    let directory = home.temporary().await?;
    let external = External::from_env(&Env::load());
    Servers::start(external, &home, directory, broker, &mut Progress::new()).await
}

/// Runs the command and waits for its end. A signal to this process ends the command and all processes that it started.
async fn supervise<V: AsRef<OsStr>>(
    arguments: Vec<OsString>,
    variables: impl IntoIterator<Item = (&'static str, V)>,
    shutdown: &CancellationToken,
) -> Result<ExitCode> {
    let (program, arguments) = arguments.split_first().context("no command is given")?;
    let name = program.display();
    let mut command = Command::new(program);
    // In a group of its own, so that a signal passed on reaches the command and its descendants once.
    command.args(arguments).envs(variables).process_group(0);
    let mut child = tokio::process::Command::from(command)
        .spawn()
        .with_context(|| format!("run {name}"))?;
    let group = child.id().map(|id| Pid::from_raw(id.cast_signed()));
    // If this process is killed, the guard stops the command, as the guards of the servers stop them.
    let _guard = group
        .map(|group| Guard::over(-group.as_raw(), Signal::SIGTERM))
        .transpose()?;
    if let Some(status) = shutdown.run_until_cancelled(child.wait()).await {
        return Ok(exit_code(status?));
    }
    let send = |signal| group.map(|group| killpg(group, signal));
    send(Signal::SIGTERM);
    if let Ok(status) = tokio::time::timeout(PATIENCE, child.wait()).await {
        return Ok(exit_code(status?));
    }
    send(Signal::SIGKILL);
    Ok(exit_code(child.wait().await?))
}

/// The exit code as a shell gives it: 128 plus the signal's number for a command that a signal ended.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(1))
}
