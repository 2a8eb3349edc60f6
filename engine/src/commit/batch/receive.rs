//! Webhooks of Stripe: each batch is stored by one statement.

use std::time::Duration;

use infra::postgres;
use sqlx::PgPool;

use super::Batch;
use crate::store::inbox;

/// How long a webhook waits for the answer of the call that caused it, which often comes after it.
const DELAY: Duration = Duration::from_millis(100);

/// Stores batches of webhooks.
pub(crate) struct Webhooks {
    pub(crate) pool: PgPool,
}

impl Batch for Webhooks {
    const NAME: &'static str = "inbox";
    type Request = inbox::New;
    type Outcome = ();

    async fn commit(&self, requests: &[inbox::New]) -> sqlx::Result<Vec<Option<()>>> {
        postgres::within(inbox::add(&self.pool, requests, DELAY)).await?;
        Ok(vec![Some(()); requests.len()])
    }
}
