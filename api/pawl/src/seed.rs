//! `pawl seed`: creates the demonstration's account in the database of `DATABASE_URL`, or its payments at the `make run` of this
//! checkout.

pub(crate) mod demo;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use infra::Env;
use servers::Home;

use crate::demo::Secrets;
use crate::running::Running;
use crate::{demo as account, output};

/// Creates the demonstration's account, users and API key in the database of `DATABASE_URL`; with `--scenario`, the payments of a
/// scenario at the `make run` of this checkout instead.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What is to be made there. Repeated, it makes only what is missing.
    #[arg(long, value_enum)]
    scenario: Option<Scenario>,
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
        None => seed_account().await,
    }
}

/// Seeds the database and prints the credentials.
async fn seed_account() -> Result<ExitCode> {
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
    account::seed(&infra::postgres::pool(&url, 2)?, &secrets).await?;
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
