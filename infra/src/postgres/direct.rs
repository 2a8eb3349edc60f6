//! Recognises a connection pooler, such as `PgBouncer`, between a service and Postgres.
//!
//! A pooler that gives a server's connection to other clients after each transaction loses the role and the timeouts of
//! our connections, their prepared statements, and the advisory locks of the relay. So none is accepted, in any mode.

use std::time::Duration;

use anyhow::bail;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use super::{LOCK_TIMEOUT, hosts, with_settings};

/// How long the check waits for Postgres.
const CHECK_WITHIN: Duration = Duration::from_secs(3);

/// The remedy for whoever configured the address.
const REMEDY: &str = "DATABASE_URL leads to a connection pooler, such as PgBouncer, which Pawl does not support in any mode: \
    set DATABASE_URL to the address of Postgres itself";

/// Checks that `url` leads to Postgres itself, over two connections that are closed afterwards.
///
/// While Postgres does not answer, nothing is known and nothing is refused, so that a service starts without it. The pools
/// refuse a connection without our settings later too.
///
/// # Errors
/// If a pooler refused our settings, dropped them, or answered with a server's connection that is older than ours; and if
/// `url` is not a Postgres URL.
pub async fn refuse_pooler(url: &str) -> anyhow::Result<()> {
    for server in hosts::parse(url)? {
        refuse_pooler_at(with_settings(server)).await?;
    }
    Ok(())
}

async fn refuse_pooler_at(server: PgConnectOptions) -> anyhow::Result<()> {
    match timeout(CHECK_WITHIN, found(&server)).await {
        Ok(Ok(Some(sign))) => bail!("{REMEDY} ({sign})"),
        Ok(Ok(None)) => Ok(()),
        Ok(Err(error)) if is_refusal(&error) => bail!("{REMEDY} ({error})"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "failed to check that DATABASE_URL leads to Postgres itself; the service starts without that check");
            Ok(())
        }
        Err(_) => {
            tracing::warn!(
                "Postgres did not answer for 3 s when its address was checked; the service starts without that check"
            );
            Ok(())
        }
    }
}

/// Refuses a connection that did not get the settings that were sent when it was opened.
///
/// # Errors
/// If the settings are missing, or Postgres did not answer.
pub(super) async fn check_settings(connection: &mut PgConnection) -> sqlx::Result<()> {
    if has_settings(connection).await? {
        return Ok(());
    }
    Err(sqlx::Error::Configuration(REMEDY.into()))
}

/// What shows that a pooler answered; nothing if Postgres did.
async fn found(options: &PgConnectOptions) -> sqlx::Result<Option<&'static str>> {
    let mut first = PgConnection::connect_with(options).await?;
    if !has_settings(&mut first).await? {
        return Ok(Some("the settings of a new connection were dropped"));
    }
    let opened: f64 = scalar(
        &mut first,
        "select extract(epoch from clock_timestamp())::float8",
    )
    .await?;
    let mut second = PgConnection::connect_with(options).await?;
    // Times of the same server, so its clock does not matter.
    let started: f64 = scalar(
        &mut second,
        "select extract(epoch from backend_start)::float8 from pg_stat_activity where pid = pg_backend_pid()",
    )
    .await?;
    first.close().await?;
    second.close().await?;
    Ok((started < opened).then_some("a new connection was answered by an older one"))
}

async fn has_settings(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let found: String = scalar(connection, "select current_setting('lock_timeout')").await?;
    Ok(found == LOCK_TIMEOUT)
}

/// The only value of a statement's result. The statement is not kept prepared: a pooler may not know it at its next use.
async fn scalar<T>(connection: &mut PgConnection, statement: &'static str) -> sqlx::Result<T>
where
    T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    sqlx::query_scalar(statement)
        .persistent(false)
        .fetch_one(connection)
        .await
}

/// Whether a pooler refused the settings: Postgres itself knows all of them.
fn is_refusal(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.message().contains("unsupported startup parameter"))
}
