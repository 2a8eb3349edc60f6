//! `pawl chaos`: runs the real processes under load and faults, and judges whether anything was lost.

mod cache;
mod campaign;
mod client;
mod facts;
mod plan;
mod topic;
mod trial;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use campaign::{Campaign, Fault, Goal, Outcome, RESYNC_EVERY};
use clap::Args;
use client::{Client, Memory};
use serde::Serialize;
use servers::Progress;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout_at};
use trial::Trial;
use uuid::Uuid;
use verdict::{Evidence, Verdict};

use crate::fleet::{Fleet, FleetOptions, Sharing, commit, run_name};
use crate::output;

/// The time after the last fault in which all work must be finished.
const QUIET_LIMIT: Duration = Duration::from_mins(1);
/// Checks of the waiting payments against Stripe after the last webhook may have been lost.
const LAST_CHECKS: u32 = 2;
/// Offenders shown of each rule; the JSON file has them all.
const SHOWN: usize = 10;

/// Runs real processes and a real Kafka against the simulator, under load and faults, and judges the outcome.
///
/// The same seed makes the same payments and the same faults. Exits with 1 when a rule is broken or a fault happened too
/// seldom. Redis is always a private one, since it is flushed; Postgres and Kafka are private, or those of `DATABASE_URL`
/// and `KAFKA_BROKERS`.
#[derive(Debug, Clone, Args)]
pub struct ChaosOptions {
    /// The least number of payments.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..))]
    payments: u64,
    /// The seed of payments and faults; random when it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// The faults, separated by commas; all when not given. Only a private Kafka can be restarted.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST")]
    faults: Vec<Fault>,
    /// The least number of killed workers, instead of 20 in 2,000 payments.
    #[arg(long)]
    kills: Option<u64>,
    /// Tries these faults alone instead, one after the other, each under a steady load, and prints the figures before and
    /// during it.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST", conflicts_with_all = ["payments", "seed", "faults", "kills"])]
    trial: Vec<Trial>,
    /// Makes the parts of the trials short, and judges figures that depend on the machine less strictly.
    #[arg(long, requires = "trial")]
    short: bool,
    /// The clients of a trial's load.
    #[arg(long, default_value_t = 6, requires = "trial")]
    clients: usize,
    /// Worker processes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    workers: u8,
    /// Writes the verdict to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The content of the JSON file.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    verdict: Verdict,
    seed: u64,
    commit: String,
    /// The time after the last fault until all work was finished.
    quiet_after_seconds: Option<f64>,
}

