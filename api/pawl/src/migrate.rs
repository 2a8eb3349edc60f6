//! `pawl migrate`: brings the database to the schema of this binary.

use std::process::ExitCode;

use anyhow::{Context, Result};
use sqlx::PgPool;

use crate::{database, output};

/// Migrates the database of `DATABASE_URL`.
pub(crate) async fn run() -> Result<ExitCode> {
    let version = apply(&database::pool()?).await?;
    output::line(format!("the database has schema version {version}"));
    Ok(ExitCode::SUCCESS)
}

/// Applies the missing migrations and returns the newest version. Two calls at the same time wait for each other.
pub(crate) async fn apply(pool: &PgPool) -> Result<i64> {
    let mut connection = pool.acquire().await?;
    // A migration may take as long as it needs, but not wait for long in front of everybody else's statements.
    connection.close_on_drop();
    sqlx::raw_sql("set statement_timeout = 0; set lock_timeout = '5s'")
        .execute(&mut *connection)
        .await?;
    engine::MIGRATIONS
        .run(&mut *connection)
        .await
        .context("the database could not be migrated")?;
    Ok(engine::schema_version())
}
