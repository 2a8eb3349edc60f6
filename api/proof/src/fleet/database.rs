//! A database of the fleet's own in a Postgres server that runs already.

use anyhow::{Context as _, Result};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

/// A database that was created for one run.
#[derive(Debug)]
pub(super) struct Database {
    server: String,
    name: String,
}

impl Database {
    /// Creates a database in the server of that `postgres://…` address.
    pub(super) async fn create(server: &str) -> Result<Database> {
        let name = format!("pawl_run_{}", Uuid::now_v7().simple());
        let mut connection = PgConnection::connect(server)
            .await
            .context("connecting to DATABASE_URL")?;
        sqlx::query(AssertSqlSafe(format!("create database {name}")))
            .execute(&mut connection)
            .await?;
        connection.close().await?;
        Ok(Database {
            server: server.to_owned(),
            name,
        })
    }

    /// `postgres://…` of the database.
    pub(super) fn url(&self) -> Result<String> {
        let mut url = reqwest::Url::parse(&self.server).context("DATABASE_URL is no URL")?;
        url.set_path(&self.name);
        Ok(url.into())
    }

    /// Drops the database.
    pub(super) async fn remove(self) -> Result<()> {
        let drop = format!("drop database if exists {} with (force)", self.name);
        let mut connection = PgConnection::connect(&self.server).await?;
        sqlx::query(AssertSqlSafe(drop))
            .execute(&mut connection)
            .await?;
        Ok(connection.close().await?)
    }
}
