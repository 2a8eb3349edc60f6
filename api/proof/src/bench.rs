//! `pawl bench`: whole payments per second, their latency and CPU time, and their ratio to the limit of the database.
//!
//! Three rounds, each of three parts on the same servers: the yardstick (naive transitions), the saturated system, the
//! system at low load. The figures are the medians of the rounds. `--soak` sends a steady load for minutes instead.

mod board;
mod console;
pub mod hello;
mod http;
mod http_report;
mod load;
mod machine;
mod naive;
mod options;
mod receiver;
mod report;
mod soak;
mod watch;

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use board::{Board, Window};
use load::{Load, Pace, Target};
use machine::{build, machine};
use receiver::Receiver;
use report::{Latency, Measured, Report, Round, Setting};
use serde::Serialize;
use servers::Progress;
use soak::Soak;
use sqlx::postgres::PgPool;

use crate::fleet::{Fleet, FleetOptions, Sharing, commit, cpu, run_name};
use crate::output;

pub use self::options::BenchOptions;

/// The load at which latencies are stated.
const LOW_LOAD_PER_SECOND: u64 = 200;
/// The time after a load starts that is not measured: connections, plans and caches get warm.
const WARM_UP: Duration = Duration::from_secs(3);

/// Measures, prints the table and writes the JSON file.
///
/// # Errors
/// This is a debug build, a process does not start, or a payment does not succeed.
pub async fn run(options: BenchOptions) -> Result<ExitCode> {
    if cfg!(debug_assertions) && !options.allow_debug {
        bail!(
            "this is a debug build: run `cargo build --release --workspace --bins`, then `target/release/pawl bench`"
        );
    }
    let shutdown = infra::shutdown::signal();
    let figures = shutdown
        .run_until_cancelled(Box::pin(figures(&options)))
        .await;
    let figures = figures.context("interrupted")??;
    output::line(figures.table);
    if let Some(file) = &options.json {
        fs::write(file, figures.json + "\n")
            .with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(if figures.passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The figures that the options ask for.
struct Figures {
    table: String,
    json: String,
    passed: bool,
}

impl Figures {
    fn new(table: String, report: &impl Serialize, passed: bool) -> Result<Figures> {
        let json = serde_json::to_string_pretty(report)?;
        Ok(Figures {
            table,
            json,
            passed,
        })
    }
}

async fn figures(options: &BenchOptions) -> Result<Figures> {
    if options.http {
        let report = http::measure(options).await?;
        return Figures::new(report.table(), &report, true);
    }
    if options.console {
        let report = console::measure(options).await?;
        return Figures::new(report.table(), &report, report.is_fast());
    }
    if let Some(minutes) = options.soak {
        let report = measure_soak(options, minutes).await?;
        return Figures::new(report.table(), &report, report.is_flat());
    }
    let report = measure(options).await?;
    Figures::new(report.table(), &report, true)
}

async fn measure(options: &BenchOptions) -> Result<Report> {
    let mut progress = Progress::new();
    let fleet = start_fleet(options, &mut progress).await?;
    naive::assert_durable(&fleet.pool).await?;
    let receiver = if options.endpoint {
        Some(Receiver::start(&fleet).await?)
    } else {
        None
    };
    let bench = Bench {
        fleet: &fleet,
        options,
        receiver,
    };
    bench.prime().await.context("the first payment")?;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        rounds.push(bench.round(&mut progress).await?);
    }
    naive::remove(&fleet.pool).await?;
    progress.end();
    fleet.stop(true).await?;
    Ok(Report::new(&rounds, setting(options, rounds.len())))
}

async fn measure_soak(options: &BenchOptions, minutes: u64) -> Result<Soak> {
    let mut progress = Progress::new();
    let fleet = start_fleet(options, &mut progress).await?;
    naive::assert_durable(&fleet.pool).await?;
    let bench = Bench {
        fleet: &fleet,
        options,
        receiver: None,
    };
    bench.prime().await.context("the first payment")?;
    let soak = soak::measure(&bench, minutes, setting(options, 1), &mut progress).await?;
    progress.end();
    fleet.stop(true).await?;
    Ok(soak)
}

async fn start_fleet(options: &BenchOptions, progress: &mut Progress) -> Result<Fleet> {
    let fleet_options = FleetOptions {
        name: run_name("bench"),
        workers: options.workers,
        sharing: Sharing::Polite,
        log: "warn",
        operations: false,
        environment: vec![
            // As docs/performance.md says: all processes share two cores, so each gets one thread; the worker leases
            // enough jobs to fill its batches; and the simulator sends only the webhooks that Pawl subscribes to.
            ("TOKIO_WORKER_THREADS", "1".to_owned()),
            ("WORKER_CONCURRENCY", "256".to_owned()),
            (
                "SIMULATOR_WEBHOOK_EVENTS",
                engine::webhook::enabled_events()
                    .collect::<Vec<_>>()
                    .join(","),
            ),
            ("WEBHOOK_ALLOW_PRIVATE", options.endpoint.to_string()),
        ],
    };
    Fleet::start(&fleet_options, progress).await
}

fn setting(options: &BenchOptions, rounds: usize) -> Setting {
    Setting {
        commit: commit(),
        machine: machine(),
        build: build(),
        rounds,
        seconds: options.seconds,
        workers: options.workers,
        connections: options.connections,
        in_flight: options.in_flight,
        low_load_per_second: LOW_LOAD_PER_SECOND,
        endpoint: options.endpoint,
    }
}

struct Bench<'a> {
    fleet: &'a Fleet,
    options: &'a BenchOptions,
    receiver: Option<Receiver>,
}

impl Bench<'_> {
    /// Brings the system to its state after some minutes: the topic exists, every kind of job ran, and the planner has
    /// statistics of tables with rows.
    async fn prime(&self) -> Result<()> {
        let board = Arc::new(Board::new(1)?);
        let mut load = Load::start(
            &self.target(1).await?,
            Pace::PerSecond(10),
            Arc::clone(&board),
        )
        .await?;
        // The topic is created by the first payment, and the watch needs the topic: read the result from the database here.
        tokio::time::sleep(Duration::from_secs(1)).await;
        load.stop().await?;
        wait_until_succeeded(&self.fleet.pool).await?;
        let (connections, in_flight) = (self.options.connections, self.options.in_flight);
        self.part(Pace::Saturated, connections, in_flight, WARM_UP)
            .await?;
        Ok(())
    }

    async fn round(&self, progress: &mut Progress) -> Result<Round> {
        let (fleet, seconds) = (self.fleet, self.options.seconds);
        progress.begin("yardstick");
        naive::prepare(&fleet.pool).await?;
        let cpu_before = fleet.cpu().await?;
        let url = &fleet.servers.database_url;
        let naive = naive::transitions_per_second(url, seconds, &fleet.run).await?;
        let cpu_after = fleet.cpu().await?;
        let transitions = naive * f64::from(u32::try_from(seconds)?);
        let naive_cpu = per_unit(transitions, &cpu_before, &cpu_after)?;
        progress.done(format!("{naive:.0} naive transitions/s"));

        progress.begin("saturated");
        naive::settle(&fleet.pool).await?;
        let saturated = self
            .part(
                Pace::Saturated,
                self.options.connections,
                self.options.in_flight,
                Duration::from_secs(seconds),
            )
            .await?;
        let (rate, latency) = (saturated.payments_per_second, saturated.latency);
        progress.done(format!(
            "{rate:.0} payments/s, done p50 {:.0} ms",
            latency.done_p50_ms
        ));

        progress.begin("low load");
        naive::settle(&fleet.pool).await?;
        let low = self
            .part(
                Pace::PerSecond(LOW_LOAD_PER_SECOND),
                20,
                0,
                Duration::from_secs(seconds),
            )
            .await?;
        let latency = low.latency;
        progress.done(format!(
            "POST p50 {:.1} ms, p99 {:.1} ms",
            latency.post_p50_ms, latency.post_p99_ms
        ));
        Ok(Round {
            naive_transitions_per_second: naive,
            postgres_us_per_naive_transition: naive_cpu.get("postgres").copied(),
            saturated,
            low,
        })
    }

    /// Runs one load: warm-up, measurement, drain; then compares the counts with the database.
    async fn part(
        &self,
        pace: Pace,
        connections: usize,
        in_flight: usize,
        time: Duration,
    ) -> Result<Measured> {
        let board = Arc::new(Board::new(in_flight)?);
        let brokers = self.fleet.servers.kafka_brokers.clone();
        let watched = Arc::clone(&board);
        let batches = matches!(pace, Pace::Saturated);
        let watch =
            tokio::task::spawn_blocking(move || watch::Watch::start(&brokers, watched, batches))
                .await??;
        let before = count(&self.fleet.pool).await?;

        let mut load =
            Load::start(&self.target(connections).await?, pace, Arc::clone(&board)).await?;
        load.run(WARM_UP).await?;
        let cpu_before = self.fleet.cpu().await?;
        let machine_before = cpu::Machine::now()?;
        board.turn()?;
        let received_before = self.received();
        let start = Instant::now();
        load.run(time).await?;
        let window = board.turn()?;
        let received = self.received() - received_before;
        let time = start.elapsed();
        let idle_share = cpu::Machine::now()?.idle_share_since(machine_before);
        let cpu_after = self.fleet.cpu().await?;

        let sent = load.finish().await?;
        drop(watch);
        let after = count(&self.fleet.pool).await?;
        let new = after.all - before.all;
        if after.succeeded != after.all || u64::try_from(new)? != sent {
            bail!(
                "{sent} payments were sent, the database has {new} more than before, and {after:?}"
            );
        }
        receiver::wait_until_delivered(&self.fleet.pool).await?;
        Ok(Measured {
            deliveries_per_second: f64::from(u32::try_from(received)?) / time.as_secs_f64(),
            idle_share,
            ..measured(&window, time, &cpu_before, &cpu_after)?
        })
    }

    /// How many deliveries the endpoint received so far.
    fn received(&self) -> u64 {
        self.receiver.as_ref().map_or(0, Receiver::received)
    }

    async fn target(&self, connections: usize) -> Result<Target> {
        Ok(Target {
            gateway: self.fleet.gateway,
            token: self.fleet.log_in().await?,
            connections,
        })
    }
}

