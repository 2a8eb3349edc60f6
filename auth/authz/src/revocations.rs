//! Revocations: the access tokens that are refused before they expire.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use infra::postgres;
use parking_lot::RwLock;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{Caller, membership};

/// How often the table is read, so that a revoked token is refused within 5 s.
const READ_EVERY: Duration = Duration::from_secs(2);

/// The least valid generation of each membership whose generation changed lately. A background task reads it, so that no
/// request waits for it; while Postgres is away, the last known state holds.
#[derive(Debug, Default)]
pub(crate) struct Revocations {
    least: RwLock<Arc<HashMap<(Uuid, Uuid), i64>>>,
}

impl Revocations {
    /// Follows the revocations of this database for as long as the result lives. Must be called within a Tokio runtime.
    pub(crate) fn follow(pool: PgPool) -> Arc<Self> {
        let revocations = Arc::new(Self::default());
        let weak = Arc::downgrade(&revocations);
        tokio::spawn(async move {
            let mut is_known = true;
            while let Some(revocations) = weak.upgrade() {
                let read = postgres::within(membership::revoked_lately(&pool)).await;
                if let Err(error) = &read
                    && is_known
                {
                    tracing::warn!(%error, "failed to read revocations; the known ones stay, retrying in 2 s");
                }
                is_known = read.is_ok();
                if let Ok(least) = read {
                    *revocations.least.write() = Arc::new(least);
                }
                drop(revocations);
                tokio::time::sleep(READ_EVERY).await;
            }
        });
        revocations
    }

    /// Whether a token of this caller, made for this generation of the membership, is revoked.
    pub(crate) fn revoke(&self, caller: &Caller, generation: i64) -> bool {
        let least = self.least.read().clone();
        caller.user.is_some_and(|user| {
            least
                .get(&(caller.account, user))
                .is_some_and(|least| generation < *least)
        })
    }
}
