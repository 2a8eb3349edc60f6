//! `pawl jobs`: lists jobs, shows their tries, and retries, cancels and puts them off.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use authz::audit;
use clap::{Args, Subcommand};
use contracts::id::{JobId, PaymentId};
use contracts::operations::{JobDetail, JobView};
use engine::{Engine, JobFilter, JobState, Scope, audit_facts};
use sqlx::PgPool;
use time::OffsetDateTime;

use super::engine::{action, connect, record_end};
use super::preview::confirmed;
use super::show::Output;
use crate::output;

/// How many jobs are read at once.
const PORTION: u16 = 100;
/// How many jobs a preview shows.
const SHOWN: usize = 10;

/// Lists jobs, shows their tries, retries, cancels and puts them off.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(List),
    Show(Show),
    /// Queues dead jobs again, each with the idempotency key that it always had.
    Retry(Act),
    /// Cancels jobs that wait and whose calls were never sent; their payments get what a refusal by Stripe would have led to.
    Cancel(Act),
    Snooze(Snooze),
}

/// Lists the jobs in a state.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// queued, running, done or dead
    #[arg(long, default_value = "dead")]
    state: JobState,
    /// kind=…, `error_class`=…, error=… (a part of it) or `payment=pay_…`; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// How many at most.
    #[arg(long, default_value_t = 50)]
    limit: u16,
    #[command(flatten)]
    output: Output,
}

/// Shows a job with its arguments, every try, and what a retry would do.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// `job_…`
    id: JobId,
    #[command(flatten)]
    output: Output,
}

/// Which jobs, and why. Several are shown first, and acted on after a yes.
#[derive(Debug, Args)]
pub(crate) struct Act {
    /// `job_…`
    #[arg(required_unless_present = "filter", conflicts_with = "filter")]
    ids: Vec<JobId>,
    /// All with kind=…, `error_class`=…, error=… (a part of it) or `payment=pay_…`; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// Why, for the audit.
    #[arg(long)]
    reason: Option<String>,
    /// Only shows what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Acts on several jobs without asking.
    #[arg(long)]
    yes: bool,
}

/// Puts a job off that waits.
#[derive(Debug, Args)]
pub(crate) struct Snooze {
    /// `job_…`
    id: JobId,
    /// In how many minutes it is due.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_080))]
    minutes: u64,
    /// Why, for the audit.
    #[arg(long)]
    reason: Option<String>,
    /// Only shows what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::List(options) => list(options).await?,
        Command::Show(options) => show(options).await?,
        Command::Retry(options) => act(options, Action::Retry).await?,
        Command::Cancel(options) => act(options, Action::Cancel).await?,
        Command::Snooze(options) => snooze(options).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(options: List) -> Result<()> {
    let (engine, _) = connect()?;
    let filter = filter(&options.filter)?;
    let listed = engine.jobs(Scope::All, options.state, &filter, None, options.limit);
    let (jobs, more) = listed.await?;
    print(options.output, &jobs)?;
    if more {
        output::notice("There are more: --limit shows more of them, --filter fewer.");
    }
    Ok(())
}

fn print(form: Output, jobs: &[JobView]) -> Result<()> {
    let headings = ["JOB", "KIND", "STATE", "TRIES", "PAYMENT", "DUE", "ERROR"];
    form.print(jobs, headings, |job| {
        [
            job.id.to_string(),
            job.kind.clone(),
            job.state.clone(),
            job.tries.to_string(),
            job.payment_id.to_string(),
            output::time(job.due_at),
            job.last_error.clone().unwrap_or_default(),
        ]
    })
}

async fn show(options: Show) -> Result<()> {
    let (engine, _) = connect()?;
    let job = engine.job(Scope::All, options.id.uuid()).await;
    let job = job.with_context(|| format!("no job {}", options.id))?;
    options.output.print_one(&job, text)
}

fn text(job: &JobDetail) -> String {
    let mut lines = vec![
        format!(
            "job      {}  {} {}",
            job.job.id, job.job.kind, job.job.state
        ),
        format!("payment  {}", job.job.payment_id),
        format!("key      {}", job.idempotency_key),
        format!("due      {}", output::time(job.job.due_at)),
        format!(
            "error    {}",
            job.job.last_error.as_deref().unwrap_or("none")
        ),
        format!("retry    {}", job.retry.explanation),
    ];
    for kept in &job.log {
        let error = kept.error.as_deref().unwrap_or_default();
        let worker = kept.worker.as_deref().unwrap_or("unknown");
        lines.push(format!(
            "try {}    {} {} by {worker} {error}",
            kept.number,
            output::time(kept.ended_at),
            kept.outcome
        ));
        for call in &kept.calls {
            let status = call
                .status
                .map_or_else(|| "no answer".to_owned(), |it| it.to_string());
            let id = call.request_id.as_deref().unwrap_or_default();
            lines.push(format!(
                "         {} {status} in {} ms {id}",
                call.call, call.duration_ms
            ));
        }
    }
    lines
        .iter()
        .map(|line| line.trim_end())
        .collect::<Vec<_>>()
        .join("\n")
}

/// What is done with jobs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Retry,
    Cancel,
}

impl Action {
    /// The state of the jobs that it is for, and its name in the audit and in the preview.
    const fn facts(self) -> (JobState, &'static str, &'static str) {
        match self {
            Self::Retry => (JobState::Dead, "job_retried", "retried"),
            Self::Cancel => (JobState::Queued, "job_canceled", "canceled"),
        }
    }
}

