//! The results of deliveries, written in batches: status, log and a disabled endpoint, together or not at all.

use std::collections::HashSet;
use std::time::Duration;

use infra::postgres;
use sqlx::PgPool;
use uuid::Uuid;

use crate::commit::batch::{Batch, LONG_PATIENCE};
use crate::store::delivery::Finish;
use crate::store::{delivery, webhook_endpoint};

/// The result of one delivery.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) finish: Finish,
    /// The endpoint if it answered 410, with the address that answered.
    pub(super) gone: Option<(Uuid, String)>,
}

/// Commits batches of results. Each caller learns whether its lease was still valid; otherwise nothing was written.
pub(super) struct Results {
    pub(super) pool: PgPool,
}

impl Batch for Results {
    const NAME: &'static str = "deliveries";
    type Request = Outcome;
    type Outcome = bool;

    /// The merchant has answered already; a result that is lost sends the event again.
    fn patience(_: &Outcome) -> Duration {
        LONG_PATIENCE
    }

    async fn commit(&self, requests: &[Outcome]) -> sqlx::Result<Vec<Option<bool>>> {
        postgres::within(self.finish(requests)).await
    }
}

impl Results {
    async fn finish(&self, requests: &[Outcome]) -> sqlx::Result<Vec<Option<bool>>> {
        let finished: Vec<Finish> = requests
            .iter()
            .map(|request| request.finish.clone())
            .collect();
        let mut transaction = self.pool.begin().await?;
        let held: HashSet<Uuid> = delivery::finish(&mut transaction, &finished).await?;
        let held = |request: &Outcome| held.contains(&request.finish.id);
        let gone: Vec<(Uuid, String)> = requests
            .iter()
            .filter(|request| held(request))
            .filter_map(|request| request.gone.clone())
            .collect();
        if !gone.is_empty() {
            webhook_endpoint::disable_gone(&mut transaction, &gone).await?;
        }
        // A lost answer to COMMIT needs no check: when the batch runs again, its leases are no longer valid.
        transaction.commit().await?;
        Ok(requests.iter().map(|request| Some(held(request))).collect())
    }
}
