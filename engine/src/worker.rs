//! The worker: takes job ids from Redis, performs the jobs against Stripe, applies webhooks, and looks after what the
//! others lost.

mod claims;

use std::sync::Arc;
use std::time::{Duration, Instant};

use contracts::id::{JobId, PaymentId};
use infra::metrics::{Counters, Histograms};
use infra::{crash, trace};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument, Span};
use uuid::Uuid;

use self::claims::Claims;
use crate::cache::Cache;
use crate::committer::advance::{Advance, Advances, Claim, Origin, Outcome};
use crate::committer::{After, Lane};
use crate::delivery::{CallerError, DeliveryWorker};
use crate::inbox::Applier;
use crate::jobs::Deed;
use crate::queue::Queue;
use crate::store::job;
use crate::store::job::{Claimed, Finish};
use crate::stripe::Client;
use crate::sweeper::Sweeper;
use crate::{delivery, jobs, vitals, webhook};

static JOBS: Counters<2> = Counters::new(
    "pawl_jobs_total",
    "Jobs that a worker performed: done, again (put off), dead (given up), late (another worker has it), or lost (its end \
     could not be written).",
    ["kind", "outcome"],
);
static TIMES: Histograms<1> = Histograms::new(
    "pawl_job_seconds",
    "From taking a job to the commit of what came of it.",
    ["kind"],
);

/// How long the applier of webhooks rests when there was nothing to apply.
const REST: Duration = Duration::from_millis(10);
const REST_AT_MOST: Duration = Duration::from_millis(40);

/// What a worker stands on.
pub struct Parts {
    /// Every fact.
    pub pool: PgPool,
    /// Where job ids come from.
    pub queue: Queue,
    /// Views of payments.
    pub cache: Cache,
    /// The way to Stripe.
    pub stripe: Client,
    /// Whose webhooks are applied.
    pub source: webhook::Source,
    /// How many jobs are performed at once.
    pub concurrency: usize,
    /// How long a job belongs to the worker that took it. Longer than any call to Stripe or to a merchant may last.
    pub lease: Duration,
    /// How merchants' endpoints are called.
    pub webhooks: delivery::Config,
}

/// A worker, cheap to clone.
#[derive(Clone)]
pub struct Worker {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    queue: Queue,
    stripe: Client,
    concurrency: usize,
    claims: Lane<Claims>,
    advances: Lane<Advances>,
    applier: Applier,
    deliveries: DeliveryWorker,
}

impl Worker {
    /// Makes a worker that does nothing yet.
    ///
    /// # Errors
    /// [`CallerError`] when merchants could not be called.
    pub fn new(parts: Parts) -> Result<Self, CallerError> {
        let Parts {
            pool,
            queue,
            cache,
            stripe,
            source,
            concurrency,
            lease,
            webhooks,
        } = parts;
        let after = After::start(queue.clone(), cache);
        let inner = Inner {
            claims: Lane::start(Claims {
                pool: pool.clone(),
                lease,
            }),
            advances: Lane::start(Advances {
                pool: pool.clone(),
                after: after.clone(),
                lease: Some(lease),
            }),
            applier: Applier {
                pool: pool.clone(),
                after,
                source,
            },
            deliveries: DeliveryWorker::new(pool.clone(), webhooks, lease)?,
            pool,
            queue,
            stripe,
            concurrency,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Works until `shutdown`, then lets running jobs end.
    pub async fn run(&self, shutdown: CancellationToken) {
        let worker = self.clone();
        let handler = move |id| {
            let worker = worker.clone();
            async move { worker.perform(id).await }
        };
        let sweeper = self.sweeper();
        tokio::join!(
            self.inner
                .queue
                .run(self.inner.concurrency, handler, shutdown.clone()),
            self.apply_webhooks(&shutdown),
            self.inner.deliveries.run(&shutdown),
            sweeper.run(&shutdown),
            vitals::watch(&self.inner.pool, &self.inner.stripe, &shutdown),
        );
    }

    /// One round of what is otherwise done every second: rings timers, and pushes again what the carrier lost.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn sweep(&self) -> Result<(), crate::Error> {
        self.sweeper().sweep(false).await?;
        Ok(())
    }

    /// Forgets what has been kept long enough, as is otherwise done every minute.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn forget(&self) -> Result<(), crate::Error> {
        self.sweeper().forget().await?;
        Ok(())
    }

    fn sweeper(&self) -> Sweeper {
        Sweeper {
            worker: self.clone(),
            pool: self.inner.pool.clone(),
            queue: self.inner.queue.clone(),
        }
    }

