//! The engine of a command, and the audit of what it does.

use anyhow::Result;
use authz::audit::{Act, Outcome};
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

/// An action of this command, for the audit.
pub(super) struct Deed<'a> {
    /// The action in the past tense.
    pub(super) action: &'a str,
    /// The id of the thing.
    pub(super) target: String,
    /// The account of the thing, if it has one.
    pub(super) account: Option<Uuid>,
    /// Why it is done.
    pub(super) reason: Option<&'a str>,
}

impl Deed<'_> {
    /// Records that the action is about to be done, with what the thing is like.
    pub(super) async fn requested(&self, pool: &PgPool, before: Value) -> Result<()> {
        let act = Act {
            outcome: Outcome::Requested,
            before: Some(before),
            ..self.act()
        };
        Ok(act.record(pool).await?)
    }

    /// Records what came of it: what the thing is like now, or why nothing was done.
    pub(super) async fn ended(
        &self,
        pool: &PgPool,
        end: Result<Value, &::engine::Error>,
    ) -> Result<()> {
        let refusal = end.as_ref().err().map(ToString::to_string);
        let mut act = self.act();
        if let Ok(after) = end {
            act.after = Some(after);
        } else {
            act.outcome = Outcome::Refused;
            act.reason = refusal.as_deref();
        }
        Ok(act.record(pool).await?)
    }

    fn act(&self) -> Act<'_> {
        Act {
            account: self.account,
            target: Some(self.target.clone()),
            reason: self.reason,
            ..Act::new(self.action)
        }
    }
}
