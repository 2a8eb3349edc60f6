//! Which tokens are refused before they expire.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sqlx::PgPool;
use uuid::Uuid;

use crate::{Caller, membership};

/// With this, and a moment for the answer, a revoked token is refused within 5 s.
const READ_EVERY: Duration = Duration::from_secs(2);

/// The least generation that is believed, of each membership where it changed lately. It is read in the background, so
/// that no request waits for it; while Postgres is away, what was last known holds.
#[derive(Debug, Default)]
pub(crate) struct Revocations {
    least: RwLock<Arc<HashMap<(Uuid, Uuid), i64>>>,
}

impl Revocations {
    /// Follows those of this database for as long as the result lives. Must be called within a Tokio runtime.
    pub(crate) fn followed(pool: PgPool) -> Arc<Self> {
        let revocations = Arc::new(Self::default());
        let weak = Arc::downgrade(&revocations);
        tokio::spawn(async move {
            let mut is_known = true;
            while let Some(revocations) = weak.upgrade() {
                let read = membership::revoked_lately(&pool).await;
                if let Err(error) = &read
                    && is_known
                {
                    tracing::warn!(%error, "revocations cannot be read: tokens that verify go on");
                }
                is_known = read.is_ok();
                if let Ok(least) = read {
                    let mut known = revocations
                        .least
                        .write()
                        .unwrap_or_else(PoisonError::into_inner);
                    *known = Arc::new(least);
                }
                drop(revocations);
                tokio::time::sleep(READ_EVERY).await;
            }
        });
        revocations
    }

    /// Whether they end a token of this person that was made for this generation of the membership.
    pub(crate) fn end(&self, caller: &Caller, generation: i64) -> bool {
        let least = self
            .least
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        caller.user.is_some_and(|user| {
            least
                .get(&(caller.account, user))
                .is_some_and(|least| generation < *least)
        })
    }
}