/// How many payments there are, and how many of them succeeded.
#[derive(Debug, Clone, Copy)]
struct Count {
    all: i64,
    succeeded: i64,
}

async fn count(pool: &PgPool) -> Result<Count> {
    let count = "select count(*), count(*) filter (where status = 'succeeded') from payment";
    let (all, succeeded) = sqlx::query_as(count).fetch_one(pool).await?;
    Ok(Count { all, succeeded })
}

async fn wait_until_succeeded(pool: &PgPool) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let count = count(pool).await?;
        if count.all > 0 && count.all == count.succeeded {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("not done after 30 s: {count:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn measured(
    window: &Window,
    time: Duration,
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
) -> Result<Measured> {
    let done = u32::try_from(window.done)?;
    if done == 0 {
        bail!("no payment was done in {time:?}");
    }
    let done = f64::from(done);
    Ok(Measured {
        payments_per_second: done / time.as_secs_f64(),
        deliveries_per_second: 0.0,
        idle_share: 0.0,
        latency: Latency::new(&window.post_latency, &window.done_latency),
        cpu_us_per_payment: per_unit(done, before, after)?,
    })
}

/// The CPU microseconds of each process for one of so many payments or transitions.
fn per_unit(
    units: f64,
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
) -> Result<BTreeMap<String, f64>> {
    let cpu = after.iter().map(|(name, after)| {
        let used = after.saturating_sub(before.get(name).copied().unwrap_or_default());
        Ok((name.clone(), f64::from(u32::try_from(used)?) / units))
    });
    cpu.collect()
}
