//! The results of deliveries, written in groups: status, log and a disabled endpoint, together or not at all.

use std::collections::HashSet;

use sqlx::PgPool;
use uuid::Uuid;

use crate::committer;
use crate::store::delivery::Finish;
use crate::store::{delivery, webhook_endpoint};

/// The result of one delivery.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) finish: Finish,
    /// The endpoint if it answered 410, with the address that answered.
    pub(super) gone: Option<(Uuid, String)>,
}

/// Commits groups of outcomes. Each member learns whether its lease was still valid; otherwise nothing was written.
pub(super) struct Results {
    pub(super) pool: PgPool,
}

impl committer::Work for Results {
    const LANE: &'static str = "deliveries";

    type Member = Outcome;
    type Outcome = bool;

    async fn commit(&self, members: &[Outcome]) -> sqlx::Result<Vec<bool>> {
        let finished: Vec<Finish> = members.iter().map(|member| member.finish.clone()).collect();
        let mut transaction = self.pool.begin().await?;
        let held: HashSet<Uuid> = delivery::finish(&mut transaction, &finished).await?;
        let held = |member: &Outcome| held.contains(&member.finish.id);
        let gone: Vec<(Uuid, String)> = members
            .iter()
            .filter(|member| held(member))
            .filter_map(|member| member.gone.clone())
            .collect();
        if !gone.is_empty() {
            webhook_endpoint::disable_gone(&mut transaction, &gone).await?;
        }
        // A lost answer to COMMIT needs no check: when the group runs again, its leases are no longer valid.
        transaction.commit().await?;
        Ok(members.iter().map(held).collect())
    }
}
