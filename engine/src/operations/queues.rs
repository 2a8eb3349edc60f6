//! The queues: the jobs of a kind, which an operator can pause for all of Pawl.

use contracts::operations::QueueView;
use infra::postgres;
use sqlx::PgPool;
use workflows::effect::Kind;

use crate::store::{job, queue_pause};
use crate::{Engine, Error};

impl Engine {
    /// Every kind of job, with its pause and how many jobs of it wait.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn queues(&self) -> Result<Vec<QueueView>, Error> {
        let read = postgres::within(async {
            let pauses = queue_pause::all(&self.inner.pool).await?;
            let waiting = job::waiting_of_kinds(&self.inner.pool).await?;
            Ok((pauses, waiting))
        });
        let (pauses, waiting) = read.await?;
        let queues = Kind::all().map(|kind| {
            let kind = kind.as_str();
            let pause = pauses.iter().find(|pause| pause.kind == kind);
            let waiting = waiting.iter().find(|waiting| waiting.kind == kind);
            QueueView {
                kind: kind.to_owned(),
                object: "queue".into(),
                paused: pause.is_some(),
                reason: pause.and_then(|pause| pause.reason.clone()),
                paused_by: pause.map(|pause| pause.paused_by.clone()),
                paused_at: pause.map(|pause| pause.paused_at),
                waiting: waiting.map_or(0, |waiting| waiting.count),
                oldest_due_at: waiting.and_then(|waiting| waiting.oldest_due_at),
            }
        });
        Ok(queues.collect())
    }

    /// Pauses the jobs of a kind: from now on none is claimed, and workers leave those alone that they leased to themselves,
    /// within 2 s. A call that is on its way is finished. False if it was paused already.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown kind, [`Error::Unavailable`].
    pub async fn pause_queue(
        &self,
        kind: &str,
        reason: Option<&str>,
        paused_by: &str,
    ) -> Result<bool, Error> {
        known(kind)?;
        let changed = change(&self.inner.pool, async |connection| {
            queue_pause::add(connection, kind, reason, paused_by).await
        });
        changed.await
    }

    /// Resumes the jobs of a kind. Those that are due are pushed to the workers by the sweeper, within a few seconds. False
    /// if it was not paused.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown kind, [`Error::Unavailable`].
    pub async fn resume_queue(&self, kind: &str) -> Result<bool, Error> {
        known(kind)?;
        let changed = change(&self.inner.pool, async |connection| {
            queue_pause::remove(connection, kind).await
        });
        changed.await
    }
}

fn known(kind: &str) -> Result<(), Error> {
    let known = Kind::all().any(|known| known.as_str() == kind);
    known.then_some(()).ok_or(Error::NotFound)
}

async fn change(
    pool: &PgPool,
    statement: impl AsyncFnOnce(&mut sqlx::PgConnection) -> sqlx::Result<bool>,
) -> Result<bool, Error> {
    let changed = postgres::within(async {
        let mut connection = pool.acquire().await?;
        statement(&mut connection).await
    });
    Ok(changed.await?)
}
