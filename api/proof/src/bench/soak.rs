//! `pawl bench --soak`: a steady load for minutes, with the memory of each process and the size of each table every minute.
//!
//! It answers whether something grows that should not: the memory of Pawl's own services, the tables that hold only what is
//! open, and the disk space that one payment takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use servers::Progress;
use sqlx::postgres::PgPool;

use super::board::Board;
use super::load::{Load, Pace};
use super::report::{Latency, Setting};
use super::{Bench, LOW_LOAD_PER_SECOND, count, watch};
use crate::fleet::Fleet;

const MEBIBYTE: u64 = 1024 * 1024;
/// The allocators and pools of a service may still fill this much after the first half.
const MEMORY_ALLOWANCE: u64 = 8 * MEBIBYTE;
/// The services whose memory must not grow. Redis keeps cached views for 24 h, the simulator everything.
const OWN: [&str; 3] = ["gateway", "auth", "worker"];
/// The tables whose rows are removed once nothing is open, with the condition of what is open.
const OPEN: [(&str, &str); 4] = [
    ("outbox", "true"),
    ("inbox_open", "true"),
    ("timer", "true"),
    ("job", "state <> 'done'"),
];
/// The work of this many seconds may be open at any moment of the load.
const OPEN_SECONDS: u64 = 30;

/// What was found after one minute.
#[derive(Debug, Serialize)]
struct Minute {
    payments: u64,
    latency: Latency,
    /// Private memory in bytes, by process.
    memory: BTreeMap<String, u64>,
    /// Bytes of each table with its indexes; partitions count as their parent.
    tables: BTreeMap<String, i64>,
    /// Rows of the tables in [`OPEN`].
    open: BTreeMap<&'static str, i64>,
}

/// The minutes of one run, and what grew.
#[derive(Debug, Serialize)]
pub(super) struct Soak {
    minutes: Vec<Minute>,
    /// Each growth that should not be; empty if memory and tables are flat.
    grown: Vec<String>,
    setting: Setting,
}

/// Runs the load for that many minutes.
///
/// # Errors
/// A payment is refused or does not succeed, or a process is gone.
pub(super) async fn measure(
    bench: &Bench<'_>,
    minutes: u64,
    setting: Setting,
    progress: &mut Progress,
) -> Result<Soak> {
    let fleet = bench.fleet;
    let board = Arc::new(Board::new(0)?);
    let (brokers, watched) = (fleet.servers.kafka_brokers.clone(), Arc::clone(&board));
    let watch = tokio::task::spawn_blocking(move || watch::Watch::start(&brokers, watched, false))
        .await??;
    let before = count(&fleet.pool).await?;
    let pace = Pace::PerSecond(LOW_LOAD_PER_SECOND);
    let mut load = Load::start(&bench.target(20).await?, pace, Arc::clone(&board)).await?;
    let mut found = Vec::new();
    for number in 1..=minutes {
        progress.begin("minute");
        load.run(Duration::from_mins(1)).await?;
        let minute = minute(fleet, &board).await?;
        progress.done(format!(
            "{number} of {minutes}: {} payments, POST p99 {:.1} ms",
            minute.payments, minute.latency.post_p99_ms
        ));
        found.push(minute);
    }
    let sent = load.finish().await?;
    drop(watch);
    let after = count(&fleet.pool).await?;
    if after.succeeded != after.all || u64::try_from(after.all - before.all)? != sent {
        bail!("{sent} payments were sent, before there were {before:?}, now {after:?}");
    }
    Ok(Soak {
        grown: grown(&found),
        minutes: found,
        setting,
    })
}

async fn minute(fleet: &Fleet, board: &Board) -> Result<Minute> {
    let window = board.turn()?;
    Ok(Minute {
        payments: window.done,
        latency: Latency::new(&window.post_latency, &window.done_latency),
        memory: fleet.memory().await?,
        tables: tables(&fleet.pool).await?,
        open: open(&fleet.pool).await?,
    })
}

async fn tables(pool: &PgPool) -> Result<BTreeMap<String, i64>> {
    let sizes = "select coalesce(inhparent::regclass, c.oid::regclass)::text, \
                        sum(pg_total_relation_size(c.oid))::bigint \
                 from pg_class c \
                 left join pg_inherits on inhrelid = c.oid \
                 where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace \
                 group by 1";
    let rows: Vec<(String, i64)> = sqlx::query_as(sizes).fetch_all(pool).await?;
    Ok(rows.into_iter().collect())
}

async fn open(pool: &PgPool) -> Result<BTreeMap<&'static str, i64>> {
    let mut rows = BTreeMap::new();
    for (table, condition) in OPEN {
        let count = format!("select count(*) from {table} where {condition}");
        let count = sqlx::query_scalar(sqlx::AssertSqlSafe(count));
        rows.insert(table, count.fetch_one(pool).await?);
    }
    Ok(rows)
}