    /// Performs all work that is due, jobs, Stripe's webhooks and deliveries, until there is none: for tests, without
    /// Redis and without waiting.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn drain(&self) -> Result<(), crate::Error> {
        while self.round().await? > 0 {}
        Ok(())
    }

    /// Performs the work that is due at this moment, and not what follows from it. Returns how much that was.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn round(&self) -> Result<usize, crate::Error> {
        let applied = self.inner.applier.apply_due().await?;
        let due = job::overdue(&self.inner.pool, Duration::ZERO, 100).await?;
        let done = applied + due.len();
        futures::future::join_all(due.into_iter().map(|id| self.perform(id))).await;
        Ok(done + self.inner.deliveries.round().await?)
    }

    /// Performs one job, if it is due and in no other hands. Errors are on record in the job, or end with its lease.
    pub(crate) async fn perform(&self, id: Uuid) {
        match self.inner.claims.submit(id).await {
            Ok(Some(claim)) => {
                let mut claims = vec![*claim];
                while let Some(claim) = claims.pop() {
                    let span = span_of(&claim.job);
                    claims.extend(self.perform_claimed(claim).instrument(span).await);
                }
            }
            // Done, put off, or in other hands.
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(job = %JobId::from(id), %error, "not claimed; the sweeper will push it again");
            }
        }
    }

    /// Performs a job and returns those that follow from it and are in this worker's hands already.
    async fn perform_claimed(&self, claim: Claim) -> Vec<Claim> {
        let Claim {
            job,
            record,
            refund,
        } = claim;
        let (kind, begun) = (job.kind.as_str(), Instant::now());
        crash::point_of(kind, "claimed");
        let deed = match &record {
            Some(record) => {
                let work = jobs::Work {
                    stripe: &self.inner.stripe,
                    job: &job,
                    record,
                    refund: refund.as_ref(),
                };
                jobs::perform(work).await
            }
            None => Deed {
                finish: Finish::Dead {
                    error: "its payment does not exist or cannot be read".into(),
                },
                event: None,
                expected_version: None,
            },
        };
        crash::point_of(kind, "called");
        let (next, outcome) = self.finish(&job, deed).await;
        JOBS.of([kind, outcome]).increment(1);
        TIMES.of([kind]).record(begun.elapsed());
        Span::current().record("outcome", outcome);
        crash::point_of(kind, "finished");
        next
    }

    /// Writes how a job ended, and says it in a word.
    async fn finish(&self, job: &Claimed, deed: Deed) -> (Vec<Claim>, &'static str) {
        let outcome = match &deed.finish {
            Finish::Done => "done",
            Finish::Again { error, .. } => {
                tracing::debug!(error, "put off");
                "again"
            }
            Finish::Dead { error } => {
                tracing::error!(error, "given up; a person must look");
                "dead"
            }
        };
        let advance = Advance {
            payment: job.payment,
            cause: format!("job_{}_{}", job.id.simple(), job.tries),
            origin: Origin::Job {
                job: job.id,
                lease: job.lease,
                finish: deed.finish,
                event: deed.event.map(|event| *event),
                expected_version: deed.expected_version,
            },
        };
        match self.inner.advances.submit(advance).await {
            Ok(Outcome::Finished(next)) => (next, outcome),
            Ok(_) => {
                tracing::debug!("finished late; another worker has it");
                (Vec::new(), "late")
            }
            Err(error) => {
                tracing::warn!(%error, "not finished; its lease will run out and it runs again");
                (Vec::new(), "lost")
            }
        }
    }

    async fn apply_webhooks(&self, shutdown: &CancellationToken) {
        let mut rest = REST;
        while !shutdown.is_cancelled() {
            match self.inner.applier.apply_due().await {
                Ok(0) => rest = (rest * 2).min(REST_AT_MOST),
                Ok(_) => rest = REST,
                Err(error) => {
                    tracing::warn!(%error, "webhooks wait");
                    rest = Duration::from_secs(1);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    pub(crate) async fn expire(&self, payment: Uuid) -> Result<(), crate::Error> {
        let advance = Advance {
            payment,
            cause: "timer_expire".into(),
            origin: Origin::Expiry,
        };
        self.inner.advances.submit(advance).await.map(|_| ())
    }
}

/// What logs and traces say of the work on a job. Its level is the highest, so that no filter of logs takes the names
/// away from what is logged within.
fn span_of(job: &Claimed) -> Span {
    let kind = job.kind.as_str();
    let span = tracing::error_span!(
        "job",
        job = %JobId::from(job.id),
        payment = %PaymentId::from(job.payment),
        trace_id = %job.payment.simple(),
        kind,
        r#try = job.tries + 1,
        outcome = Empty,
    );
    trace::join(&span, job.payment, format_args!("job {kind}"));
    span
}
