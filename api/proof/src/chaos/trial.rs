//! `pawl chaos --trial`: one fault under a steady load, with the figures before and during it.
//!
//! All trials of a command run one after the other on the same processes. At the end all work must be finished, and the
//! rules of a campaign must hold.

mod faults;
mod figures;
mod load;
mod merchants;
mod stage;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::ValueEnum as _;
use serde::Serialize;
use servers::Progress;
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::figures::{Figures, ratio};
use self::load::{Group, Load};
use self::stage::{Happened, Stage};
use super::campaign::Outcome;
use super::client::Memory;
use super::plan::Story;
use super::verdict::{Fired, Verdict};
use super::{ChaosOptions, evidence, quiet};
use crate::fleet::commit;
use crate::output;

/// The longest that clients wait for a refusal while a table is locked: see docs/troubleshooting.md.
const REFUSED_WITHIN_MS: f64 = 10_000.0;
/// The longest that clients wait for a refusal while their payment is locked.
const BUSY_WITHIN_MS: f64 = 8_000.0;
/// The time in which payments are accepted and succeed again after connections were swallowed.
const AGAIN_WITHIN: Duration = Duration::from_secs(15);

/// A fault that is tried alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Trial {
    /// Somebody keeps five payments locked.
    LockPayments,
    /// Somebody keeps the whole table `payment` locked.
    LockTable,
    /// The gateways' connections to Postgres swallow what is sent; new ones work.
    SwallowGateway,
    /// The workers' connections to Postgres swallow what is sent; new ones work.
    SwallowWorker,
    /// A gateway's clock is an hour ahead.
    ClockAhead,
    /// A gateway's clock is an hour behind.
    ClockBehind,
    /// The gateways are restarted one after the other.
    RollingRestart,
    /// A job and a row of the outbox cannot be read.
    PoisonRow,
    /// One merchant sends as many requests as it can, over the limit of its key.
    Flood,
    /// One merchant's webhook endpoint accepts connections and never answers.
    DeadReceiver,
}

/// The times of a trial's parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    warm: Duration,
    before: Duration,
    pub(super) fault: Duration,
    after: Duration,
    /// The least share of the throughput that must be left to those whom the fault should not touch.
    least_share: f64,
}

impl Times {
    fn of(short: bool) -> Times {
        let seconds = Duration::from_secs;
        if short {
            // On a machine that does other things too, short parts differ by themselves.
            return Times {
                warm: seconds(1),
                before: seconds(3),
                fault: seconds(6),
                after: seconds(1),
                least_share: 0.3,
            };
        }
        Times {
            warm: seconds(5),
            before: seconds(20),
            fault: seconds(20),
            after: seconds(5),
            least_share: 0.9,
        }
    }
}

/// A statement about a trial, and whether it holds.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Check {
    says: String,
    holds: bool,
}

impl Check {
    pub(super) fn new(holds: bool, says: impl Into<String>) -> Check {
        let says = says.into();
        Check { says, holds }
    }
}

/// The figures and the judgement of one trial.
#[derive(Debug, Clone, Serialize)]
struct Report {
    trial: String,
    before: Figures,
    during: Figures,
    /// Of those whom the fault touches.
    touched: Figures,
    /// Requests of the others per second during the fault, as a share of those before.
    share: f64,
    /// Payments that succeeded per second, as a share of those before.
    share_succeeded: f64,
    checks: Vec<Check>,
}

/// The content of the JSON file.
#[derive(Debug, Serialize)]
struct Reports {
    trials: Vec<Report>,
    #[serde(flatten)]
    verdict: Verdict,
    commit: String,
    passed: bool,
    /// The time after the last trial until all work was finished.
    quiet_after_seconds: Option<f64>,
}

/// Runs the trials of the options and prints what they showed; returns the JSON and whether all of it holds.
///
/// # Errors
/// A process does not start, or a fault cannot be made.
pub(super) async fn run(options: &ChaosOptions) -> Result<(String, bool)> {
    let times = Times::of(options.short);
    let mut progress = Progress::new();
    let mut stage = Stage::start(options.workers, times, &mut progress).await?;
    progress.end();
    let (mut reports, mut memory) = (Vec::new(), Memory::default());
    for trial in &options.trial {
        let (report, load) = run_one(&mut stage, *trial, options.clients).await?;
        show(&report);
        memory.acknowledged.extend(load.acknowledged());
        let payments = load.payments().into_iter().map(|id| (id, Story::Card));
        memory.payments.extend(payments);
        reports.push(report);
    }
    let mut fleet = stage.fleet;
    let quiet = quiet(&fleet, JoinSet::new(), 0).await?;
    let happened = Fired {
        times: 1,
        wanted: 1,
    };
    let outcome = Outcome {
        faults: [("trials", happened)].into(),
        ..Outcome::default()
    };
    let verdict = Verdict::new(&evidence(&mut fleet, memory, outcome).await?);
    fleet.stop(verdict.passed).await?;
    super::show_findings(&verdict);
    let all_hold = |report: &Report| report.checks.iter().all(|check| check.holds);
    let passed = verdict.passed && reports.iter().all(all_hold);
    let reports = Reports {
        trials: reports,
        verdict,
        commit: commit(),
        passed,
        quiet_after_seconds: quiet.map(|time| time.as_secs_f64()),
    };
    output::line(if passed { "passed" } else { "FAILED" });
    Ok((serde_json::to_string_pretty(&reports)?, passed))
}

