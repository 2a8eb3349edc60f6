//! `pawl pause intake` and `pawl resume intake`: stops the taking of new payments for all of Pawl, and lets it go on.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use engine::intake;
use infra::Env;
use time::format_description::well_known::Rfc3339;

use crate::output;

/// What can be stopped.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum What {
    /// New payments. Those that exist go on, and can be confirmed, captured, canceled and refunded.
    Intake,
}

/// The switch is in the database of `DATABASE_URL`; every gateway obeys within a second, and the command ends when all do.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What it is about.
    #[arg(value_enum)]
    what: What,
    /// Why; kept beside the switch.
    #[arg(long)]
    reason: Option<String>,
    /// Who decided; the user of this terminal when absent.
    #[arg(long)]
    by: Option<String>,
}

/// Turns the switch.
pub(crate) async fn run(options: Options, paused: bool) -> Result<ExitCode> {
    let What::Intake = options.what;
    let mut env = Env::load();
    let url = env.required("DATABASE_URL");
    let user = env.optional("USER");
    env.finish()?;
    let Some(by) = options.by.or(user) else {
        bail!("who decided? Say it with --by NAME");
    };
    let pool = infra::postgres::pool(&url, 1)?;
    let changed = intake::set(&pool, paused, options.reason.as_deref(), &by).await?;
    let switch = intake::read(&pool).await?;
    tokio::time::sleep(intake::OBEYED_WITHIN).await;
    let state = if switch.paused {
        "no new payments are taken; those that exist go on"
    } else {
        "new payments are taken"
    };
    let since = switch.changed_at.format(&Rfc3339)?;
    let who = switch.changed_by.map(|by| format!(" by {by}"));
    let why = switch.reason.map(|reason| format!(": {reason}"));
    output::line(format!(
        "{}{state} (since {since}{}{})",
        if changed { "" } else { "nothing to change: " },
        who.unwrap_or_default(),
        why.unwrap_or_default(),
    ));
    Ok(ExitCode::SUCCESS)
}
