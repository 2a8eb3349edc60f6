//! `pawl keys`: what access tokens are signed with.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use auth_service::ring;
use clap::{Args, Subcommand};
use infra::Env;

use super::{pool, show, table};
use crate::output;

/// Replaces the key that access tokens are signed with, and lists those there were.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Rotate(Rotate),
    /// Lists the signing keys, newest first.
    List,
}

/// Makes a new signing key, sealed by the auth service's `JWT_PRIVATE_KEY`, which must be in the environment.
///
/// Every instance shows it within 3 s and signs with it after 15 s. Tokens of the key before are believed until the grace
/// is over.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// How long the keys before are believed after that; until their last token has expired when absent. 0 is for a stolen
    /// key: its tokens end within a minute, and everybody refreshes.
    #[arg(long, value_name = "SECONDS")]
    grace: Option<u32>,
}

/// Does what is asked for.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Rotate(options) => rotate(&options).await?,
        Command::List => list().await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn rotate(options: &Rotate) -> Result<()> {
    let mut env = Env::load();
    let private_key = env.secret("JWT_PRIVATE_KEY");
    env.finish()?;
    let grace = options
        .grace
        .map_or(ring::GRACE, |seconds| Duration::from_secs(seconds.into()));
    let kid = ring::rotate(&pool()?, &private_key, grace).await?;
    output::line(format!("{kid} is the new signing key"));
    if grace.is_zero() {
        output::notice(
            "The keys before are withdrawn. If JWT_PRIVATE_KEY was stolen, replace it too.",
        );
    } else {
        output::notice(&format!(
            "It signs in 15 s; the keys before are believed for {} s after that.",
            grace.as_secs()
        ));
    }
    Ok(())
}

async fn list() -> Result<()> {
    let mut rows = table(&["KEY", "CREATED", "SIGNS FROM", "BELIEVED UNTIL", ""]);
    for key in ring::list(&pool()?).await? {
        rows.add_row([
            key.kid,
            key.created_at.to_string(),
            key.active_at.to_string(),
            key.retires_at.map(|at| at.to_string()).unwrap_or_default(),
            if key.is_retired { "retired" } else { "" }.to_owned(),
        ]);
    }
    show(&rows);
    Ok(())
}