async fn act(options: Act, action: Action) -> Result<()> {
    let (engine, pool) = connect()?;
    let jobs = chosen(&engine, &options, action).await?;
    let (_, _, done) = action.facts();
    if jobs.is_empty() {
        output::line(format!("no job would be {done}"));
        return Ok(());
    }
    for job in jobs.iter().take(SHOWN) {
        let detail = engine.job(Scope::All, job.id.uuid()).await?;
        let what = match action {
            Action::Retry => detail.retry.explanation,
            Action::Cancel => job.last_error.clone().unwrap_or_default(),
        };
        let line = format!("{}  {} {}  {what}", job.id, job.kind, job.state);
        output::line(line.trim_end());
    }
    if jobs.len() > SHOWN {
        output::line(format!("and {} more", jobs.len() - SHOWN));
    }
    if options.dry_run {
        output::line(format!("{} jobs would be {done}", jobs.len()));
        return Ok(());
    }
    let question = format!("{} jobs are to be {done}.", jobs.len());
    if jobs.len() > 1 && !confirmed(&question, options.yes)? {
        bail!("nothing was done");
    }
    let mut acted = 0;
    for (number, job) in jobs.iter().enumerate() {
        match one(&engine, &pool, job, action, options.reason.as_deref()).await? {
            Ok(_) => acted += 1,
            Err(error) => output::notice(&format!("{}: {error}", job.id)),
        }
        if (number + 1) % usize::from(PORTION) == 0 {
            output::notice(&format!("{} of {}", number + 1, jobs.len()));
        }
    }
    output::line(format!("{acted} of {} jobs {done}", jobs.len()));
    Ok(())
}

/// The jobs that the options name.
async fn chosen(engine: &Engine, options: &Act, action: Action) -> Result<Vec<JobView>> {
    let mut jobs = Vec::new();
    if options.filter.is_empty() {
        for id in &options.ids {
            let job = engine.job(Scope::All, id.uuid()).await;
            jobs.push(job.with_context(|| format!("no job {id}"))?.job);
        }
        return Ok(jobs);
    }
    let (state, _, _) = action.facts();
    let filter = filter(&options.filter)?;
    let mut after = None;
    loop {
        let portion = engine.jobs(Scope::All, state, &filter, after, PORTION);
        let (portion, more) = portion.await?;
        after = portion.last().map(|job| job.id.uuid());
        jobs.extend(portion);
        if !more {
            return Ok(jobs);
        }
    }
}

/// Acts on a job in the version in which it was shown, between two records of the audit.
async fn one(
    engine: &Engine,
    pool: &PgPool,
    job: &JobView,
    action: Action,
    reason: Option<&str>,
) -> Result<Result<JobView, engine::Error>> {
    let (_, name, _) = action.facts();
    let act = action_on(job, name, reason);
    act.requested(audit_facts(job)).record(pool).await?;
    let (id, version) = (job.id.uuid(), Some(job.version));
    let done = match action {
        Action::Retry => engine.retry_job(Scope::All, id, version).await,
        Action::Cancel => engine.cancel_job(Scope::All, id, version).await,
    };
    record_end(pool, &act, done.as_ref().map(audit_facts)).await?;
    Ok(done)
}

fn action_on<'a>(job: &JobView, name: &'a str, reason: Option<&'a str>) -> audit::Act<'a> {
    let account = Some(job.account_id.uuid());
    action(name, job.id.to_string(), account, reason)
}

async fn snooze(options: Snooze) -> Result<()> {
    let (engine, pool) = connect()?;
    let job = engine.job(Scope::All, options.id.uuid()).await;
    let job = job.with_context(|| format!("no job {}", options.id))?.job;
    let until = OffsetDateTime::now_utc() + Duration::from_secs(options.minutes * 60);
    if options.dry_run {
        output::line(format!(
            "{} would be due at {}, not at {}",
            job.id,
            output::time(until),
            output::time(job.due_at)
        ));
        return Ok(());
    }
    let act = action_on(&job, "job_snoozed", options.reason.as_deref());
    act.requested(audit_facts(&job)).record(&pool).await?;
    let id = job.id.uuid();
    let done = engine.snooze_job(Scope::All, id, Some(job.version), until);
    let done = done.await;
    record_end(&pool, &act, done.as_ref().map(audit_facts)).await?;
    let due = output::time(done?.due_at);
    output::line(format!("{} is due at {due}", job.id));
    Ok(())
}

/// The filter of these options.
fn filter(options: &[String]) -> Result<JobFilter> {
    let mut filter = JobFilter::default();
    for option in options {
        let (name, value) = option
            .split_once('=')
            .with_context(|| format!("--filter {option}: write NAME=VALUE"))?;
        let value = value.to_owned();
        match name {
            "kind" => filter.kind = Some(value),
            "error_class" => filter.error_class = Some(value),
            "error" => filter.error = Some(value),
            "payment" => {
                let id: PaymentId = value
                    .parse()
                    .with_context(|| format!("--filter {option}: this is no id of a payment"))?;
                filter.payment = Some(id.uuid());
            }
            _ => bail!("--filter {option}: filter by kind, error_class, error or payment"),
        }
    }
    Ok(filter)
}
