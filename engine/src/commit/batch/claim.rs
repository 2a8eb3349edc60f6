//! Claims of jobs: each batch leases jobs by one statement, and reads the payments that they are about.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use infra::postgres;
use sqlx::PgPool;
use uuid::Uuid;
use workflows::stream::{Effect, Needs};

use super::Batch;
use crate::commit::advance::Claim;
use crate::store;
use crate::store::job;
use crate::store::job::Claimed;

/// Commits batches of claims, by the ids of the jobs.
pub(crate) struct Claims {
    pub(crate) pool: PgPool,
    /// For how long a job is leased.
    pub(crate) lease: Duration,
}

/// None if the job is not due, or leased by another worker.
type Claimable = Option<Box<Claim>>;

impl Batch for Claims {
    const NAME: &'static str = "claims";
    type Request = Uuid;
    type Outcome = Claimable;

    async fn commit(&self, requests: &[Uuid]) -> sqlx::Result<Vec<Option<Self::Outcome>>> {
        postgres::within(self.claim(requests)).await
    }
}

impl Claims {
    async fn claim(&self, requests: &[Uuid]) -> sqlx::Result<Vec<Option<Claimable>>> {
        let mut claimed: HashMap<Uuid, Claimed> = job::claim(&self.pool, requests, self.lease)
            .await?
            .into_iter()
            .map(|job| (job.id, job))
            .collect();
        if claimed.is_empty() {
            return Ok(requests.iter().map(|_| Some(None)).collect());
        }
        let mut needs: BTreeMap<Uuid, Needs> = BTreeMap::new();
        for job in claimed.values() {
            let needs = needs.entry(job.payment).or_default();
            *needs = needs.and(needs_of(job));
        }
        let mut connection = self.pool.acquire().await?;
        let records = store::stream::read(&mut connection, &needs).await?;
        // The second of two equal ids in a batch gets none, as it would a moment later.
        Ok(requests
            .iter()
            .map(|id| {
                let claim = claimed.remove(id).map(|job| {
                    let record = records.get(&job.payment).cloned();
                    Box::new(Claim { job, record })
                });
                Some(claim)
            })
            .collect())
    }
}

/// The subjects that a job reads beside the payment and its newest attempt.
fn needs_of(job: &Claimed) -> Needs {
    Needs {
        refunds: matches!(job.effect, Effect::CreateRefund { .. }),
    }
}
