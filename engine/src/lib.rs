//! The engine: `advance` runs the pure `step` inside one Postgres transaction and writes what it decides, together with
//! the jobs and messages that follow from it.
//!
//! Doors (gateway, core-service) use [`Engine`]: it accepts payments, commands and webhooks, and answers questions.
//! Workers use [`worker`]: it performs the jobs against Stripe and comes back with new events. All SQL on payments and
//! jobs stands in this crate, one file a table.

pub mod cache;
mod command;
mod committer;
mod create;
pub mod delivery;
mod error;
mod gauges;
mod inbox;
pub mod intake_switch;
mod job_runner;
mod jobs;
mod operations;
mod query;
pub mod queue;
mod record;
pub mod relay;
mod store;
pub mod stripe;
mod sweeper;
pub mod webhook;
pub mod worker;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sqlx::PgPool;
use uuid::Uuid;
use workflows::money::Money;

pub use error::Error;
pub use inbox::{Received, WebhookError};
pub use operations::JOB_STATES;
pub use query::{Page, PaymentFilter};
pub use record::{Notes, Record, View};

/// The schema, applied by `pawl migrate` and by the tests.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

/// What the engine stands on.
pub struct Parts {
    /// Every fact.
    pub pool: PgPool,
    /// Job ids on their way to workers; none when Redis is not used by this process.
    pub queue: queue::Queue,
    /// Views of payments.
    pub cache: cache::Cache,
    /// Checks that a webhook is Stripe's.
    pub verifier: webhook::signature::Verifier,
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
    verifier: webhook::signature::Verifier,
    creates: committer::Lane<create::Creates>,
    advances: committer::Lane<committer::advance::Advances>,
    inbox: committer::Lane<inbox::Keeper>,
    intake: intake_switch::IntakeSwitch,
}

/// A payment as a client asks for it.
#[derive(Debug, Clone)]
pub struct NewPayment {
    /// What the customer is to pay.
    pub money: Money,
    /// When the money is taken.
    pub capture_method: workflows::payment::CaptureMethod,
    /// Confirm as soon as the intent exists.
    pub confirm: bool,
    /// Stripe's id of a payment method.
    pub payment_method: Option<String>,
    /// Where Stripe sends the customer back to.
    pub return_url: Option<String>,
    /// Cancel it when it is not finished after this time.
    pub expires_in: Option<Duration>,
    /// The merchant's notes.
    pub notes: Notes,
}

/// What a client asks of a payment that exists.
#[derive(Debug, Clone)]
pub enum Command {
    /// Charge the customer.
    Confirm {
        /// Instead of the payment's own.
        payment_method: Option<String>,
        /// Instead of the payment's own.
        return_url: Option<String>,
    },
    /// Take what was authorised.
    Capture {
        /// All that is capturable when absent.
        amount: Option<i64>,
    },
    /// Let the payment go.
    Cancel {
        /// One of Stripe's reasons.
        reason: Option<String>,
    },
    /// Give money back.
    Refund {
        /// All that is left when absent.
        amount: Option<i64>,
        /// One of Stripe's reasons.
        reason: Option<String>,
    },
}

/// What makes a request the same as an earlier one.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The caller's account.
    pub account: Uuid,
    /// `POST`.
    pub method: String,
    /// The path, with its ids.
    pub path: String,
    /// The client's key, 1 to 255 characters.
    pub key: String,
    /// SHA-256 of the body.
    pub body_hash: [u8; 32],
}

/// The answer to a request that was made durable.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// A payment's or a refund's view as JSON.
    pub body: Bytes,
    /// It was given before, to an equal request.
    pub replayed: bool,
    /// The payment that it is about.
    pub payment: Uuid,
    /// The version of the payment that it shows.
    pub version: i64,
}

impl Engine {
    /// Starts the committers of this process. They end when the last clone is dropped, after what they hold is
    /// committed.
    #[must_use]
    pub fn start(parts: Parts) -> Self {
        let Parts {
            pool,
            queue,
            cache,
            verifier,
        } = parts;
        let after = committer::After::start(queue.clone(), cache.clone());
        let inner = Inner {
            creates: committer::Lane::start(create::Creates {
                pool: pool.clone(),
                after: after.clone(),
            }),
            advances: committer::Lane::start(committer::advance::Advances {
                pool: pool.clone(),
                after,
                lease: None,
            }),
            inbox: committer::Lane::start(inbox::Keeper { pool: pool.clone() }),
            intake: intake_switch::IntakeSwitch::default(),
            pool,
            queue,
            cache,
            verifier,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Whether Postgres answers. Redis and Kafka are not needed to accept a payment.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not.
    pub async fn ready(&self) -> Result<(), Error> {
        sqlx::query_scalar!("select 1")
            .fetch_one(&self.inner.pool)
            .await?;
        Ok(())
    }
}