async fn run_one(stage: &mut Stage, trial: Trial, clients: usize) -> Result<(Report, Load)> {
    let times = stage.times;
    let gateways: Vec<SocketAddr> = match trial {
        Trial::RollingRestart => vec![stage.fleet.gateway, stage.second],
        _ => vec![stage.fleet.gateway],
    };
    let mut load = Load::new(gateways);
    load.pay(clients, Group::Others, &stage.user)?;
    sleep(times.warm).await;
    let before = stage.window().await?;
    sleep(times.before).await;
    let before = before.close(&stage.fleet.pool).await?;
    let happened = faults::commit(trial, stage, &mut load).await?;
    sleep(times.after).await;
    load.stop().await?;
    let seen = load.seen();
    let figures = |group, part: &stage::Part| Figures::of(&seen, group, part.from, part.until);
    let (calm, during) = (
        figures(Group::Others, &before),
        figures(Group::Others, &happened.part),
    );
    if calm.per_second == 0.0 {
        bail!("no request was answered before the fault");
    }
    let mut report = Report {
        trial: trial
            .to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default(),
        touched: figures(Group::Touched, &happened.part),
        share: ratio(during.per_second, calm.per_second),
        share_succeeded: ratio(happened.part.succeeded, before.succeeded),
        before: calm,
        during,
        checks: happened.checks.clone(),
    };
    report
        .checks
        .extend(judge(trial, &report, &happened, times));
    Ok((report, load))
}

/// What must hold in this trial, besides what its fault has checked.
fn judge(trial: Trial, report: &Report, happened: &Happened, times: Times) -> Vec<Check> {
    let (during, least) = (&report.during, times.least_share);
    let share = || {
        let says = format!(
            "the others keep {least} of their throughput: {:.2}",
            report.share
        );
        Check::new(report.share >= least, says)
    };
    let succeeded = || {
        let share = report.share_succeeded;
        let says = format!("{least} of the payments succeed as before: {share:.2}");
        Check::new(share >= least, says)
    };
    let answered = || {
        let says = format!("each request is answered: {} were not", during.unanswered);
        Check::new(during.unanswered == 0, says)
    };
    let refused = |figures: &Figures, limit: f64| {
        let says = format!(
            "who is refused knows it within {limit:.0} ms and when to try again: {} refused, the slowest answer {:.0} ms",
            figures.refused, figures.slowest_ms
        );
        let in_time = figures.slowest_ms <= limit && figures.without_retry_after == 0;
        Check::new(in_time && figures.unanswered == 0, says)
    };
    let again = |after: Option<Duration>, what: &str| {
        let seconds = after.map_or_else(
            || "never".to_owned(),
            |after| format!("{:.1} s", after.as_secs_f64()),
        );
        let says = format!("payments {what} again within {AGAIN_WITHIN:?}: {seconds}");
        Check::new(after.is_some_and(|after| after <= AGAIN_WITHIN), says)
    };
    match trial {
        Trial::LockPayments => vec![
            share(),
            succeeded(),
            answered(),
            refused(&report.touched, BUSY_WITHIN_MS),
        ],
        Trial::LockTable => vec![
            refused(during, REFUSED_WITHIN_MS),
            again(happened.succeeded_after, "succeed"),
        ],
        Trial::SwallowGateway | Trial::SwallowWorker => vec![
            again(happened.accepted_after, "are accepted"),
            again(happened.succeeded_after, "succeed"),
        ],
        Trial::ClockAhead | Trial::ClockBehind => vec![answered(), succeeded()],
        Trial::RollingRestart => vec![answered(), refused_none(during)],
        Trial::PoisonRow | Trial::DeadReceiver => vec![answered(), share(), succeeded()],
        Trial::Flood => vec![answered(), slower(report, least)],
    }
}

fn refused_none(during: &Figures) -> Check {
    let says = format!("no request is refused: {} were", during.refused);
    Check::new(during.refused == 0, says)
}

/// The others' p99 may be twice as long; in a short trial, whose share is lower, four times.
fn slower(report: &Report, least_share: f64) -> Check {
    let factor = if least_share < 0.9 { 4.0 } else { 2.0 };
    let (now, before) = (report.during.p99_ms, report.before.p99_ms);
    let says = format!(
        "the others' p99 is at most {factor} times as long: {before:.1} ms, then {now:.1} ms"
    );
    Check::new(now <= before * factor, says)
}

fn show(report: &Report) {
    output::line(format!(
        "{}: throughput of the others {:.2} of before, payments that succeed {:.2} of before",
        report.trial, report.share, report.share_succeeded
    ));
    let parts = [
        ("before", &report.before),
        ("during", &report.during),
        ("touched", &report.touched),
    ];
    for (name, figures) in parts {
        output::line(format!(
            "  {name:8} {:7.1} answers/s  p50 {:7.1} ms  p99 {:8.1} ms  refused {:4}  unanswered {:3}",
            figures.per_second, figures.p50_ms, figures.p99_ms, figures.refused, figures.unanswered
        ));
    }
    for check in &report.checks {
        let holds = if check.holds { "holds " } else { "BROKEN" };
        output::line(format!("  {holds} {}", check.says));
    }
}
