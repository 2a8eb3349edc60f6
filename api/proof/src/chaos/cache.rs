//! The cached views of payments, compared with the database.
//!
//! Read from Redis itself: a gateway that answers from Postgres on a miss would hide a wrong view.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::facts;
use super::facts::Payment;
use crate::fleet::Fleet;

/// The time in which a view that is behind must catch up.
const CATCH_UP: Duration = Duration::from_secs(10);
/// Keys asked for in one round trip.
const PORTION: usize = 500;
/// A cached view starts with its version in so many digits.
const VERSION_WIDTH: isize = 20;

/// Payments whose cached view is newer than the database: such a view shows a change that was not committed.
pub(crate) async fn ahead(fleet: &Fleet, ids: &[Uuid]) -> Result<Vec<String>> {
    // The cache is read first: each version in it must be in the database by the time of the second read.
    let cached = versions(fleet, ids).await?;
    let stored = facts::versions(&fleet.pool, ids).await?;
    let ahead = cached.into_iter().filter_map(|(id, version)| {
        let stored = stored.get(&id).copied().unwrap_or_default();
        (version > stored).then(|| format!("{id}: cached version {version}, stored {stored}"))
    });
    Ok(ahead.collect())
}

/// Payments whose cached view differs from the database 10 s after all work was finished. A payment that is not cached is
/// read from the database, which is correct.
pub(crate) async fn behind(fleet: &Fleet, payments: &[Payment]) -> Result<Vec<String>> {
    let ids: Vec<Uuid> = payments.iter().map(|payment| payment.id).collect();
    let deadline = Instant::now() + CATCH_UP;
    loop {
        let cached = versions(fleet, &ids).await?;
        let different = payments.iter().filter_map(|payment| {
            let version = *cached.get(&payment.id)?;
            let (id, stored) = (payment.id, payment.version);
            (version != stored).then(|| format!("{id}: cached version {version}, stored {stored}"))
        });
        let different: Vec<String> = different.collect();
        if different.is_empty() || Instant::now() > deadline {
            return Ok(different);
        }
        sleep(Duration::from_millis(250)).await;
    }
}

/// The versions that Redis has of these payments.
async fn versions(fleet: &Fleet, ids: &[Uuid]) -> Result<BTreeMap<Uuid, i64>> {
    let mut connection = fleet.redis().await?;
    let mut versions = BTreeMap::new();
    for portion in ids.chunks(PORTION) {
        let mut pipeline = redis::pipe();
        for id in portion {
            pipeline.getrange(format!("pawl:view:{id}"), 0, VERSION_WIDTH - 1);
        }
        let values: Vec<String> = pipeline.query_async(&mut connection).await?;
        for (id, value) in portion.iter().zip(values) {
            if !value.is_empty() {
                let version = value
                    .parse()
                    .with_context(|| format!("a cached view starts with {value:?}"))?;
                versions.insert(*id, version);
            }
        }
    }
    Ok(versions)
}
