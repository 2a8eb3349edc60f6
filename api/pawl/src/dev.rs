//! `pawl dev`: the whole stack on this machine, each service a library call in this process.

mod facts;
mod services;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use facts::Facts;
use infra::Env;
use services::{Doors, Services, Settings};

use crate::demo::Secrets;
use crate::output::Progress;
use crate::stack::{Broker, Home, Servers};
use crate::{demo, migrate, output};

/// Starts Postgres, Redis, Kafka, the Stripe simulator and every service, seeds a demonstration account, and says how to
/// use it. Ctrl-C stops what it started; started again, it finds its payments.
///
/// `DATABASE_URL`, `REDIS_URL`, `KAFKA_BROKERS` and `STRIPE_API_BASE`, set in the environment or in .env, are used instead
/// of starting its own.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A mock in this process, which forgets; or a real Apache Kafka (`infra/scripts/setup.sh test` fetches it).
    #[arg(long, value_enum, default_value_t = Broker::Mock)]
    kafka: Broker,
}

/// Runs until a signal, or until a service fails.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    // A person reads the progress and the summary; what goes well needs no log line beside them.
    infra::telemetry::start_at("pawl", "warn");
    let shutdown = infra::shutdown::signal();
    // Dropping what has begun stops it, so an early Ctrl-C leaves nothing behind either.
    let mut running = tokio::select! {
        running = Running::start(&options) => running?,
        () = shutdown.cancelled() => return Ok(ExitCode::from(130)),
    };
    running.facts.announce();
    let failure = tokio::select! {
        failure = running.services.failure() => Some(failure),
        () = shutdown.cancelled() => None,
    };
    output::notice("stopping");
    running.stop().await;
    infra::telemetry::stop();
    match failure {
        None => Ok(ExitCode::SUCCESS),
        Some(error) => Err(error),
    }
}

/// Everything that runs.
struct Running {
    facts: Facts,
    // Dropped in this order: the services before what they use.
    services: Services,
    simulator: Option<Services>,
    _servers: Servers,
}

impl Running {
    async fn start(options: &Options) -> Result<Running> {
        let home = Home::find()?;
        let place = home.kept("dev")?;
        let file = home.join("dev.json");
        // Whoever waits for the file must not find the one of an earlier start.
        let _ = std::fs::remove_file(&file);
        let secrets = Secrets::keep(&place.join("secrets.json"))?;
        let state_file = place.join("simulator.json");

        // Everything that is wrong with the environment, and every busy port, is named before anything is started.
        let doors = Doors::open(&secrets).await?;

        let mut progress = Progress::new();
        let servers =
            Servers::start(&Env::load(), &home, place, options.kafka, &mut progress).await?;

        progress.begin("schema");
        let pool = infra::postgres::pool(&servers.database_url, 2)?;
        reach(&pool, &servers.database_url).await?;
        let version = migrate::apply(&pool).await?;
        demo::seed(&pool, &secrets).await?;
        pool.close().await;
        progress.done(format!("version {version}, demonstration account seeded"));

        progress.begin("services");
        let addresses = doors.addresses()?;
        let settings = Settings::new(&secrets, &addresses, &servers);
        let (services, simulator) = doors.serve(&settings, &addresses, &secrets, state_file)?;
        let facts = Facts::new(&secrets, addresses, &settings, &servers);
        tokio::select! {
            answering = facts.until_all_answer() => answering?,
            () = tokio::time::sleep(Duration::from_secs(30)) => bail!("the services do not answer after 30 s"),
        }
        progress.done("gateway, auth, core, worker");
        facts.write(&file)?;
        Ok(Running {
            facts,
            services,
            simulator,
            _servers: servers,
        })
    }

    /// Services finish what they began while the simulator still answers them; the servers end last.
    async fn stop(self) {
        self.services.stop().await;
        if let Some(simulator) = self.simulator {
            simulator.stop().await;
        }
    }
}

/// A database of one's own may not be there; say so rather than how sqlx sees it.
async fn reach(pool: &sqlx::PgPool, url: &str) -> Result<()> {
    infra::postgres::ping(pool).await.with_context(|| {
        let place = url.rsplit_once('@').map_or(url, |(_, place)| place);
        format!("DATABASE_URL leads to {place}, where no Postgres lets us in: start it, or remove DATABASE_URL from the environment and .env, and one is started for you")
    })
}