/// Runs a campaign or trials, and prints the result.
///
/// # Errors
/// A process does not start, or the faults do not all happen.
pub async fn run(options: ChaosOptions) -> Result<ExitCode> {
    let shutdown = infra::shutdown::signal();
    let ended = shutdown
        .run_until_cancelled(Box::pin(run_chosen(&options)))
        .await;
    let (text, passed) = ended.context("interrupted")??;
    if let Some(file) = &options.json {
        fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs the trials of the options or, without any, a campaign; prints the result and returns it as JSON, and whether it
/// passed.
async fn run_chosen(options: &ChaosOptions) -> Result<(String, bool)> {
    if !options.trial.is_empty() {
        return trial::run(options).await;
    }
    let report = campaign(options).await?;
    show(&report);
    Ok((
        serde_json::to_string_pretty(&report)?,
        report.verdict.passed,
    ))
}

async fn campaign(options: &ChaosOptions) -> Result<Report> {
    let mut goal = goal(options);
    let commit = commit();
    output::line(format!(
        "seed {}, commit {commit}, at least {} payments",
        goal.seed, goal.payments
    ));
    let mut progress = Progress::new();
    let fleet_options = FleetOptions {
        name: run_name("chaos"),
        workers: usize::from(options.workers),
        sharing: Sharing::Flushes,
        log: "info",
        operations: false,
        environment: Vec::new(),
    };
    let mut fleet = Fleet::start(&fleet_options, &mut progress).await?;
    progress.end();
    if !fleet.owns_kafka() && goal.faults.remove(&Fault::RestartKafka).is_some() {
        if options.faults.contains(&Fault::RestartKafka) {
            bail!("only a private Kafka can be restarted: unset KAFKA_BROKERS");
        }
        output::line("the Kafka of KAFKA_BROKERS is not restarted");
    }
    let gateway = format!("http://{}", fleet.gateway);
    let client = Client::new(
        fleet.http.clone(),
        gateway,
        fleet.log_in().await?,
        fleet.simulator.clone(),
        goal.seed,
    );
    let (outcome, clients) = Campaign::new(&mut fleet, client.clone(), &goal)?
        .run()
        .await?;
    let checks = if goal.faults.contains_key(&Fault::LoseWebhook) {
        LAST_CHECKS
    } else {
        0
    };
    let quiet = quiet(&fleet, clients, checks).await?;
    let evidence = evidence(&mut fleet, client.memory(), outcome).await?;
    let verdict = Verdict::new(&evidence);
    // The database of a failed campaign is kept if it is in a server of the environment.
    fleet.stop(verdict.passed).await?;
    Ok(Report {
        verdict,
        seed: goal.seed,
        commit,
        quiet_after_seconds: quiet.map(|time| time.as_secs_f64()),
    })
}

fn goal(options: &ChaosOptions) -> Goal {
    let all = <Fault as clap::ValueEnum>::value_variants();
    let chosen = if options.faults.is_empty() {
        all
    } else {
        &options.faults
    };
    let mut faults: BTreeMap<Fault, u64> = chosen
        .iter()
        .map(|fault| (*fault, fault.wanted(options.payments)))
        .collect();
    if let (Some(kills), Some(wanted)) = (options.kills, faults.get_mut(&Fault::KillWorker)) {
        *wanted = kills;
    }
    // Short enough to be typed again.
    let seed = options
        .seed
        .unwrap_or_else(|| rand::random_range(0..1_000_000));
    Goal {
        seed,
        payments: options.payments,
        faults,
    }
}

/// Waits until all clients have their answers and all work is finished, also that of so many checks of payments whose
/// webhooks were lost; `None` if that takes too long.
async fn quiet(
    fleet: &Fleet,
    mut clients: JoinSet<()>,
    mut checks: u32,
) -> Result<Option<Duration>> {
    let start = Instant::now();
    let deadline = start + QUIET_LIMIT;
    // A payment for which a client still waits at the deadline is judged by the verdict. A client may wait for a payment
    // whose webhook was lost, so that payments are checked meanwhile.
    let mut next = interval(RESYNC_EVERY);
    let wait = async {
        loop {
            tokio::select! {
                joined = clients.join_next() => if joined.is_none() { return Ok(()) },
                _ = next.tick(), if checks > 0 => engine::reconciliation::check_now(&fleet.pool).await.map(drop)?,
            }
        }
    };
    if let Ok(Err(error)) = timeout_at(deadline, wait).await {
        return Err(error);
    }
    loop {
        let is_quiet = facts::open(&fleet.pool).await?.is_quiet();
        if is_quiet && checks == 0 {
            return Ok(Some(start.elapsed()));
        }
        if is_quiet {
            engine::reconciliation::check_now(&fleet.pool).await?;
            checks -= 1;
            // The sweeper finds them within a second.
            sleep(Duration::from_secs(2)).await;
        }
        if Instant::now() > deadline {
            return Ok(None);
        }
        sleep(Duration::from_millis(250)).await;
    }
}

async fn evidence(fleet: &mut Fleet, memory: Memory, outcome: Outcome) -> Result<Evidence> {
    let mut crashes = outcome.crashes;
    crashes.extend(fleet.revive()?);
    crashes.extend(fleet.panics()?);
    let fleet = &*fleet;
    let pool = &fleet.pool;
    let payments = facts::payments(pool).await?;
    let mut cache = outcome.cache;
    cache.extend(cache::behind(fleet, &payments).await?);
    let transitions = facts::transitions(pool).await?;
    let mut illegal = facts::illegal(pool).await?;
    illegal.extend(facts::lost_attempts(pool).await?);
    let brokers = fleet.servers.kafka_brokers.clone();
    // A Kafka of the environment may hold payments of another Pawl.
    let known: Option<BTreeSet<Uuid>> =
        (!fleet.owns_kafka()).then(|| payments.iter().map(|payment| payment.id).collect());
    let ours = move |stream: Option<Uuid>| match &known {
        Some(known) => stream.is_some_and(|stream| known.contains(&stream)),
        None => true,
    };
    let streams = tokio::task::spawn_blocking(move || topic::read(&brokers, ours)).await??;
    Ok(Evidence {
        missing: facts::missing(pool, &memory.acknowledged).await?,
        memory,
        ledger: fleet.simulator.ledger().await?,
        sums: facts::sums(pool).await?,
        open: facts::open(pool).await?,
        gaps: facts::gaps(pool).await?,
        illegal,
        topic: topic::faults(&streams, &transitions),
        payments,
        cache,
        crashes,
        faults: outcome.faults,
    })
}

/// Prints each rule, with those that break it.
fn show_findings(verdict: &Verdict) {
    for finding in &verdict.findings {
        output::line(format!(
            "{}  {}  {}",
            finding.rule,
            if finding.holds { "holds " } else { "BROKEN" },
            finding.says
        ));
        for offender in finding.offenders.iter().take(SHOWN) {
            output::line(format!("      {offender}"));
        }
        if finding.offenders.len() > SHOWN {
            output::line(format!(
                "      and {} more",
                finding.offenders.len() - SHOWN
            ));
        }
    }
}

fn show(report: &Report) {
    let verdict = &report.verdict;
    show_findings(verdict);
    let faults: Vec<String> = verdict
        .faults_fired
        .iter()
        .map(|(name, times)| format!("{times} {name}"))
        .collect();
    let quiet = report.quiet_after_seconds.map_or_else(
        || "never".to_owned(),
        |seconds| format!("after {seconds:.1} s"),
    );
    output::line(format!(
        "{} payments; {}; quiet {quiet}",
        verdict.payments,
        faults.join(", ")
    ));
    let result = if verdict.passed { "passed" } else { "FAILED" };
    output::line(format!(
        "{result} (seed {}, commit {})",
        report.seed, report.commit
    ));
}
