//! How much waits, and for how long: what only Postgres knows of all processes together; and whether this worker calls
//! Stripe.
//!
//! Every worker looks, every few seconds and whoever asks for metrics, and all see the same: take the largest of what
//! they tell, not the sum.

use infra::metrics::{Gauge, Gauges, SAMPLE};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::store::{delivery, inbox, job, outbox};
use crate::stripe::Client;
use crate::stripe::breaker::State;

static JOBS: Gauges<1> = Gauges::new(
    "pawl_jobs_open",
    "Jobs that are not finished: queued, now or for later, or running.",
    ["state"],
);
static DEAD: Gauges<0> = Gauges::new(
    "pawl_jobs_dead",
    "Jobs that were given up; a person must look at each.",
    [],
);
static OLDEST_DUE: Gauges<0> = Gauges::new(
    "pawl_jobs_oldest_due_seconds",
    "How long the oldest job that nobody took has been due.",
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
    "Stripe's events that wait to be applied.",
    [],
);
static OUTBOX: Gauges<0> = Gauges::new(
    "pawl_outbox_messages",
    "Events that Kafka has not acknowledged yet.",
    [],
);
static OUTBOX_OLDEST: Gauges<0> = Gauges::new(
    "pawl_outbox_oldest_seconds",
    "How long the oldest of them has waited.",
    [],
);

static BREAKER: Gauges<0> = Gauges::new(
    "pawl_breaker_open",
    "1 while calls to Stripe are held back because most of them fail.",
    [],
);

/// Looks until `shutdown`.
pub(crate) async fn watch(pool: &PgPool, stripe: &Client, shutdown: &CancellationToken) {
    loop {
        BREAKER
            .of([])
            .set(u8::from(stripe.state() != State::Closed));
        if let Err(error) = look(pool).await {
            // Whoever scrapes must not take what was seen last for what is.
            for gauge in all() {
                gauge.set(f64::NAN);
            }
            tracing::debug!(%error, "nobody knows how much waits");
        }
        tokio::select! {
            () = tokio::time::sleep(SAMPLE) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

async fn look(pool: &PgPool) -> sqlx::Result<()> {
    let jobs = job::standing(pool).await?;
    let deliveries = delivery::backlog(pool).await?;
    let waiting = inbox::waiting(pool).await?;
    let lag = outbox::lag(pool).await?;
    let count = |count: i64| f64::from(i32::try_from(count).unwrap_or(i32::MAX));
    let seen = [
        count(jobs.queued),
        count(jobs.running),
        count(jobs.dead),
        jobs.oldest_due_seconds,
        count(deliveries.waiting),
        deliveries.oldest_due_seconds,
        count(waiting),
        count(lag.messages),
        lag.oldest.as_secs_f64(),
    ];
    for (gauge, seen) in all().into_iter().zip(seen) {
        gauge.set(seen);
    }
    Ok(())
}

fn all() -> [&'static Gauge; 9] {
    [
        JOBS.of(["queued"]),
        JOBS.of(["running"]),
        DEAD.of([]),
        OLDEST_DUE.of([]),
        DELIVERIES.of([]),
        DELIVERIES_OLDEST_DUE.of([]),
        INBOX.of([]),
        OUTBOX.of([]),
        OUTBOX_OLDEST.of([]),
    ]
}
