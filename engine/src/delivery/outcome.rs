//! What came of deliveries, written in groups: the job's end, the delivery's status and the log, together or not at all.

use sqlx::PgPool;
use uuid::Uuid;

use crate::committer;
use crate::store::delivery::Mark;
use crate::store::job::{Ending, Finish};
use crate::store::{delivery, job, webhook_endpoint};

/// What came of one delivery, under the lease of its job.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) job: Uuid,
    pub(super) lease: Uuid,
    pub(super) finish: Finish,
    /// None when the delivery is not there any more.
    pub(super) mark: Option<Mark>,
    /// The endpoint that said that it is gone, with the address that said so.
    pub(super) gone: Option<(Uuid, String)>,
}

/// Commits groups of outcomes. Its members learn whether they still held their job; otherwise nothing was written.
pub(super) struct Outcomes {
    pub(super) pool: PgPool,
}

impl committer::Work for Outcomes {
    const LANE: &'static str = "deliveries";

    type Member = Outcome;
    type Outcome = bool;

    async fn commit(&self, members: &[Outcome]) -> sqlx::Result<Vec<bool>> {
        let endings: Vec<Ending<'_>> = members
            .iter()
            .map(|member| Ending {
                id: member.job,
                lease: member.lease,
                finish: &member.finish,
            })
            .collect();
        let mut transaction = self.pool.begin().await?;
        let held = job::finish(&mut transaction, &endings).await?;
        let held: Vec<bool> = members
            .iter()
            .map(|member| held.contains_key(&member.job))
            .collect();
        let written = || members.iter().zip(&held).filter(|(_, held)| **held);
        let marks: Vec<Mark> = written()
            .filter_map(|(member, _)| member.mark.clone())
            .collect();
        delivery::mark(&mut transaction, &marks).await?;
        let gone: Vec<(Uuid, String)> = written()
            .filter_map(|(member, _)| member.gone.clone())
            .collect();
        if !gone.is_empty() {
            webhook_endpoint::disable_gone(&mut transaction, &gone).await?;
        }
        // An answer to COMMIT that is lost needs no second look: run again, the group finds its leases gone.
        transaction.commit().await?;
        Ok(held)
    }
}
