//! `pawl payments`: a payment with all that happened to it, why it is where it is, and a comparison with Stripe.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use contracts::explanation::ExplanationView;
use contracts::id::PaymentId;
use contracts::operations::{TimelineEntry, TimelineItem};
use engine::Scope;
use serde_json::json;

use super::engine::{action, connect, record_end};
use super::show::Output;
use crate::output;

/// Shows payments to operators, and compares them with Stripe.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Show(Show),
    Explain(Explain),
    Resync(Resync),
}

/// Says where a payment stands, why, whose turn it is, and what can be done.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// `pay_…`
    id: PaymentId,
    #[command(flatten)]
    output: Output,
}

/// Has a worker read the payment's objects at Stripe and correct what differs. The audit records it.
#[derive(Debug, Args)]
pub(crate) struct Resync {
    /// `pay_…`
    id: PaymentId,
    /// Why; it is kept in the audit.
    #[arg(long)]
    reason: Option<String>,
    /// Says what would be done, and does nothing.
    #[arg(long)]
    dry_run: bool,
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
        Command::Explain(options) => explain(options).await?,
        Command::Resync(options) => resync(options).await?,
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

async fn explain(options: Explain) -> Result<()> {
    let (engine, _) = connect()?;
    let id = options.id.uuid();
    let view = engine.payment_in(Scope::All, id).await;
    let account = view
        .with_context(|| format!("no payment {}", options.id))?
        .account_id;
    let explanation = engine.explain(account.uuid(), id).await?;
    options.output.print_one(&explanation, explained)
}

fn explained(it: &ExplanationView) -> String {
    let mut lines = vec![format!("{}  {}", it.subject, it.status), it.summary.clone()];
    if let Some(reached) = &it.reached {
        let from = reached.from.as_deref().unwrap_or("none");
        let at = output::time(reached.at);
        lines.push(format!(
            "reached   {at} from {from} by {} ({})",
            reached.kind, reached.cause
        ));
    }
    for call in &it.calls {
        let error = call.last_error.as_deref().unwrap_or_default();
        let due = output::time(call.due_at);
        lines.push(format!(
            "call      {} {} {}, due {due} {error}",
            call.kind, call.state, call.job_id
        ));
        if let Some(unknown) = &call.unknown {
            lines.push(format!("          missing: {}", unknown.missing));
        }
    }
    for next in &it.next {
        lines.push(format!(
            "next      {} {}",
            output::time(next.at),
            next.sentence
        ));
    }
    for (who, actions) in [("client", &it.client_can), ("operator", &it.operator_can)] {
        let actions = actions.iter();
        lines.extend(actions.map(|action| format!("{who:9} {}: {}", action.name, action.request)));
    }
    let trimmed: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    trimmed.join("\n")
}

async fn resync(options: Resync) -> Result<()> {
    let (engine, pool) = connect()?;
    let id = options.id.uuid();
    let view = engine.payment_in(Scope::All, id).await;
    let view = view.with_context(|| format!("no payment {}", options.id))?;
    if options.dry_run {
        output::line(format!(
            "{} ({}) would be compared with Stripe",
            options.id, view.status
        ));
        return Ok(());
    }
    let (account, reason) = (view.account_id.uuid(), options.reason.as_deref());
    let act = action(
        "payment_resynced",
        options.id.to_string(),
        Some(account),
        reason,
    );
    let facts = json!({"status": view.status, "version": view.version});
    act.requested(facts.clone()).record(&pool).await?;
    let asked = engine.resync(account, id).await;
    record_end(&pool, &act, asked.as_ref().map(|()| facts)).await?;
    asked?;
    output::line(format!(
        "{} is compared with Stripe by a worker",
        options.id
    ));
    Ok(())
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
