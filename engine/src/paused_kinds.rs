//! A worker's copy of the kinds of jobs that are paused. Postgres holds the pauses and claims no job of such a kind; the copy
//! is for calls that follow from an answer, which a worker leases to itself without a claim.

use std::collections::BTreeSet;
use std::sync::Arc;

use infra::postgres;
use parking_lot::RwLock;
use sqlx::PgPool;

use crate::store::queue_pause;

/// The copy, cheap to clone. The sweeper renews it once a second.
#[derive(Debug, Clone, Default)]
pub(crate) struct PausedKinds(Arc<RwLock<BTreeSet<String>>>);

impl PausedKinds {
    /// Whether jobs of this kind are not to be performed.
    pub(crate) fn contains(&self, kind: &str) -> bool {
        self.0.read().contains(kind)
    }

    /// Reads the pauses, and logs which are new and which ended.
    pub(crate) async fn renew(&self, pool: &PgPool) -> sqlx::Result<()> {
        let pauses = postgres::within(queue_pause::all(pool)).await?;
        let now: BTreeSet<String> = pauses.into_iter().map(|pause| pause.kind).collect();
        let before = std::mem::replace(&mut *self.0.write(), now.clone());
        for kind in now.difference(&before) {
            tracing::warn!(
                kind,
                "jobs of this kind are paused by an operator; they wait until the queue is resumed"
            );
        }
        for kind in before.difference(&now) {
            tracing::warn!(
                kind,
                "jobs of this kind are performed again; an operator has resumed the queue"
            );
        }
        Ok(())
    }
}
