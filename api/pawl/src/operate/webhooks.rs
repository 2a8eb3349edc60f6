//! `pawl webhooks`: Stripe's webhooks, and their replay.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use contracts::operations::ReceivedWebhookView;
use engine::{Engine, Scope, WebhookStatus};
use serde_json::json;

use super::engine::{action, connect, record_end};
use super::preview::confirmed;
use super::show::Output;
use crate::output;

/// How many webhooks are read at once.
const PORTION: u16 = 100;

/// Lists Stripe's webhooks, and applies them again.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(List),
    Replay(Replay),
}

/// Lists webhooks in a status.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// waiting (received, retrying, deferred), dead, or done (applied, ignored, foreign, `other_mode`, `not_understood`)
    #[arg(long, default_value = "dead", value_parser = status)]
    status: WebhookStatus,
    /// How many at most.
    #[arg(long, default_value_t = 50)]
    limit: u16,
    #[command(flatten)]
    output: Output,
}

/// Applies webhooks again. One that its payment already reflects is ignored, so that a second replay changes nothing.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Stripe's ids of the events.
    #[arg(required_unless_present = "dead", conflicts_with = "dead")]
    events: Vec<String>,
    /// All that are dead.
    #[arg(long)]
    dead: bool,
    /// Why, for the audit.
    #[arg(long)]
    reason: Option<String>,
    /// Only shows what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Replays several without asking.
    #[arg(long)]
    yes: bool,
}

fn status(name: &str) -> Result<WebhookStatus> {
    WebhookStatus::parse(name).with_context(|| format!("there is no status {name}"))
}

/// Runs the command.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::List(options) => list(options).await?,
        Command::Replay(options) => replay(options).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(options: List) -> Result<()> {
    let (engine, _) = connect()?;
    let listed = engine.received_webhooks(options.status, None, options.limit);
    let (webhooks, more) = listed.await?;
    let headings = ["EVENT", "TYPE", "STATUS", "RECEIVED", "PAYMENT", "ERROR"];
    options.output.print(&webhooks, headings, |webhook| {
        let payment = webhook.payment_id.map(|id| id.to_string());
        [
            webhook.id.clone(),
            webhook.r#type.clone(),
            webhook.status.clone(),
            output::time(webhook.received_at),
            payment.unwrap_or_default(),
            webhook.error.clone().unwrap_or_default(),
        ]
    })?;
    if more {
        output::notice("There are more: --limit shows more of them.");
    }
    Ok(())
}

async fn replay(options: Replay) -> Result<()> {
    let (engine, pool) = connect()?;
    let events = if options.dead {
        dead(&engine).await?
    } else {
        options.events
    };
    for event in &events {
        let found = engine.received_webhook(Scope::All, event).await;
        let found = found.with_context(|| format!("no webhook {event}"))?;
        let webhook = &found.webhook;
        let explanation = &found.replay.explanation;
        output::line(format!(
            "{event}  {} {}  {explanation}",
            webhook.r#type, webhook.status
        ));
        for transition in &found.replay.transitions {
            output::line(format!("    {transition}"));
        }
    }
    if options.dry_run || events.is_empty() {
        output::line(format!("{} webhooks would be applied again", events.len()));
        return Ok(());
    }
    let question = format!("{} webhooks are to be applied again.", events.len());
    if events.len() > 1 && !confirmed(&question, options.yes)? {
        bail!("nothing was done");
    }
    for event in &events {
        let before = engine.received_webhook(Scope::All, event).await?.webhook;
        let account = account(&engine, &before).await;
        let reason = options.reason.as_deref();
        let act = action("webhook_replayed", event.clone(), account, reason);
        let facts = json!({ "status": before.status });
        act.requested(facts).record(&pool).await?;
        let done = engine.replay_webhook(Scope::All, event).await;
        let end = done
            .as_ref()
            .map(|webhook| json!({ "status": webhook.status }));
        record_end(&pool, &act, end).await?;
        done?;
    }
    output::line(format!(
        "{} webhooks wait to be applied again",
        events.len()
    ));
    Ok(())
}

/// The account of the payment that a webhook is about.
async fn account(engine: &Engine, webhook: &ReceivedWebhookView) -> Option<uuid::Uuid> {
    let payment = engine.payment_in(Scope::All, webhook.payment_id?.uuid());
    payment.await.ok().map(|payment| payment.account_id.uuid())
}

/// The events of all dead webhooks.
async fn dead(engine: &Engine) -> Result<Vec<String>> {
    let mut events: Vec<String> = Vec::new();
    loop {
        let after = events.last().map(String::as_str);
        let portion = engine.received_webhooks(WebhookStatus::Dead, after, PORTION);
        let (portion, more) = portion.await?;
        events.extend(portion.into_iter().map(|webhook| webhook.id));
        if !more {
            return Ok(events);
        }
    }
}
