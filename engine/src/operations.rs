//! Operations on jobs: an operator lists them and retries dead ones.

use contracts::id::{JobId, PaymentId};
use contracts::view::JobView;
use infra::postgres;
use uuid::Uuid;

use crate::store::job;
use crate::{Engine, Error};

/// The states of a job as operators see them.
pub const JOB_STATES: [&str; 5] = ["queued", "running", "unknown", "done", "dead"];

impl Engine {
    /// Jobs of an account in a state, the newest first; the second value says whether there are more.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn jobs(
        &self,
        account: Uuid,
        state: &str,
        starting_after: Option<Uuid>,
        limit: u16,
    ) -> Result<(Vec<JobView>, bool), Error> {
        let rows = i64::from(limit) + 1;
        let rows = job::list(&self.inner.pool, account, state, starting_after, rows);
        let mut rows = postgres::within(rows).await?;
        let more = rows.len() > usize::from(limit);
        rows.truncate(usize::from(limit));
        Ok((rows.into_iter().map(view).collect(), more))
    }

    /// Puts a dead job of an account back in the queue. It keeps its idempotency key; if the key is too old to be sent
    /// again, the worker retrieves the object from Stripe instead.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the account has no such job or it is not dead.
    pub async fn retry(&self, account: Uuid, id: Uuid) -> Result<(), Error> {
        let revived = async {
            let mut connection = self.inner.pool.acquire().await?;
            job::revive(&mut connection, account, id).await
        };
        if !postgres::within(revived).await? {
            return Err(Error::NotFound);
        }
        if let Err(error) = self.inner.queue.push(&[id]).await {
            tracing::debug!(%error, "failed to push the retried job to Redis; the sweeper will push it");
        }
        Ok(())
    }
}

fn view(row: job::Listed) -> JobView {
    JobView {
        id: JobId::from_uuid(row.id),
        object: "job".into(),
        payment_id: PaymentId::from_uuid(row.payment_id),
        state: row.visible_state().to_owned().into(),
        unknown: row.unknown_view(),
        kind: row.kind,
        tries: row.tries,
        picks: row.picks,
        last_error: row.error,
        due_at: row.due_at,
        created_at: row.created_at,
    }
}
