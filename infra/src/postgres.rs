//! Connections to Postgres, with the limits that keep a paused client from holding others up.

use std::time::Duration;

use anyhow::Context;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

/// A connection that lay unused for longer is asked whether it still lives before it is handed out.
const FRESH_FOR: Duration = Duration::from_secs(2);

/// A pool of at most `max` connections, opened when they are first needed.
///
/// Nothing is connected here, so a service starts while Postgres is away. `acquire` gives up after 3 s. Locks are
/// waited for at most 5 s, and a transaction that idles for 10 s is ended by the server, with its locks.
///
/// # Errors
/// If `url` is not a Postgres URL.
pub fn pool(url: &str, max: u32) -> anyhow::Result<PgPool> {
    Ok(pool_with(parsed(url)?, max))
}

/// [`pool`] whose connections have the rights of this role of the database and no others, whatever user the URL names;
/// the user must be a member of it.
///
/// # Errors
/// As of [`pool`].
pub fn pool_as(role: &str, url: &str, max: u32) -> anyhow::Result<PgPool> {
    Ok(pool_with(parsed(url)?.options([("role", role)]), max))
}

fn parsed(url: &str) -> anyhow::Result<PgConnectOptions> {
    let form = "the database URL is not of the form postgres://user:password@host:port/database";
    // sqlx itself takes any scheme.
    let options =
        Some(url).filter(|url| url.starts_with("postgres://") || url.starts_with("postgresql://"));
    options.context(form)?.parse().context(form)
}

/// [`pool`] for options that are already parsed.
#[must_use]
pub fn pool_with(options: PgConnectOptions, max: u32) -> PgPool {
    let mut options = options
        .options([
            ("lock_timeout", "5s"),
            ("idle_in_transaction_session_timeout", "10s"),
            // Every statement of ours finds a few rows by an index, whatever the tables hold. Left to its statistics,
            // which are of an empty table for the first minute of a database, the planner scans; and it plans anew at
            // each execution, which costs more than the execution.
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("jit", "off"),
        ])
        .statement_cache_capacity(256);
    if options.get_application_name().is_none() {
        options = options.application_name(&program());
    }
    PgPoolOptions::new()
        .max_connections(max)
        .acquire_timeout(Duration::from_secs(3))
        // sqlx would ping before each use: a round trip for every statement of the hot path.
        .test_before_acquire(false)
        .before_acquire(|connection, usage| {
            Box::pin(async move {
                if usage.idle_for > FRESH_FOR {
                    sqlx::Connection::ping(connection).await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options)
}

/// Whether Postgres answers a query now.
///
/// # Errors
/// If no connection could be had or the query failed.
pub async fn ping(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("select 1").execute(pool).await.map(drop)
}

/// Whether the database could not be asked, as opposed to having been asked and having refused.
#[must_use]
pub fn is_away(error: &sqlx::Error) -> bool {
    use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Tls};
    if matches!(error, Io(_) | PoolTimedOut | PoolClosed | Tls(_)) {
        return true;
    }
    // Class 57P: shutting down, crashed, or starting up. Class 53: out of connections, disk or memory.
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code.starts_with("57P") || code.starts_with("53"))
}

/// The name of the running program, which is how a connection is told apart in `pg_stat_activity`.
fn program() -> String {
    std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .unwrap_or_else(|| "pawl".to_owned())
}
