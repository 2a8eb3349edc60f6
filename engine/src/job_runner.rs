//! Runs one job: claims it, makes its call to Stripe, and commits the result.

use std::sync::Arc;
use std::time::Instant;

use contracts::id::{JobId, PaymentId};
use infra::metrics::{Counters, Histograms};
use infra::{crash, trace};
use tracing::field::Empty;
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::commit::Cause;
use crate::commit::advance::{Advance, Claim, Origin, Outcome};
use crate::commit::batch::BatchQueue;
use crate::commit::batch::advance::Advances;
use crate::commit::batch::claim::Claims;
use crate::jobs::JobResult;
use crate::paused_kinds::PausedKinds;
use crate::store::job::{Claimed, Finish};
use crate::stripe::{Client, StripeCall};
use crate::{jobs, stripe};

static JOBS: Counters<2> = Counters::new(
    "pawl_jobs_total",
    "Jobs that a worker ran, by outcome: done, again (will be retried), dead (dead-lettered), late (the lease had expired and \
     another worker has the job), or lost (the result could not be committed).",
    ["kind", "outcome"],
);
static TIMES: Histograms<1> = Histograms::new(
    "pawl_job_seconds",
    "From claiming a job to the commit of its result.",
    ["kind"],
);

/// Runs jobs by their ids. Cheap to clone.
#[derive(Clone)]
pub(crate) struct JobRunner {
    inner: Arc<Inner>,
}

struct Inner {
    stripe: Client,
    paused: PausedKinds,
    claims: BatchQueue<Claims>,
    advances: Arc<BatchQueue<Advances>>,
}

impl JobRunner {
    pub(crate) fn new(
        stripe: Client,
        paused: PausedKinds,
        claims: BatchQueue<Claims>,
        advances: Arc<BatchQueue<Advances>>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                stripe,
                paused,
                claims,
                advances,
            }),
        }
    }

    /// Runs a job if it is due and no worker holds its lease, then the jobs that follow from it and that the commit of
    /// its result leased to this worker. It never fails: errors are stored in the job, or its lease expires.
    pub(crate) async fn run(&self, id: Uuid) {
        match self.inner.claims.submit(id).await {
            Ok(Some(claim)) => {
                let mut claims = vec![*claim];
                while let Some(claim) = claims.pop() {
                    let span = job_span(&claim.job);
                    // On the heap: it holds the job's payment and its call to Stripe.
                    let run = Box::pin(self.run_claimed(claim));
                    claims.extend(run.instrument(span).await);
                }
            }
            // Finished, not due, or leased to another worker.
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(job = %JobId::from(id), %error, "failed to claim the job; the sweeper will push it again");
            }
        }
    }

    /// Runs a claimed job and returns the jobs that follow from it and are leased to this worker already.
    async fn run_claimed(&self, claim: Claim) -> Vec<Claim> {
        let Claim { job, record } = claim;
        let (kind, begun) = (job.effect.kind().as_str(), Instant::now());
        crash::job_point(kind, "claimed");
        let (result, calls) = match &record {
            _ if self.inner.paused.contains(kind) => (JobResult::paused(&job), Vec::new()),
            Some(record) => {
                let work = jobs::Work {
                    stripe: &self.inner.stripe,
                    job: &job,
                    record,
                };
                stripe::recorded(jobs::perform(work)).await
            }
            None => {
                let error = "its payment does not exist or cannot be read";
                (JobResult::dead_letter(error), Vec::new())
            }
        };
        crash::job_point(kind, "called");
        let (next, outcome) = self.commit(&job, result, calls).await;
        JOBS.with_labels([kind, outcome]).increment(1);
        TIMES.with_labels([kind]).record(begun.elapsed());
        Span::current().record("outcome", outcome);
        crash::job_point(kind, "finished");
        next
    }

    /// Commits the result of a job. Returns the jobs that follow and are leased to this worker, and the outcome's label.
    async fn commit(
        &self,
        job: &Claimed,
        result: JobResult,
        calls: Vec<StripeCall>,
    ) -> (Vec<Claim>, &'static str) {
        let outcome = match &result.finish {
            Finish::Done => "done",
            Finish::Again { error, after, .. } => {
                tracing::debug!(
                    error,
                    retry_in_ms = after.as_millis(),
                    "the job did not succeed; it will be retried"
                );
                "again"
            }
            Finish::Dead { error } => {
                tracing::error!(
                    error,
                    "the job failed and is dead-lettered; it needs an operator"
                );
                "dead"
            }
        };
        let advance = Advance {
            payment: job.payment,
            cause: Cause::job(job.id, job.tries),
            origin: Origin::Job {
                job: job.id,
                lease: job.lease,
                finish: result.finish,
                calls,
                event: result.event.map(|event| *event),
                expected_version: result.expected_version,
            },
        };
        match self.inner.advances.submit(advance).await {
            Ok(Outcome::Finished(next)) => (next, outcome),
            Ok(_) => {
                tracing::debug!(
                    "the job's lease had expired; its result is discarded and another worker runs it"
                );
                (Vec::new(), "late")
            }
            Err(error) => {
                tracing::warn!(%error, "failed to commit the result of the job; it runs again when its lease expires");
                (Vec::new(), "lost")
            }
        }
    }
}

/// The span around a job, for logs and traces. Its level is `ERROR`, so that no log filter removes the job's ids from the
/// lines logged within it.
fn job_span(job: &Claimed) -> Span {
    let kind = job.effect.kind().as_str();
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
