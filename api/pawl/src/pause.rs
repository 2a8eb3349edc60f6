//! `pawl pause intake` and `pawl resume intake`: every gateway refuses new payments, and accepts them again.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use engine::intake_switch;

use crate::{database, output};

/// The part of Pawl that can be paused.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum What {
    /// New payments. Existing payments continue, and can be confirmed, captured, canceled and refunded.
    Intake,
}

/// The switch is in the database of `DATABASE_URL`; every gateway obeys within a second, and the command ends after that.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The part of Pawl.
    #[arg(value_enum)]
    what: What,
    /// The reason, kept beside the switch.
    #[arg(long)]
    reason: Option<String>,
    /// The person who decided; without it the user of this terminal.
    #[arg(long)]
    by: Option<String>,
}

/// Sets the switch and prints its state.
pub(crate) async fn run(options: Options, paused: bool) -> Result<ExitCode> {
    let What::Intake = options.what;
    let pool = database::pool()?;
    let Some(by) = options.by.or_else(infra::env::user) else {
        bail!("who decided? Say it with --by NAME");
    };
    let changed = intake_switch::set(&pool, paused, options.reason.as_deref(), &by).await?;
    let switch = intake_switch::read(&pool).await?;
    tokio::time::sleep(intake_switch::OBEYED_WITHIN).await;
    let state = if switch.paused {
        "no new payments are taken; those that exist go on"
    } else {
        "new payments are taken"
    };
    let since = output::time(switch.changed_at);
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
