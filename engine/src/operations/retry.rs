//! The retry of a job that needs an operator.

use contracts::operations::{JobView, RetryView};
use infra::postgres;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Scope, render};
use crate::jobs::KEY_LIVES;
use crate::store::job;
use crate::{Engine, Error};

impl Engine {
    /// Queues a dead job again, with the idempotency key that it always had, and returns it as it is then. A job of another
    /// version than `version`, if one is given, has changed since it was shown, and stays as it is: so two clicks act once.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotRetried`] with what to do instead; [`Error::Changed`]; [`Error::Unavailable`].
    pub async fn retry_job(
        &self,
        scope: Scope,
        id: Uuid,
        version: Option<i64>,
    ) -> Result<JobView, Error> {
        let retried = postgres::within(async {
            let mut transaction = self.inner.pool.begin().await?;
            let is_revived = job::revive(&mut transaction, scope.account(), id, version).await?;
            let rows = job::rows(&mut transaction, &[id]).await?;
            transaction.commit().await?;
            Ok((is_revived, rows.into_iter().next()))
        });
        let (is_revived, row) = retried.await?;
        let row = row.filter(|row| scope.holds(row.account_id));
        let row = row.ok_or(Error::NotFound)?;
        if !is_revived {
            let preview = preview(&row, OffsetDateTime::now_utc());
            if preview.allowed {
                return Err(Error::Changed);
            }
            return Err(Error::NotRetried(preview.explanation));
        }
        if let Err(error) = self.inner.queue.push(&[id]).await {
            tracing::debug!(%error, "failed to push the retried job to Redis; the sweeper will push it");
        }
        Ok(render::view(&row))
    }
}

/// What a retry of the job would do at this moment.
pub(super) fn preview(row: &job::Listed, now: OffsetDateTime) -> RetryView {
    let sent = row.first_sent_at.is_some();
    let age = row.first_sent_at.map(|sent| now - sent);
    let key_too_old = age.is_some_and(|age| age >= KEY_LIVES);
    let explanation = match row.visible_state() {
        "dead" if key_too_old => {
            "It is queued again. Its key is too old to be sent: the worker reads Stripe's object and decides by it."
        }
        "dead" if sent => {
            "It is queued again and sends the same key: if Stripe has executed the call, it answers with what it saved."
        }
        "dead" => "It is queued again. No call with its key was sent before.",
        "queued" => "It waits and runs by itself when it is due.",
        "running" => {
            "A worker performs it. If the worker died, another one takes it over when its lease runs out. Request a resync of the payment to compare it with Stripe."
        }
        "done" => "It is over.",
        _ => {
            "The outcome of its call is not known. Request a resync of the payment: it asks Stripe what happened."
        }
    };
    RetryView {
        allowed: row.state == "dead",
        explanation: explanation.to_owned(),
        idempotency_key: row.call_key.clone(),
        stripe_may_have_answered: sent,
        key_too_old,
    }
}
