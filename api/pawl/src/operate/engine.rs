//! The engine of a command, and the audit of what it does.

use anyhow::Result;
use authz::audit::Act;
use engine::cache::Cache;
use engine::queue::{JOBS, Queue};
use engine::{Engine, Parts};
use infra::Env;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::database;

/// The engine on the database of `DATABASE_URL`, and the pool of that database.
pub(super) fn connect() -> Result<(Engine, PgPool)> {
    let mut env = Env::load();
    let redis = env.required("REDIS_URL");
    env.finish()?;
    let pool = database::pool()?;
    let engine = Engine::start(Parts {
        pool: pool.clone(),
        queue: Queue::connect(&redis, JOBS)?,
        cache: Cache::connect(&redis)?,
    });
    Ok((engine, pool))
}

/// An action of this command on a thing, for the audit.
pub(super) fn action<'a>(
    name: &'a str,
    target: String,
    account: Option<Uuid>,
    reason: Option<&'a str>,
) -> Act<'a> {
    Act {
        account,
        target: Some(target),
        reason,
        ..Act::new(name)
    }
}

/// Records what came of an action: what the thing is like now, or why nothing was done.
pub(super) async fn record_end(
    pool: &PgPool,
    act: &Act<'_>,
    end: Result<Value, &::engine::Error>,
) -> Result<()> {
    let refusal = end.as_ref().err().map(ToString::to_string);
    let end = end.map_err(|_| refusal.as_deref().unwrap_or_default());
    Ok(act.ended(end).record(pool).await?)
}
