//! Writes the cached view of each published payment once more: the committer's own write may have been lost.

use std::{collections::BTreeSet, time::Duration};

use sqlx::PgPool;
use tokio::{sync::mpsc, time::Instant};
use uuid::Uuid;

use crate::{
    cache::{Cache, Entry},
    store::payment,
};

/// Payments are gathered for this long, so that one which moves several times is read once.
const GATHER: Duration = Duration::from_secs(1);

/// The most payments in one read.
const PORTION: usize = 500;

/// Batches of ids that wait; more are dropped, since a miss of the cache reads Postgres anyway.
const WAITING: usize = 1024;

/// The hand that notes what was published.
#[derive(Debug, Clone)]
pub struct Refresher {
    sender: mpsc::Sender<Vec<Uuid>>,
}

impl Refresher {
    /// Starts the task that reads and writes. It ends with the last clone.
    #[must_use]
    pub fn start(pool: PgPool, cache: Cache) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(run(pool, cache, receiver));
        Self { sender }
    }

    /// Asks for the views of these payments to be written again within about a second. Never waits.
    pub fn note(&self, payments: &[Uuid]) {
        if self.sender.try_send(payments.to_vec()).is_err() {
            tracing::debug!(payments = payments.len(), "views are not refreshed; the refresher is behind");
        }
    }
}

async fn run(pool: PgPool, cache: Cache, mut receiver: mpsc::Receiver<Vec<Uuid>>) {
    while let Some(first) = receiver.recv().await {
        tokio::time::sleep(GATHER).await;
        let mut payments: BTreeSet<Uuid> = first.into_iter().collect();
        while let Ok(more) = receiver.try_recv() {
            payments.extend(more);
        }
        let payments: Vec<Uuid> = payments.into_iter().collect();
        for portion in payments.chunks(PORTION) {
            if let Err(error) = refresh(&pool, &cache, portion).await {
                tracing::debug!(%error, "views are not refreshed");
            }
        }
    }
}

async fn refresh(pool: &PgPool, cache: &Cache, payments: &[Uuid]) -> sqlx::Result<()> {
    let asked = Instant::now();
    let records = payment::read(&mut *pool.acquire().await?, payments).await?;
    for record in records {
        let view = record.rendered();
        let entry = Entry {
            payment: record.payment.id,
            account: record.account,
            intent_id: record.payment.intent_id,
            version: view.version,
            body: view.body,
        };
        cache.fill(entry, asked);
    }
    Ok(())
}
