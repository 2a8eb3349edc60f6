//! What is watched at a database: the connections of a pool, the clock, and the version of the schema.

use std::time::{Instant, SystemTime};

use sqlx::error::DatabaseError;
use sqlx::postgres::PgPool;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::within;
use crate::metrics::{Gauges, SAMPLE};

static CONNECTIONS: Gauges<2> = Gauges::new(
    "pawl_db_pool_connections",
    "Open connections to Postgres, by service and whether they are in use.",
    ["service", "state"],
);
static CLOCK_SKEW: Gauges<0> = Gauges::new(
    "pawl_clock_skew_seconds",
    "How far this machine's clock is ahead of Postgres'; NaN while Postgres does not answer.",
    [],
);

/// How far this machine's clock may differ from Postgres'.
const TOLERATED_SKEW: f64 = 5.0;

/// SQLSTATEs with which a database answers that was never migrated: there is no such table, or no such role.
const NEVER_MIGRATED: [&str; 3] = ["42P01", "22023", "42704"];

/// Sets the gauges of a service's connection pool and of its clock every few seconds, until `shutdown`.
pub fn watch(service: &'static str, pool: PgPool, shutdown: CancellationToken) {
    tokio::spawn(async move {
        loop {
            let (all, idle) = (pool.size(), u32::try_from(pool.num_idle()).unwrap_or(0));
            CONNECTIONS.with_labels([service, "idle"]).set(idle);
            CONNECTIONS
                .with_labels([service, "used"])
                .set(all.saturating_sub(idle));
            let skew = clock_skew(&pool).await.unwrap_or(f64::NAN);
            CLOCK_SKEW.with_labels([]).set(skew);
            if shutdown.run_until_cancelled(sleep(SAMPLE)).await.is_none() {
                return;
            }
        }
    });
}

/// How many seconds this machine's clock is ahead of Postgres', or behind it if negative.
///
/// # Errors
/// If Postgres does not answer.
pub async fn clock_skew(pool: &PgPool) -> sqlx::Result<f64> {
    within(async {
        let mut connection = pool.acquire().await?;
        let asked = Instant::now();
        let query = "select extract(epoch from clock_timestamp())::float8";
        let theirs: f64 = sqlx::query_scalar(query)
            .fetch_one(&mut *connection)
            .await?;
        let took = asked.elapsed().as_secs_f64();
        let ours = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64());
        Ok(ours - took / 2.0 - theirs)
    })
    .await
}

/// Checks that a clock with this skew can be used.
///
/// # Errors
/// A sentence that says by how much it is wrong.
pub fn check_clock(skew: f64) -> Result<(), String> {
    if skew.abs() <= TOLERATED_SKEW {
        return Ok(());
    }
    let side = if skew > 0.0 { "ahead of" } else { "behind" };
    Err(format!(
        "the clock of this machine is {:.0} s {side} that of Postgres: synchronise it, because tokens and signatures are checked by it",
        skew.abs()
    ))
}

/// The version of the newest migration that was applied; 0 if none was.
///
/// # Errors
/// If Postgres does not answer.
pub async fn schema_version(pool: &PgPool) -> sqlx::Result<i64> {
    let query = "select coalesce(max(version), 0) from _sqlx_migrations where success";
    let found = within(sqlx::query_scalar(query).fetch_one(pool)).await;
    found.or_else(|error| {
        let code = error.as_database_error().and_then(DatabaseError::code);
        if code.is_some_and(|code| NEVER_MIGRATED.contains(&code.as_ref())) {
            return Ok(0);
        }
        Err(error)
    })
}
