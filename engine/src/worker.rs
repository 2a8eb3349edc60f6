//! The worker: takes job ids from Redis, performs the jobs against Stripe, applies webhooks, and looks after what the
//! others lost.

use std::{sync::Arc, time::Duration};

use infra::crash;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    cache::Cache,
    committer::{
        After, Lane, Work,
        advance::{Advance, Advances, Claim, Origin, Outcome},
    },
    delivery::{self, CallerError, Courier},
    inbox::Applier,
    jobs::{self, Deed},
    queue::Queue,
    record::Record,
    store::{
        job::{self, Claimed, Finish, Kind},
        payment, refund,
    },
    stripe::Client,
    sweeper::Sweeper,
};

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
    /// How many jobs are performed at once.
    pub concurrency: usize,
    /// How long a job belongs to the worker that took it. Longer than any call to Stripe or to a merchant may last.
    pub lease: Duration,
    /// How merchants are told.
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
    courier: Courier,
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
            },
            courier: Courier::new(pool.clone(), webhooks, lease)?,
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
            self.inner.courier.run(&shutdown),
            sweeper.run(&shutdown),
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
        Ok(done + self.inner.courier.round().await?)
    }

    /// Performs one job, if it is due and in no other hands. Errors are on record in the job, or end with its lease.
    pub(crate) async fn perform(&self, id: Uuid) {
        match self.inner.claims.submit(id).await {
            Ok(Some(claim)) => {
                let mut claims = vec![*claim];
                while let Some(claim) = claims.pop() {
                    claims.extend(self.perform_claimed(claim).await);
                }
            }
            // Done, put off, or in other hands.
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(job = %id, %error, "not claimed; the sweeper will push it again");
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
        let kind = job.kind.as_str();
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
        let next = self.finish(&job, deed).await;
        crash::point_of(kind, "finished");
        next
    }

    async fn finish(&self, job: &Claimed, deed: Deed) -> Vec<Claim> {
        match &deed.finish {
            Finish::Done => {}
            Finish::Again { error, .. } => {
                tracing::debug!(job = %job.id, kind = job.kind.as_str(), error, "put off");
            }
            Finish::Dead { error } => {
                tracing::error!(job = %job.id, payment = %job.payment, kind = job.kind.as_str(), error, "given up; a person must look");
            }
        }
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
            Ok(Outcome::Finished(next)) => return next,
            Ok(_) => tracing::debug!(job = %job.id, "finished late; another worker has it"),
            Err(error) => {
                tracing::warn!(job = %job.id, %error, "not finished; its lease will run out and it runs again");
            }
        }
        Vec::new()
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

/// Claims jobs in groups.
struct Claims {
    pool: PgPool,
    lease: Duration,
}

impl Work for Claims {
    type Member = Uuid;
    type Outcome = Option<Box<Claim>>;

    async fn commit(&self, members: &[Uuid]) -> sqlx::Result<Vec<Self::Outcome>> {
        let mut claimed: std::collections::HashMap<Uuid, Claimed> =
            job::claim(&self.pool, members, self.lease)
                .await?
                .into_iter()
                .map(|job| (job.id, job))
                .collect();
        if claimed.is_empty() {
            return Ok(members.iter().map(|_| None).collect());
        }
        let mut connection = self.pool.acquire().await?;
        let payments: Vec<Uuid> = claimed.values().map(|job| job.payment).collect();
        let records: std::collections::HashMap<Uuid, Record> =
            payment::read(&mut connection, &payments)
                .await?
                .into_iter()
                .map(|record| (record.payment.id, record))
                .collect();
        let refunds = self.refunds(&mut connection, claimed.values()).await?;
        // The second of two equal ids in a group finds nothing, as it would a moment later.
        Ok(members
            .iter()
            .map(|id| {
                let job = claimed.remove(id)?;
                let record = records.get(&job.payment).cloned();
                let refund = refunds
                    .iter()
                    .find(|stored| stored.refund.id == job.subject);
                Some(Box::new(Claim {
                    refund: refund.map(|stored| stored.refund.clone()),
                    job,
                    record,
                }))
            })
            .collect())
    }
}

impl Claims {
    async fn refunds<'a>(
        &self,
        connection: &mut sqlx::PgConnection,
        jobs: impl Iterator<Item = &'a Claimed>,
    ) -> sqlx::Result<Vec<refund::Stored>> {
        let payments: Vec<Uuid> = jobs
            .filter(|job| job.kind == Kind::CreateRefund)
            .map(|job| job.payment)
            .collect();
        if payments.is_empty() {
            Ok(Vec::new())
        } else {
            refund::of_payments(connection, &payments).await
        }
    }
}
