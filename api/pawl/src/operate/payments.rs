//! `pawl payments`: a payment with all that happened to it.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use contracts::id::PaymentId;
use contracts::operations::{TimelineEntry, TimelineItem};
use engine::Scope;

use super::engine::connect;
use super::show::Output;
use crate::output;

/// Shows payments to operators.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Show(Show),
}

/// Shows all that happened to a payment, the oldest first: transitions, tries of jobs, requests to Stripe, webhooks, deliveries
/// and Kafka messages.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// `pay_…`
    id: PaymentId,
    #[command(flatten)]
    output: Output,
}

/// Runs the command.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Show(options) => show(options).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(options: Show) -> Result<()> {
    let (engine, _) = connect()?;
    let entries = engine.timeline(Scope::All, options.id.uuid()).await;
    let entries = entries.with_context(|| format!("no timeline of {}", options.id))?;
    options
        .output
        .print(&entries, ["AT", "WHAT", "DETAIL"], cells)
}

fn cells(entry: &TimelineEntry) -> [String; 3] {
    let (what, detail) = match &entry.entry {
        TimelineItem::Transition { transition: it } => {
            let from = it.from.as_deref().unwrap_or("none");
            let detail = format!(
                "{} {from} → {} ({}), by {}",
                it.machine, it.to, it.kind, it.cause
            );
            ("transition", detail)
        }
        TimelineItem::KafkaMessage {
            event_id,
            acknowledged,
            ..
        } => {
            let state = if *acknowledged {
                "acknowledged"
            } else {
                "waits"
            };
            ("kafka", format!("{event_id} {state}"))
        }
        TimelineItem::JobTry {
            job_id,
            kind,
            r#try: it,
            ..
        } => {
            let error = it.error.as_deref().unwrap_or_default();
            (
                "try",
                format!("{kind} {} {} {job_id} {error}", it.number, it.outcome),
            )
        }
        TimelineItem::OpenJob { job } => ("job", format!("{} {} {}", job.kind, job.state, job.id)),
        TimelineItem::StripeCall { request: it, .. } => {
            let status = it
                .status
                .map_or_else(|| "no answer".to_owned(), |it| it.to_string());
            let id = it.request_id.as_deref().unwrap_or_default();
            let key = it.idempotency_key.as_deref().unwrap_or_default();
            let call = format!("{} {status} in {} ms {id} {key}", it.call, it.duration_ms);
            ("stripe", call)
        }
        TimelineItem::Webhook { webhook: it } => {
            ("webhook", format!("{} {} {}", it.r#type, it.status, it.id))
        }
        TimelineItem::DeliveryTry {
            event_id,
            status,
            r#try: it,
            ..
        } => {
            let code = it
                .code
                .map_or_else(|| "no answer".to_owned(), |it| it.to_string());
            (
                "delivery",
                format!("{event_id} try {} {code}, {status}", it.number),
            )
        }
    };
    [
        output::time(entry.at),
        what.to_owned(),
        detail.trim_end().to_owned(),
    ]
}
