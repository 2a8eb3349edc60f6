//! Gauges of the backlog in Postgres (jobs, inbox, outbox), and of this worker's circuit breaker.
//!
//! Every worker reads the same backlog every few seconds, so a dashboard takes the maximum over the workers, not the sum.

use infra::metrics::{Gauge, Gauges, SAMPLE};
use infra::postgres;
use sqlx::PgPool;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::store::{delivery, inbox, job, outbox};
use crate::stripe::Client;
use crate::stripe::breaker::State;

static JOBS: Gauges<1> = Gauges::new(
    "pawl_jobs_open",
    "Jobs that are not finished: queued, now or for later, or running. Those of both whose call may or may not have been \
     executed are counted as unknown, too.",
    ["state"],
);
static UNKNOWN_OLDEST: Gauges<0> = Gauges::new(
    "pawl_jobs_oldest_unknown_seconds",
    "How long ago the oldest call was first sent that may or may not have been executed.",
    [],
);
static DEAD: Gauges<0> = Gauges::new(
    "pawl_jobs_dead",
    "Jobs that were dead-lettered; each needs an operator.",
    [],
);
static OLDEST_DUE: Gauges<0> = Gauges::new(
    "pawl_jobs_oldest_due_seconds",
    "How long the oldest due job has been unclaimed.",
    [],
);
static DELIVERIES: Gauges<0> = Gauges::new(
    "pawl_deliveries_waiting",
    "Webhook deliveries that wait for a try, now or later.",
    [],
);
static DELIVERIES_OLDEST_DUE: Gauges<0> = Gauges::new(
    "pawl_deliveries_oldest_due_seconds",
    "How long the oldest webhook delivery that no worker claimed has been due.",
    [],
);
static INBOX: Gauges<0> = Gauges::new(
    "pawl_inbox_backlog",
    "Webhook events from Stripe that are not applied yet.",
    [],
);
static OUTBOX: Gauges<0> = Gauges::new(
    "pawl_outbox_messages",
    "Events that Kafka has not acknowledged yet.",
    [],
);
static OUTBOX_OLDEST: Gauges<0> = Gauges::new(
    "pawl_outbox_oldest_seconds",
    "How long the oldest event of the outbox has waited.",
    [],
);
static BREAKER: Gauges<0> = Gauges::new(
    "pawl_breaker_open",
    "1 while the circuit breaker holds back calls to Stripe because most of them fail.",
    [],
);

static KEY_REFUSED: Gauges<0> = Gauges::new(
    "pawl_stripe_refused_key",
    "1 while Stripe refuses the API key (401) and all calls wait until it is right.",
    [],
);

/// Sets the gauges every few seconds until `shutdown`.
pub(crate) async fn sample(pool: &PgPool, stripe: &Client, shutdown: &CancellationToken) {
    loop {
        BREAKER
            .with_labels([])
            .set(u8::from(stripe.state() != State::Closed));
        KEY_REFUSED
            .with_labels([])
            .set(u8::from(stripe.key_refused()));
        if let Err(error) = postgres::within(read_backlog(pool)).await {
            // Report NaN instead of stale values.
            for gauge in all() {
                gauge.set(f64::NAN);
            }
            tracing::debug!(%error, "failed to read the backlog gauges from Postgres; they are NaN until the next read");
        }
        if shutdown.run_until_cancelled(sleep(SAMPLE)).await.is_none() {
            return;
        }
    }
}

async fn read_backlog(pool: &PgPool) -> sqlx::Result<()> {
    let jobs = job::standing(pool).await?;
    let deliveries = delivery::backlog(pool).await?;
    let waiting = inbox::waiting(pool).await?;
    let lag = outbox::lag(pool).await?;
    let count = |count: i64| f64::from(i32::try_from(count).unwrap_or(i32::MAX));
    let values = [
        count(jobs.queued),
        count(jobs.running),
        count(jobs.unknown),
        jobs.oldest_unknown_seconds,
        count(jobs.dead),
        jobs.oldest_due_seconds,
        count(deliveries.waiting),
        deliveries.oldest_due_seconds,
        count(waiting),
        count(lag.messages),
        lag.oldest.as_secs_f64(),
    ];
    for (gauge, value) in all().into_iter().zip(values) {
        gauge.set(value);
    }
    Ok(())
}

/// The gauges that show the backlog, in the order of `values` above.
fn all() -> [&'static Gauge; 11] {
    [
        JOBS.with_labels(["queued"]),
        JOBS.with_labels(["running"]),
        JOBS.with_labels(["unknown"]),
        UNKNOWN_OLDEST.with_labels([]),
        DEAD.with_labels([]),
        OLDEST_DUE.with_labels([]),
        DELIVERIES.with_labels([]),
        DELIVERIES_OLDEST_DUE.with_labels([]),
        INBOX.with_labels([]),
        OUTBOX.with_labels([]),
        OUTBOX_OLDEST.with_labels([]),
    ]
}
