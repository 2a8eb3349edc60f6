//! Taking jobs, many in one transaction, each with what is needed to perform it.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::PgPool;
use uuid::Uuid;

use crate::committer::Work;
use crate::committer::advance::Claim;
use crate::record::Record;
use crate::store::job::{Claimed, Kind};
use crate::store::{job, payment, refund};

/// Claims jobs in groups.
pub(crate) struct Claims {
    pub(crate) pool: PgPool,
    pub(crate) lease: Duration,
}

impl Work for Claims {
    const LANE: &'static str = "claims";
    type Member = Uuid;
    type Outcome = Option<Box<Claim>>;

    async fn commit(&self, members: &[Uuid]) -> sqlx::Result<Vec<Self::Outcome>> {
        let mut claimed: HashMap<Uuid, Claimed> = job::claim(&self.pool, members, self.lease)
            .await?
            .into_iter()
            .map(|job| (job.id, job))
            .collect();
        if claimed.is_empty() {
            return Ok(members.iter().map(|_| None).collect());
        }
        let mut connection = self.pool.acquire().await?;
        let payments: Vec<Uuid> = claimed.values().map(|job| job.payment).collect();
        let records: HashMap<Uuid, Record> = payment::read(&mut connection, &payments)
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
