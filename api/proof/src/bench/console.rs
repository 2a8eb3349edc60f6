//! `pawl bench --console`: how long each page of the console and each list of the operations API takes with much data.

mod addresses;

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use authz::StaffRole;
use comfy_table::Table;
use hdrhistogram::Histogram;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, COOKIE};
use serde::Serialize;
use servers::Progress;
use tokio::process::Command;

use self::addresses::{Address, addresses};
use super::machine::{build, machine};
use super::options::BenchOptions;
use crate::fleet::{Fleet, FleetOptions, Sharing, commit, run_name};

/// The account that `pawl seed` makes.
const ACCOUNT: &str = "Pawl demo";
/// What 95 of 100 requests for an address may take at most.
const ASKED_MS: f64 = 50.0;
/// Requests for an address that are not counted: plans and caches get warm.
const WARM_UP: usize = 5;
/// A request that takes longer ends the measurement.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The figures of all addresses.
#[derive(Debug, Serialize)]
pub(super) struct ConsoleReport {
    asked_p95_ms: f64,
    worst_p95_ms: f64,
    addresses: Vec<Measured>,
    payments: u32,
    jobs: u32,
    requests: usize,
    commit: String,
    machine: String,
    build: &'static str,
}

/// The figures of one address.
#[derive(Debug, Serialize)]
struct Measured {
    /// `account`: an admin of the account that has all payments; `house`: an admin of the house, who sees every account.
    who: &'static str,
    name: &'static str,
    path: String,
    p50_ms: f64,
    p95_ms: f64,
    max_ms: f64,
    bytes: usize,
}

/// Starts everything on a database of its own, fills it with `pawl seed`, and measures.
pub(super) async fn measure(options: &BenchOptions) -> Result<ConsoleReport> {
    let mut progress = Progress::new();
    let fleet_options = FleetOptions {
        name: run_name("console"),
        // No worker: only the requests that are measured use the database.
        workers: 0,
        sharing: Sharing::Polite,
        log: "warn",
        operations: true,
        environment: Vec::new(),
    };
    let fleet = Fleet::start(&fleet_options, &mut progress).await?;
    progress.begin("seed");
    progress.end();
    seed(&fleet, options).await?;
    let mut measured = Vec::new();
    for (who, email, staff) in [
        ("account", "account@pawl.example", None),
        ("house", "house@pawl.example", Some(StaffRole::Admin)),
    ] {
        let token = fleet.log_in_as(ACCOUNT, email, staff).await?;
        progress.begin(who);
        for address in addresses(&fleet.pool).await? {
            if staff.is_some() || !address.needs_staff {
                measured.push(one(&fleet, &token, who, address, options.requests).await?);
            }
        }
        progress.done(format!("{} addresses", measured.len()));
    }
    progress.end();
    fleet.stop(true).await?;
    let worst = measured.iter().map(|it| it.p95_ms).fold(0.0, f64::max);
    Ok(ConsoleReport {
        asked_p95_ms: ASKED_MS,
        worst_p95_ms: worst,
        addresses: measured,
        payments: options.payments,
        jobs: options.jobs,
        requests: options.requests,
        commit: commit(),
        machine: machine(),
        build: build(),
    })
}

/// Fills the database with this program's `pawl seed`, which shows its progress itself.
async fn seed(fleet: &Fleet, options: &BenchOptions) -> Result<()> {
    let program = std::env::current_exe().context("the path of this program is not known")?;
    let status = Command::new(program)
        .args(["seed", "--force", "--payments"])
        .arg(options.payments.to_string())
        .args(["--jobs", &options.jobs.to_string()])
        .env("DATABASE_URL", &fleet.servers.database_url)
        .env_remove("STRIPE_API_KEY")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .await?;
    if !status.success() {
        bail!("`pawl seed` ended with {status}: see above");
    }
    Ok(())
}

/// Asks for an address again and again, one request after the other; every answer must be a 200.
async fn one(
    fleet: &Fleet,
    token: &str,
    who: &'static str,
    address: Address,
    requests: usize,
) -> Result<Measured> {
    let core = fleet.core.as_deref().context("no core service runs")?;
    // In microseconds.
    let mut times = Histogram::<u64>::new(3)?;
    let mut bytes = 0;
    for number in 0..WARM_UP + requests {
        let start = Instant::now();
        let answer = fleet
            .http
            .get(format!("{core}{}", address.path))
            .header(COOKIE, format!("pawl_access={token}"))
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(ACCEPT_ENCODING, "gzip, deflate, br, zstd")
            .timeout(ANSWER_WITHIN)
            .send()
            .await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        let time = start.elapsed();
        if status != 200 {
            bail!(
                "{} ({who}) was answered {status}: {}",
                address.path,
                String::from_utf8_lossy(&body)
            );
        }
        if number >= WARM_UP {
            times.record(u64::try_from(time.as_micros())?)?;
            bytes = body.len();
        }
    }
    let at = |quantile: f64| milliseconds(times.value_at_quantile(quantile));
    Ok(Measured {
        who,
        name: address.name,
        p50_ms: at(0.5),
        p95_ms: at(0.95),
        max_ms: milliseconds(times.max()),
        bytes,
        path: address.path,
    })
}

fn milliseconds(microseconds: u64) -> f64 {
    Duration::from_micros(microseconds).as_secs_f64() * 1000.0
}

impl ConsoleReport {
    /// Whether every address is as fast as is asked.
    pub(super) fn is_fast(&self) -> bool {
        self.worst_p95_ms <= ASKED_MS
    }

    /// The report for people, the slowest address first.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY);
        table.set_header(["who", "what", "p50 ms", "p95 ms", "max ms", "bytes", "path"]);
        let mut rows: Vec<&Measured> = self.addresses.iter().collect();
        rows.sort_by(|a, b| b.p95_ms.total_cmp(&a.p95_ms));
        for row in rows {
            table.add_row([
                row.who,
                row.name,
                &format!("{:.1}", row.p50_ms),
                &format!("{:.1}", row.p95_ms),
                &format!("{:.1}", row.max_ms),
                &row.bytes.to_string(),
                &row.path,
            ]);
        }
        format!(
            "{table}\nworst p95 {:.1} ms, asked {ASKED_MS} ms: {} payments, {} jobs, {} requests each\n{} {}, {}",
            self.worst_p95_ms,
            self.payments,
            self.jobs,
            self.requests,
            self.build,
            self.commit,
            self.machine
        )
    }
}
