//! `pawl services -- COMMAND`: private servers around one command, for tests and proofs.

use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use infra::Env;
use infra::kafka::MockKafka;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio_util::sync::CancellationToken;

use crate::output::Progress;
use crate::stack::{Home, Kafka, Place, Postgres, Redis};

/// Starts a private Postgres, Redis and Kafka, runs a command with DATABASE_URL, REDIS_URL and KAFKA_BROKERS set, stops
/// what it started and exits as the command did.
///
/// A variable that is set in the environment or in .env is used instead of a server of our own.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A real Apache Kafka broker, or librdkafka's mock in this process.
    #[arg(long, value_enum, default_value_t = Broker::Real)]
    kafka: Broker,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Broker {
    Real,
    Mock,
}

/// Runs the command; its exit code is ours.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    let shutdown = infra::shutdown::signal();
    // Dropped when this function returns, which stops every server.
    let servers = tokio::select! {
        servers = Servers::start(options.kafka) => servers?,
        () = shutdown.cancelled() => return Ok(interrupted()),
    };
    let mut command = Command::new(&options.command[0]);
    command
        .args(&options.command[1..])
        .envs(servers.variables());
    let status = supervise(command, &shutdown).await?;
    Ok(exit_code(status))
}

/// The servers that run for the command, and where they are.
#[derive(Debug)]
struct Servers {
    database_url: String,
    redis_url: String,
    kafka_brokers: String,
    // Dropped in this order: clients of the place before the place itself.
    _kafka: Option<Kafka>,
    _mock: Option<MockKafka>,
    _redis: Option<Redis>,
    _postgres: Option<Postgres>,
    _place: Place,
}

impl Servers {
    async fn start(broker: Broker) -> Result<Servers> {
        let env = Env::load();
        let home = Home::find()?;
        let place = home.throw_away().await?;
        let mut progress = Progress::new();

        let (database_url, postgres) = match env.optional("DATABASE_URL") {
            Some(url) => (url, None),
            None => {
                progress.begin("Postgres");
                let server = Postgres::start(&place.join("postgres")).await?;
                progress.done(server.url());
                (server.url(), Some(server))
            }
        };
        let (redis_url, redis) = match env.optional("REDIS_URL") {
            Some(url) => (url, None),
            None => {
                progress.begin("Redis");
                let server = Redis::start(&place.join("redis")).await?;
                progress.done(server.url());
                (server.url(), Some(server))
            }
        };
        let (kafka_brokers, kafka, mock) = match (env.optional("KAFKA_BROKERS"), broker) {
            (Some(brokers), _) => (brokers, None, None),
            (None, Broker::Real) => {
                progress.begin("Kafka");
                let server = Kafka::start(&home, &place.join("kafka")).await?;
                progress.done(server.brokers());
                (server.brokers(), Some(server), None)
            }
            (None, Broker::Mock) => {
                let server = MockKafka::start(None)?;
                (server.brokers().to_owned(), None, Some(server))
            }
        };
        Ok(Servers {
            database_url,
            redis_url,
            kafka_brokers,
            _kafka: kafka,
            _mock: mock,
            _redis: redis,
            _postgres: postgres,
            _place: place,
        })
    }

    fn variables(&self) -> [(&'static str, &str); 3] {
        [
            ("DATABASE_URL", &self.database_url),
            ("REDIS_URL", &self.redis_url),
            ("KAFKA_BROKERS", &self.kafka_brokers),
        ]
    }
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

fn interrupted() -> ExitCode {
    ExitCode::from(130)
}
