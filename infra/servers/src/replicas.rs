//! A Postgres server and a standby that follows it, for tests of a failover.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep};

use crate::postgres;
use crate::postgres::Postgres;

/// How long the standby may take to follow.
const PATIENCE: Duration = Duration::from_secs(30);

/// A primary, and a standby that gets each commit before the client gets its answer (`synchronous_commit=remote_apply`).
#[derive(Debug)]
pub struct Replicas {
    primary: Option<Postgres>,
    standby: Postgres,
    ports: [u16; 2],
}

impl Replicas {
    /// Starts both in `dir`; returns when the standby follows.
    ///
    /// # Errors
    /// Postgres is not installed, or does not start or follow.
    pub async fn start(dir: &Path) -> Result<Self> {
        let primary = Postgres::start(&dir.join("primary")).await?;
        let standby_dir = dir.join("standby");
        postgres::copy(&primary, &standby_dir).await?;
        let standby = Postgres::start(&standby_dir).await?;
        let mut connection = PgConnection::connect(&primary.url()).await?;
        // The standby was copied before, so it will not wait for a standby of its own when it is promoted.
        for setting in [
            "alter system set synchronous_standby_names = '*'",
            "alter system set synchronous_commit = 'remote_apply'",
            "select pg_reload_conf()",
        ] {
            sqlx::query(setting).execute(&mut connection).await?;
        }
        let deadline = Instant::now() + PATIENCE;
        let follows =
            "select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum')";
        while sqlx::query_scalar::<_, i64>(follows)
            .fetch_one(&mut connection)
            .await?
            == 0
        {
            if Instant::now() > deadline {
                bail!("the standby does not follow after {PATIENCE:?}");
            }
            sleep(Duration::from_millis(20)).await;
        }
        connection.close().await?;
        Ok(Self {
            ports: [primary.port(), standby.port()],
            primary: Some(primary),
            standby,
        })
    }

    /// `postgres://…` of the database `pawl` on both hosts.
    #[must_use]
    pub fn url(&self) -> String {
        let [primary, standby] = self.ports;
        format!(
            "postgres://pawl@127.0.0.1:{primary},127.0.0.1:{standby}/pawl?target_session_attrs=read-write"
        )
    }

    /// Ends the primary without a chance to write (SIGKILL). Nothing is written until [`Replicas::promote`].
    ///
    /// # Errors
    /// It does not run.
    pub fn kill_primary(&mut self) -> Result<()> {
        self.primary
            .take()
            .context("the primary is dead already")?
            .kill()
    }

    /// Makes the standby the primary; returns when it accepts writes.
    ///
    /// # Errors
    /// It does not answer, or is not promoted in half a minute.
    pub async fn promote(&self) -> Result<()> {
        let mut connection = PgConnection::connect(&self.standby.url()).await?;
        let promoted: bool = sqlx::query_scalar("select pg_promote(true, 30)")
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        if !promoted {
            bail!("the standby was not promoted within 30 s");
        }
        Ok(())
    }
}
