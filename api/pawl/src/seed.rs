//! `pawl seed`: creates the demonstration's account in the database of `DATABASE_URL`, its payments at the `make run` of this
//! checkout, or many invented payments for measurements.

pub(crate) mod demo;
mod many;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use infra::Env;
use servers::Home;

use crate::demo::Secrets;
use crate::running::Running;
use crate::{demo as account, output};

/// Creates the demonstration's account, users and API key in the database of `DATABASE_URL`, with `--payments` and `--jobs` many
/// invented payments and jobs too; with `--scenario`, the payments of a scenario at the `make run` of this checkout instead.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What is to be made there. Repeated, it makes only what is missing.
    #[arg(long, value_enum)]
    scenario: Option<Scenario>,
    /// How many invented payments are written, for measurements: the database is one of this machine without payments.
    #[arg(long, value_name = "N", conflicts_with = "scenario", value_parser = clap::value_parser!(i64).range(1..=100_000_000))]
    payments: Option<i64>,
    /// How many of them have a job: done, dead, waiting or of unknown outcome.
    #[arg(long, value_name = "N", requires = "payments", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    jobs: i64,
    /// Writes them also where there are payments, or on another machine.
    #[arg(long, requires = "payments")]
    force: bool,
}

/// What can be made.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Scenario {
    /// Payments in every status, refunds, disputes, dead jobs, unknown outcomes, webhooks and failed deliveries.
    Demo,
}

/// Seeds, and prints what there is.
///
/// # Errors
/// The database or a service does not answer, or `STRIPE_API_KEY` is a live key.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    match options.scenario {
        Some(Scenario::Demo) => {
            demo::make(&Running::find()?, |done, all| {
                output::notice(&format!("{done} of {all} orders"));
            })
            .await?;
            output::line("the demonstration's payments are there");
            Ok(ExitCode::SUCCESS)
        }
        None => seed_account(&options).await,
    }
}

/// Seeds the account, and the invented payments that are asked for, and prints the credentials.
async fn seed_account(options: &Options) -> Result<ExitCode> {
    let mut env = Env::load();
    let url = env.required("DATABASE_URL");
    if env.is_live() {
        bail!(
            "STRIPE_API_KEY is a live key: demonstration users have no business beside real money"
        );
    }
    env.finish()?;
    let directory = Home::find()?.permanent("dev")?;
    let secrets = Secrets::load_or_generate(&directory.join("secrets.json"))?;
    let pool = infra::postgres::pool(&url, 2)?;
    if let Some(payments) = options.payments {
        if options.jobs > payments {
            bail!("--jobs is more than --payments: an invented payment has one job at most");
        }
        if !options.force {
            many::check(&pool).await?;
        }
    }
    let account = account::seed(&pool, &secrets).await?;
    if let Some(payments) = options.payments {
        let jobs = options.jobs;
        many::write(&pool, account, many::Amount { payments, jobs }).await?;
        output::line(format!(
            "{payments} invented payments and {jobs} jobs are there"
        ));
    }
    output::line(format!(
        "user      {}  password {}",
        secrets.user.email, secrets.user.password
    ));
    output::line(format!(
        "operator  {}  password {}",
        secrets.operator.email, secrets.operator.password
    ));
    output::line(format!("API key   {}", secrets.api_key));
    Ok(ExitCode::SUCCESS)
}
