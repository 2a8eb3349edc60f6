//! Connections to Postgres with timeouts, so that a stalled client cannot block others; and its errors by kind.

mod bound;
mod direct;
mod hosts;
mod watch;

use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::postgres::types::PgInterval;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

pub use bound::{ANSWER_WITHIN, COMMIT_WITHIN, commit, unit, within};
pub use direct::refuse_pooler;
pub use watch::{check_clock, clock_skew, schema_version, watch};

/// How long a statement waits for a lock, as Postgres writes it.
const LOCK_TIMEOUT: &str = "2s";

/// A connection that was idle for longer is pinged before it is used.
const FRESH_FOR: Duration = Duration::from_secs(2);

/// A pool of at most `max` connections, opened when they are first needed.
///
/// Nothing is connected here, so a service starts while Postgres is unavailable. `acquire` fails after 3 s. The server ends
/// a statement that waits for a lock for 2 s or runs for 8 s, a transaction that is idle for 10 s, and a connection whose
/// client has vanished for 11 s, with their locks. [`within`] is the bound for a server that does not answer at all.
///
/// A URL may name several hosts, with commas between: a primary and its standbys. The pool uses the one that accepts writes, and
/// notices within about two seconds when another one does. It needs the runtime of tokio then.
///
/// # Errors
/// If `url` is not a Postgres URL.
pub fn pool(url: &str, max: u32) -> anyhow::Result<PgPool> {
    Ok(pool_over(hosts::parse(url)?, max))
}

/// [`pool`] whose connections have only the rights of this database role. The user of the URL must be a member of it.
///
/// # Errors
/// As of [`pool`].
pub fn pool_as(role: &str, url: &str, max: u32) -> anyhow::Result<PgPool> {
    let servers = hosts::parse(url)?.into_iter();
    let servers = servers.map(|server| server.options([("role", role)]));
    Ok(pool_over(servers.collect(), max))
}

/// Whether this is the URL of a database, which may name several hosts.
#[must_use]
pub fn is_url(url: &str) -> bool {
    hosts::parse(url).is_ok()
}

/// [`pool`] for options that are already parsed.
#[must_use]
pub fn pool_with(options: PgConnectOptions, max: u32) -> PgPool {
    pool_over(vec![options], max)
}

fn pool_over(servers: Vec<PgConnectOptions>, max: u32) -> PgPool {
    let servers: Vec<PgConnectOptions> = servers.into_iter().map(named).collect();
    let has_several = servers.len() > 1;
    // The parser gives one server at least.
    let first = servers.first().cloned().unwrap_or_default();
    let pool = PgPoolOptions::new()
        .max_connections(max)
        .acquire_timeout(Duration::from_secs(3))
        // sqlx would ping before each use: a round trip for every statement of the hot path.
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if has_several {
                    hosts::check_writable(connection).await?;
                }
                direct::check_settings(connection).await
            })
        })
        .before_acquire(|connection, usage| {
            Box::pin(async move {
                if usage.idle_for > FRESH_FOR {
                    bound::ping(connection).await?;
                }
                Ok(bound::is_trusted(usage.age))
            })
        })
        .after_release(|_, usage| Box::pin(async move { Ok(bound::is_trusted(usage.age)) }))
        .connect_lazy_with(first);
    if has_several {
        tokio::spawn(hosts::follow(pool.clone(), servers));
    }
    pool
}

/// Options with our settings, and with the name of this program where they have none.
fn named(options: PgConnectOptions) -> PgConnectOptions {
    let options = with_settings(options);
    if options.get_application_name().is_some() {
        return options;
    }
    options.application_name(&program())
}

/// Options whose connections have our settings.
fn with_settings(options: PgConnectOptions) -> PgConnectOptions {
    options
        .options([
            ("lock_timeout", LOCK_TIMEOUT),
            ("statement_timeout", "8s"),
            ("idle_in_transaction_session_timeout", "10s"),
            ("tcp_keepalives_idle", "5"),
            ("tcp_keepalives_interval", "2"),
            ("tcp_keepalives_count", "3"),
            ("tcp_user_timeout", "11s"),
            // Each of our statements finds a few rows by an index, whatever the size of the tables. With its statistics,
            // which for the first minute of a database are those of empty tables, the planner would choose scans; and
            // it would plan at each execution, which costs more than the execution itself.
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("jit", "off"),
        ])
        .statement_cache_capacity(256)
}

/// Checks that Postgres answers a query now.
///
/// # Errors
/// If no connection could be opened or the query failed.
pub async fn ping(pool: &PgPool) -> Result<(), sqlx::Error> {
    within(async { sqlx::raw_sql("select 1").execute(pool).await.map(drop) }).await
}

/// Whether Postgres is unavailable: it cannot be reached, lost the connection, or has no resources. It has not refused
/// the statement.
#[must_use]
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    use sqlx::Error::{Database, Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed};
    match error {
        Io(_) | Tls(_) | Protocol(_) | PoolTimedOut | PoolClosed | WorkerCrashed => true,
        Database(error) => error.code().is_some_and(|code| {
            // Connection failures; out of connections, disk or memory; shutting down, crashed or starting up.
            ["08", "53", "57P"]
                .iter()
                .any(|class| code.starts_with(class))
        }),
        _ => false,
    }
}

/// Whether the same transaction may succeed when it is run again: Postgres [is unavailable](is_unavailable), or another
/// transaction was in the way.
#[must_use]
pub fn is_transient(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    is_unavailable(error) || code.is_some_and(|code| CONFLICTS.contains(&code.as_ref()))
}

/// SQLSTATEs with which Postgres ends a transaction because of another one, or because it took too long.
const CONFLICTS: [&str; 5] = [
    "40001", // serialization_failure
    "40P01", // deadlock_detected
    "55P03", // lock_not_available (lock_timeout)
    "57014", // query_canceled (statement_timeout)
    "25P03", // idle_in_transaction_session_timeout
];

/// A duration as a parameter of a statement.
#[must_use]
pub fn interval(duration: Duration) -> PgInterval {
    PgInterval {
        months: 0,
        days: 0,
        microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
    }
}

/// The name of the running program, by which `pg_stat_activity` shows whose a connection is.
fn program() -> String {
    std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .unwrap_or_else(|| "pawl".to_owned())
}
