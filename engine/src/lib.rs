//! The engine: `commit::advance` runs the pure `step` inside one Postgres transaction and writes the result together with
//! the jobs and messages that follow from it.
//!
//! Services (gateway, core-service) use [`Engine`]: it accepts payments, commands and webhooks, and answers queries.
//! Workers use [`worker`]: it performs the jobs against Stripe and submits their results as new events. All SQL on
//! payments and jobs is in this crate, one file for each table.

pub mod adoption;
pub mod audit;
pub mod body;
pub mod cache;
pub mod code;
mod command;
pub mod command_consumer;
mod commit;
pub mod delivery;
mod disputes;
mod error;
mod event_reader;
mod explain;
mod gauges;
mod inbox;
pub mod intake_switch;
mod intervention;
mod job_runner;
mod jobs;
mod message;
mod operations;
mod paused_kinds;
pub mod problem;
mod query;
pub mod queue;
pub mod reconciliation;
mod record;
pub mod relay;
mod request;
mod retention;
mod store;
pub mod stripe;
mod sweeper;
pub mod webhook;
pub mod worker;

use std::sync::Arc;

use infra::health::{Loops, Readiness};
use sqlx::PgPool;

use crate::commit::After;
use crate::commit::batch::BatchQueue;
use crate::commit::batch::advance::Advances;
use crate::commit::batch::create::Creates;
use crate::commit::batch::receive::Webhooks;

pub use disputes::{DisputeFilter, Disputed};
pub use error::Error;
pub use infra::http::page::Page;
pub use intervention::Force;
pub use operations::{
    JobFilter, JobState, PaymentSearch, Scope, UnknownState, WebhookStatus, audit_facts,
};
pub use query::{PaymentFilter, RefundFilter};
pub use record::{Notes, View};
pub use request::{Answer, Command, Idempotency, NewPayment, RequestMark};

/// The schema, applied by `pawl migrate` and by the tests.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

/// The version of the schema that this program needs: that of the newest migration.
#[must_use]
pub fn schema_version() -> i64 {
    let versions = MIGRATIONS.iter().map(|migration| migration.version);
    versions.max().unwrap_or_default()
}

/// The resources that an engine uses.
pub struct Parts {
    /// Postgres, which holds every fact.
    pub pool: PgPool,
    /// The ids of jobs for the workers.
    pub queue: queue::Queue,
    /// Views of payments.
    pub cache: cache::Cache,
}

/// The engine, cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    queue: queue::Queue,
    cache: cache::Cache,
    creates: BatchQueue<Creates>,
    advances: BatchQueue<Advances>,
    webhooks: BatchQueue<Webhooks>,
    intake: intake_switch::IntakeSwitch,
    loops: Loops,
}

impl Engine {
    /// Starts the tasks of this process that commit batches. They end when the last clone is dropped and all that was
    /// submitted is committed.
    #[must_use]
    pub fn start(parts: Parts) -> Self {
        let Parts { pool, queue, cache } = parts;
        let after = After::start(queue.clone(), cache.clone());
        let loops = Loops::default();
        let creates = Creates {
            pool: pool.clone(),
            after: after.clone(),
        };
        let advances = Advances {
            pool: pool.clone(),
            after,
            lease: None,
        };
        let inner = Inner {
            creates: BatchQueue::start(creates, &loops),
            advances: BatchQueue::start(advances, &loops),
            webhooks: BatchQueue::start(Webhooks { pool: pool.clone() }, &loops),
            intake: intake_switch::IntakeSwitch::default(),
            pool,
            queue,
            cache,
            loops,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Adds what accepting a payment needs: Postgres with this schema and its tables unlocked, and that what was accepted is committed. Redis and
    /// Kafka are not needed.
    pub async fn check(&self, readiness: Readiness) -> Readiness {
        readiness
            .database(&self.inner.pool, schema_version())
            .await
            .needs(
                "tables",
                store::payment::check_unlocked(&self.inner.pool).await,
            )
            .needs("loops", self.inner.loops.stalled())
    }
}
