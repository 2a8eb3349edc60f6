//! Claims of jobs: each batch leases jobs by one statement, and reads the payments that they are about.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use contracts::id::{JobId, PaymentId};
use infra::postgres;
use sqlx::PgPool;
use uuid::Uuid;
use workflows::stream::Needs;

use super::Batch;
use crate::commit::advance::Claim;
use crate::record::Record;
use crate::store;
use crate::store::job;
use crate::store::job::{Claimed, Ending, Finish, Unreadable};

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
        let mut claimed: HashMap<Uuid, Claimed> = HashMap::with_capacity(requests.len());
        let mut unreadable = Vec::new();
        for job in job::claim(&self.pool, requests, self.lease).await? {
            match job {
                Ok(job) => drop(claimed.insert(job.id, job)),
                Err(job) => unreadable.push(job),
            }
        }
        if !unreadable.is_empty() {
            self.dead_letter(unreadable).await?;
        }
        if claimed.is_empty() {
            return Ok(requests.iter().map(|_| Some(None)).collect());
        }
        let mut needs: BTreeMap<Uuid, Needs> = BTreeMap::new();
        for job in claimed.values() {
            let needs = needs.entry(job.payment).or_default();
            *needs = needs.and(job.effect.needs());
        }
        let records = self.read(&needs).await?;
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

    /// Reads the payments of the jobs. Those that cannot be decoded are left out, so that their jobs alone are dead-lettered:
    /// all are leased already, and the others would wait until their leases run out.
    async fn read(&self, needs: &BTreeMap<Uuid, Needs>) -> sqlx::Result<HashMap<Uuid, Record>> {
        let mut connection = self.pool.acquire().await?;
        match store::stream::read(&mut connection, needs).await {
            Err(sqlx::Error::ColumnDecode { .. }) => {}
            read => return read,
        }
        let mut records = HashMap::with_capacity(needs.len());
        for (payment, needs) in needs {
            let alone = BTreeMap::from([(*payment, *needs)]);
            match store::stream::read(&mut connection, &alone).await {
                Ok(read) => records.extend(read),
                Err(error @ sqlx::Error::ColumnDecode { .. }) => {
                    let payment = PaymentId::from(*payment);
                    tracing::error!(%payment, %error, "failed to decode a payment; its jobs are dead-lettered until an operator corrects its row");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(records)
    }

    /// Dead-letters jobs whose effects cannot be read, so that they stop no other job of their batch.
    async fn dead_letter(&self, jobs: Vec<Unreadable>) -> sqlx::Result<()> {
        let dead: Vec<Finish> = jobs
            .iter()
            .map(|job| {
                let error = job.error.clone();
                tracing::error!(job = %JobId::from(job.id), error, "failed to read a job; it is dead-lettered and needs an operator");
                Finish::Dead { error }
            })
            .collect();
        let endings: Vec<Ending<'_>> = jobs
            .iter()
            .zip(&dead)
            .map(|(job, finish)| Ending {
                id: job.id,
                lease: job.lease,
                finish,
                calls: &[],
            })
            .collect();
        job::finish(&mut *self.pool.acquire().await?, &endings).await?;
        Ok(())
    }
}
