//! `pawl dev`: all of Pawl on this machine, each service a task of this process.

mod facts;
mod services;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use facts::Facts;
use infra::Env;
use servers::{Broker, External, Home, Progress, Servers};
use services::{Listeners, Services, Settings};

use crate::demo::Secrets;
use crate::{demo, migrate, output, seed};

/// The exit code after Ctrl-C or SIGTERM during the start.
const INTERRUPTED: u8 = 130;
/// The time in which the services must answer.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Starts Postgres, Redis, Kafka, the Stripe simulator and every service, creates a demonstration account, and prints how
/// to use it. Ctrl-C stops all of it; the payments are still there at the next start.
///
/// `DATABASE_URL`, `REDIS_URL`, `KAFKA_BROKERS` and `STRIPE_API_BASE`, set in the environment or in .env, are used
/// instead of private servers.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A mock in this process, which keeps no message after its end; or a real Apache Kafka, which
    /// `infra/scripts/setup.sh test` downloads.
    #[arg(long, value_enum, default_value_t = Broker::Mock)]
    kafka: Broker,
    /// Makes no demonstration payments at the first start.
    #[arg(long)]
    no_demo: bool,
}

/// Runs until a signal, or until a service fails.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    // A person reads the progress and the summary; only warnings are logged beside them.
    infra::telemetry::start_at("pawl", "warn");
    let shutdown = infra::shutdown::signal();
    // Dropping a server stops it, so an early Ctrl-C leaves no server running either.
    let running = shutdown
        .run_until_cancelled(Box::pin(Running::start(&options)))
        .await;
    let Some(mut running) = running.transpose()? else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    running.facts.print();
    if !options.no_demo && running.is_new && running.simulator.is_some() {
        tokio::spawn(make_demo());
    }
    let failure = shutdown
        .run_until_cancelled(running.services.failure())
        .await;
    output::notice("stopping");
    running.stop().await;
    infra::telemetry::stop();
    match failure {
        None => Ok(ExitCode::SUCCESS),
        Some(error) => Err(error),
    }
}

/// Makes the demonstration's payments beside what the person does meanwhile.
async fn make_demo() {
    let made = async {
        let running = crate::running::Running::find()?;
        seed::demo::make(&running, |_, _| ()).await
    };
    output::notice(&match made.await {
        Ok(()) => "the demonstration's payments are in the console".to_owned(),
        Err(error) => format!(
            "failed to make the demonstration's payments: {error:#}; `pawl seed --scenario demo` goes on"
        ),
    });
}

/// The running services and servers.
struct Running {
    facts: Facts,
    /// Whether the database has no payment yet.
    is_new: bool,
    // Dropped in this order: the services before the servers that they use.
    services: Services,
    simulator: Option<Services>,
    _servers: Servers,
}

impl Running {
    async fn start(options: &Options) -> Result<Running> {
        let home = Home::find()?;
        let directory = home.permanent("dev")?;
        let file = home.join("dev.json");
        // A program that waits for the file must not read the one of an earlier start.
        let _ = std::fs::remove_file(&file);
        let secrets = Secrets::load_or_generate(&directory.join("secrets.json"))?;
        let state_file = directory.join("simulator.json");

        // Every fault of the environment and every busy port is reported before a server is started.
        let listeners = Listeners::open(&secrets).await?;

        let mut progress = Progress::new();
        let external = External::from_env(&Env::load());
        let servers =
            Servers::start(external, &home, directory, options.kafka, &mut progress).await?;

        progress.begin("schema");
        let pool = infra::postgres::pool(&servers.database_url, 2)?;
        connect(&pool, &servers.database_url).await?;
        let version = migrate::apply(&pool).await?;
        demo::seed(&pool, &secrets).await?;
        let is_new = sqlx::query_scalar("select not exists (select from payment)");
        let is_new = is_new.fetch_one(&pool).await?;
        pool.close().await;
        progress.done(format!("version {version}, demonstration account seeded"));

        progress.begin("services");
        let addresses = listeners.addresses()?;
        let settings = Settings::new(&secrets, &addresses, &servers);
        let (services, simulator) = listeners.serve(&settings, &addresses, &secrets, state_file)?;
        let facts = Facts::new(&secrets, addresses, &settings, &servers);
        let answering = tokio::time::timeout(START_LIMIT, facts.until_all_answer()).await;
        answering
            .with_context(|| format!("the services do not answer after {START_LIMIT:?}"))??;
        progress.done("gateway, auth, core, worker");
        facts.write(&file)?;
        Ok(Running {
            facts,
            is_new,
            services,
            simulator,
            _servers: servers,
        })
    }

    /// Stops the services while the simulator still answers them, then the simulator, and the servers last.
    async fn stop(self) {
        self.services.stop().await;
        if let Some(simulator) = self.simulator {
            simulator.stop().await;
        }
    }
}

/// Connects to the database, which may be one of `DATABASE_URL` that does not run; the error says what to do.
async fn connect(pool: &sqlx::PgPool, url: &str) -> Result<()> {
    infra::postgres::ping(pool).await.with_context(|| {
        let address = url.rsplit_once('@').map_or(url, |(_, address)| address);
        format!("DATABASE_URL leads to {address}, where no Postgres accepts a connection: start it, or remove DATABASE_URL from the environment and .env, and one is started for you")
    })
}
