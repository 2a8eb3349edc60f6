//! `pawl migrate`: brings the database to the schema of this binary.

use std::process::ExitCode;

use anyhow::{Context, Result};
use infra::Env;
use sqlx::PgPool;

use crate::output;

/// Migrates the database of `DATABASE_URL`.
pub(crate) async fn run() -> Result<ExitCode> {
    let mut env = Env::load();
    let url = env.required("DATABASE_URL");
    env.finish()?;
    let pool = infra::postgres::pool(&url, 2)?;
    let version = apply(&pool).await?;
    output::line(format!("the database has schema version {version}"));
    Ok(ExitCode::SUCCESS)
}

/// Applies what is missing and returns the version that the schema has then. Two at once wait for each other.
pub(crate) async fn apply(pool: &PgPool) -> Result<i64> {
    engine::MIGRATIONS
        .run(pool)
        .await
        .context("the database could not be migrated")?;
    let newest = engine::MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max();
    Ok(newest.unwrap_or_default())
}