/// Each growth from the middle of the run to its end that should not be.
fn grown(minutes: &[Minute]) -> Vec<String> {
    let (Some(middle), Some(last)) = (minutes.get(minutes.len() / 2), minutes.last()) else {
        return Vec::new();
    };
    let mut grown = Vec::new();
    for (process, &bytes) in &last.memory {
        let earlier = middle.memory.get(process).copied().unwrap_or_default();
        let own = OWN.iter().any(|name| process.starts_with(name));
        if own && bytes > earlier + MEMORY_ALLOWANCE {
            grown.push(format!(
                "the memory of {process}: {} to {} MiB",
                earlier / MEBIBYTE,
                bytes / MEBIBYTE
            ));
        }
    }
    for (table, &rows) in &last.open {
        if u64::try_from(rows).is_ok_and(|rows| rows > LOW_LOAD_PER_SECOND * OPEN_SECONDS) {
            grown.push(format!(
                "open rows of {table}: {rows}, more than {OPEN_SECONDS} s of work"
            ));
        }
    }
    grown
}

impl Soak {
    /// Whether memory and tables are flat.
    pub(super) fn is_flat(&self) -> bool {
        self.grown.is_empty()
    }

    /// The minutes, the space by table, and the verdict.
    pub(super) fn table(&self) -> String {
        let grown = if self.is_flat() {
            "memory and open rows are flat".to_owned()
        } else {
            format!("grown: {}", self.grown.join("; "))
        };
        format!("{}\n{}\n{grown}", self.by_minute(), self.by_table())
    }

    fn by_minute(&self) -> Table {
        let mut table = Table::new();
        let processes: Vec<&String> = self
            .minutes
            .first()
            .map_or_else(Vec::new, |minute| minute.memory.keys().collect());
        let mut header = vec!["minute".to_owned(), "payments".to_owned()];
        header.extend(["POST p99 ms".to_owned(), "done p99 ms".to_owned()]);
        header.extend(processes.iter().map(|process| format!("{process} MiB")));
        header.extend(OPEN.map(|(name, _)| format!("open in {name}")));
        table.set_header(header);
        for (number, minute) in (1..).zip(&self.minutes) {
            let mut row = vec![u64::to_string(&number), minute.payments.to_string()];
            row.push(format!("{:.1}", minute.latency.post_p99_ms));
            row.push(format!("{:.1}", minute.latency.done_p99_ms));
            row.extend(processes.iter().map(|process| {
                let bytes = minute.memory.get(*process).copied().unwrap_or_default();
                (bytes / MEBIBYTE).to_string()
            }));
            row.extend(minute.open.values().map(i64::to_string));
            table.add_row(row);
        }
        right(&mut table);
        table
    }

    /// The disk space that a payment took in the second half of the run, by table.
    fn by_table(&self) -> Table {
        let mut table = Table::new();
        table.set_header(["table", "MiB", "bytes per payment, second half"]);
        let middle = self.minutes.len() / 2;
        let (Some(first), Some(last)) = (self.minutes.get(middle), self.minutes.last()) else {
            return table;
        };
        let payments: u64 = self
            .minutes
            .iter()
            .skip(middle + 1)
            .map(|minute| minute.payments)
            .sum();
        let payments = i64::try_from(payments.max(1)).unwrap_or(i64::MAX);
        for (name, &bytes) in &last.tables {
            let growth = bytes - first.tables.get(name).copied().unwrap_or_default();
            if growth != 0 {
                let mebibytes = bytes / 1024 / 1024;
                table.add_row([
                    name.clone(),
                    mebibytes.to_string(),
                    (growth / payments).to_string(),
                ]);
            }
        }
        right(&mut table);
        table
    }
}

fn right(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(worker: u64, outbox: i64) -> Minute {
        let latency = Latency {
            post_p50_ms: 1.0,
            post_p99_ms: 2.0,
            done_p50_ms: 3.0,
            done_p99_ms: 4.0,
        };
        Minute {
            payments: 12_000,
            latency,
            memory: BTreeMap::from([
                ("worker-1".to_owned(), worker * MEBIBYTE),
                ("redis".to_owned(), worker * 10 * MEBIBYTE),
            ]),
            tables: BTreeMap::new(),
            open: BTreeMap::from([("outbox", outbox)]),
        }
    }

    #[test]
    fn growth_after_the_middle_is_named() {
        let flat = [minute(10, 5), minute(40, 5), minute(47, 5)];
        assert_eq!(grown(&flat), Vec::<String>::new());
        let memory = [minute(10, 5), minute(40, 5), minute(49, 5)];
        assert_eq!(grown(&memory), ["the memory of worker-1: 40 to 49 MiB"]);
        let rows = [minute(10, 5), minute(40, 5), minute(40, 6_001)];
        assert_eq!(
            grown(&rows),
            ["open rows of outbox: 6001, more than 30 s of work"]
        );
    }
}
