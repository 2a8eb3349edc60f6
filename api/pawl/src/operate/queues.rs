//! `pawl queues`: the kinds of jobs, and their pauses.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::json;

use super::engine::{action, connect, record_end};
use super::show::Output;
use crate::output;

/// Lists the kinds of jobs, pauses and resumes them for all accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(List),
    /// Stops the jobs of a kind: workers obey within 2 s, and calls that are on their way are finished.
    Pause(Change),
    /// Performs the jobs of a kind again.
    Resume(Change),
}

/// Lists the kinds of jobs, with their pauses and how many jobs wait.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    output: Output,
}

/// Which kind, and why.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// `create_intent`, `confirm_intent`, `capture_intent`, `cancel_intent`, `create_refund` or `resync`
    kind: String,
    /// The reason, kept beside the pause and in the audit.
    #[arg(long)]
    reason: Option<String>,
    /// The person who decided; without it the user of this terminal.
    #[arg(long)]
    by: Option<String>,
    /// Only says what would change.
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::List(options) => list(options).await?,
        Command::Pause(options) => change(options, true).await?,
        Command::Resume(options) => change(options, false).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(options: List) -> Result<()> {
    let (engine, _) = connect()?;
    let queues = engine.queues().await?;
    let headings = ["KIND", "STATE", "WAITING", "OLDEST DUE", "REASON", "BY"];
    options.output.print(&queues, headings, |queue| {
        [
            queue.kind.clone(),
            if queue.paused { "paused" } else { "running" }.to_owned(),
            queue.waiting.to_string(),
            queue.oldest_due_at.map(output::time).unwrap_or_default(),
            queue.reason.clone().unwrap_or_default(),
            queue.paused_by.clone().unwrap_or_default(),
        ]
    })
}

async fn change(options: Change, pauses: bool) -> Result<()> {
    let Change {
        kind,
        reason,
        by,
        dry_run,
    } = options;
    let (engine, pool) = connect()?;
    let queues = engine.queues().await?;
    let before = queues.iter().find(|queue| queue.kind == kind);
    let before = before.with_context(|| {
        format!("there is no kind of jobs {kind:?}: `pawl queues list` shows all")
    })?;
    let state = if pauses { "paused" } else { "running" };
    if before.paused == pauses {
        output::line(format!("nothing to change: {kind} is {state}"));
        return Ok(());
    }
    if dry_run {
        output::line(format!(
            "{kind} would be {state}; {} jobs of it wait",
            before.waiting
        ));
        return Ok(());
    }
    let by = by.or_else(infra::env::user);
    let by = by.context("who decided? Say it with --by NAME")?;
    let name = if pauses {
        "queue_paused"
    } else {
        "queue_resumed"
    };
    let act = action(name, kind.clone(), None, reason.as_deref());
    let facts = json!({ "paused": before.paused, "by": by });
    act.requested(facts).record(&pool).await?;
    let changed = if pauses {
        engine.pause_queue(&kind, reason.as_deref(), &by).await
    } else {
        engine.resume_queue(&kind).await
    };
    let end = changed.as_ref().map(|_| json!({ "paused": pauses }));
    record_end(&pool, &act, end).await?;
    changed?;
    output::line(format!("{kind} is {state}; workers obey within 2 s"));
    Ok(())
}
