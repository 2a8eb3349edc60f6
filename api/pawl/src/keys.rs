//! `pawl keys`: the keys that sign access tokens.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use auth_service::signing_keys;
use clap::{Args, Subcommand};
use infra::Env;

use crate::{database, output, table};

/// Replaces the key that signs access tokens, and lists all signing keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Rotate(Rotate),
    /// Lists the signing keys, newest first.
    List,
}

/// Creates a new signing key, encrypted with the auth service's `JWT_PRIVATE_KEY`, which must be in the environment.
///
/// Every instance publishes the key within 3 s and signs with it after 15 s. Tokens of the earlier keys stay valid until
/// the grace period ends.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// The grace period: how long tokens of the earlier keys stay valid after the new key signs. Without it, until the last
    /// of them has expired. 0 is for a stolen key: its tokens become invalid within a minute, and every client refreshes.
    #[arg(long, value_name = "SECONDS")]
    grace: Option<u32>,
}

/// Runs the command.
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
    let grace = options.grace.map_or(signing_keys::GRACE, |seconds| {
        Duration::from_secs(seconds.into())
    });
    let kid = signing_keys::rotate(&database::pool()?, &private_key, grace).await?;
    output::line(format!("{kid} is the new signing key"));
    if grace.is_zero() {
        output::notice(
            "The earlier keys are withdrawn. If JWT_PRIVATE_KEY was stolen, replace it too.",
        );
    } else {
        output::notice(&format!(
            "It signs in 15 s; tokens of the earlier keys stay valid for {} s after that.",
            grace.as_secs()
        ));
    }
    Ok(())
}

async fn list() -> Result<()> {
    let mut rows = table::new(&["KEY", "CREATED", "SIGNS FROM", "BELIEVED UNTIL", ""]);
    for key in signing_keys::list(&database::pool()?).await? {
        rows.add_row([
            key.kid,
            output::time(key.created_at),
            output::time(key.active_at),
            key.retires_at.map(output::time).unwrap_or_default(),
            if key.is_retired { "retired" } else { "" }.to_owned(),
        ]);
    }
    table::print(&rows);
    Ok(())
}
