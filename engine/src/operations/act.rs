//! What an operator does with a job that waits: cancels it, or puts it off.

use std::time::Duration;

use contracts::operations::JobView;
use infra::http::RequestId;
use infra::postgres;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::effect::Effect;
use workflows::stream::Event;
use workflows::stripe::StripeError;

use super::{Scope, render};
use crate::commit::Cause;
use crate::commit::advance::{Advance, Origin};
use crate::store::job;
use crate::store::job::{Claimed, Finish};
use crate::{Engine, Error};

/// How long an operator's lease of a job lasts that is being canceled. If this process dies meanwhile, a worker performs it.
const LEASE: Duration = Duration::from_mins(1);

impl Engine {
    /// Cancels a job that waits and whose call was certainly never sent. The payment gets what Stripe's refusal of the call
    /// would have led to: a payment without an intent is rejected, an attempt fails, a capture is not made, a refund is
    /// rejected. A resync can always be canceled; the payment's timer requests the next one.
    ///
    /// The job is leased like by a worker, so that no worker can send the call at the same moment.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotCanceled`] with the reason; [`Error::Changed`] when its version is not `version`;
    /// [`Error::Unavailable`], and then it is not known whether it was canceled.
    pub async fn cancel_job(
        &self,
        scope: Scope,
        id: Uuid,
        version: Option<i64>,
    ) -> Result<JobView, Error> {
        let before = self.job(scope, id).await?;
        let pool = &self.inner.pool;
        let claimed = postgres::within(job::claim_unsent(pool, id, version, LEASE)).await?;
        let Some(job) = claimed else {
            return Err(match before.job.state.as_str() {
                "queued" if before.first_sent_at.is_none() => Error::Changed,
                "queued" => Error::NotCanceled(
                    "Its call may have been sent, so that it has an outcome at Stripe. Let it run, or request a resync of the payment."
                        .into(),
                ),
                "running" => Error::NotCanceled(
                    "A worker performs it. Wait until it has ended.".into(),
                ),
                "done" => Error::NotCanceled("It is over.".into()),
                _ => Error::NotCanceled(
                    "The outcome of its call is not known. Retry it, or request a resync of the payment.".into(),
                ),
            });
        };
        let request = infra::http::request_id().unwrap_or_else(RequestId::generate);
        let advance = Advance {
            payment: job.payment,
            cause: Cause::operator(request.as_str().to_owned(), None),
            origin: Origin::Job {
                job: job.id,
                lease: job.lease,
                finish: Finish::Done,
                calls: Vec::new(),
                event: refusal(&job),
                expected_version: None,
            },
        };
        self.inner.advances.submit(advance).await?;
        let after = self.job(scope, id).await?.job;
        match after.state.as_str() {
            "done" => Ok(after),
            _ => Err(Error::NotCanceled(after.last_error.unwrap_or_default())),
        }
    }

    /// Puts a job off that waits: it is due at that moment.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotCanceled`] when it does not wait; [`Error::Changed`] when its version is not
    /// `version`; [`Error::Unavailable`].
    pub async fn snooze_job(
        &self,
        scope: Scope,
        id: Uuid,
        version: Option<i64>,
        until: OffsetDateTime,
    ) -> Result<JobView, Error> {
        let before = self.job(scope, id).await?.job;
        let is_put_off = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            job::put_off(&mut connection, id, version, until).await
        });
        if is_put_off.await? {
            let row = postgres::within(async {
                let mut connection = self.inner.pool.acquire().await?;
                job::rows(&mut connection, &[id]).await
            });
            let row = row.await?.into_iter().next();
            return row.as_ref().map(render::view).ok_or(Error::NotFound);
        }
        if matches!(before.state.as_str(), "queued" | "unknown") {
            return Err(Error::Changed);
        }
        Err(Error::NotCanceled(format!(
            "Only a job that waits can be put off; this one is {}.",
            before.state
        )))
    }
}

/// What a refusal of the job's call reports; nothing for a job without a call.
fn refusal(job: &Claimed) -> Option<Event> {
    let error = StripeError {
        code: Some("canceled_by_operator".into()),
        message: Some("an operator canceled the call before it was sent".into()),
        ..StripeError::default()
    };
    Some(match &job.effect {
        Effect::CreateIntent => Event::IntentRejected { error },
        Effect::ConfirmIntent { attempt } => Event::ConfirmRefused {
            attempt: *attempt,
            error,
        },
        Effect::CreateRefund { refund } => Event::RefundRejected {
            refund: *refund,
            error,
        },
        Effect::UpdateDispute { dispute, .. } | Effect::CloseDispute { dispute } => {
            Event::DisputeCallRefused {
                dispute: *dispute,
                call: job.effect.call()?,
                error,
            }
        }
        Effect::Resync => return None,
        other => Event::CallRefused {
            call: other.call()?,
            error,
        },
    })
}
