//! The yardstick: naive transitions per second of the same database on the same disk.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use sqlx::postgres::PgPool;
use tokio::process::Command;

const SCHEMA: &str = include_str!("../../bench/naive_schema.sql");
const SCRIPT: &str = include_str!("../../bench/naive_transition.sql");
/// The number of clients with the highest rate.
const CLIENTS: &str = "8";

/// Refuses to measure a database that acknowledges a commit before it is on disk.
///
/// # Errors
/// `fsync`, `synchronous_commit` or `full_page_writes` is off.
pub(crate) async fn assert_durable(pool: &PgPool) -> Result<()> {
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let value: String = sqlx::query_scalar("select current_setting($1)")
            .bind(setting)
            .fetch_one(pool)
            .await?;
        if value != "on" {
            bail!(
                "{setting} is {value}: a payment would not survive a crash, and the figures would be meaningless"
            );
        }
    }
    Ok(())
}

/// Gives each measurement the same start: fresh statistics, and no checkpoint due.
pub(crate) async fn settle(pool: &PgPool) -> Result<()> {
    sqlx::raw_sql("vacuum analyze").execute(pool).await?;
    // Without the right to do this, the figures vary a little more.
    let _ = sqlx::raw_sql("checkpoint").execute(pool).await;
    Ok(())
}

/// Creates the tables of the yardstick anew.
pub(crate) async fn prepare(pool: &PgPool) -> Result<()> {
    sqlx::raw_sql(SCHEMA)
        .execute(pool)
        .await
        .context("making the tables of the yardstick")?;
    settle(pool).await
}

/// Naive transitions per second over so many seconds, on the tables of [`prepare`].
pub(crate) async fn transitions_per_second(
    database_url: &str,
    seconds: u64,
    run: &Path,
) -> Result<f64> {
    let script = run.join("naive_transition.sql");
    std::fs::write(&script, SCRIPT)?;
    let output = Command::new("pgbench")
        .args([
            "--no-vacuum",
            "--protocol=prepared",
            "--client",
            CLIENTS,
            "--jobs",
            "2",
        ])
        .args(["--time", &seconds.to_string(), "--file"])
        .arg(&script)
        .arg(database_url)
        .output()
        .await
        .context("starting pgbench (Debian has it in `postgresql` or `postgresql-contrib`)")?;
    let report = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!(
            "pgbench failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    rate(&report).with_context(|| format!("pgbench reported no rate:\n{report}"))
}

/// Removes the tables of the yardstick.
pub(crate) async fn remove(pool: &PgPool) -> Result<()> {
    sqlx::raw_sql("drop schema if exists naive cascade")
        .execute(pool)
        .await?;
    Ok(())
}

fn rate(report: &str) -> Option<f64> {
    report
        .lines()
        .find_map(|line| line.strip_prefix("tps = "))
        .and_then(|rest| rest.split(' ').next())
        .and_then(|number| number.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_the_report_of_pgbench() {
        let report =
            "latency average = 1.5 ms\ntps = 117.713414 (without initial connection time)\n";
        assert_eq!(rate(report), Some(117.713_414));
        assert_eq!(rate("pgbench (15.18)"), None);
    }
}
