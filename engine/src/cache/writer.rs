//! The background task that writes offered views.
//!
//! If an offered view were dropped, an older one would stay in Redis for a day. So when a view is too old to be written, or
//! too many wait, the payment's view is removed from Redis instead, as soon as Redis answers. Until a change is written,
//! this process reads the payment from Postgres.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{CacheError, Entry, FRESH, PORTION, Store};

/// The most views that may wait, about two kilobytes each.
const VIEWS: usize = 10_000;
/// The most payments that may wait, with or without a view. Dropping others is safe: they were created while Redis was
/// unavailable, so it holds no older view of them.
const PAYMENTS: usize = 200_000;
/// The pause before a write: a payment moves several times within milliseconds, and only its last view is written.
const DELAY: Duration = Duration::from_millis(5);
/// The pause between two tries while Redis is unavailable.
const RETRY: Duration = Duration::from_millis(500);

/// What happens to the view of a payment in Redis.
#[derive(Debug)]
pub(super) enum Change {
    /// It becomes this one, unless it is as new.
    View(Entry),
    /// It becomes the version alone, unless it is as new: readers read Postgres, and no older view is written later.
    Moved,
    /// It is removed if it is older.
    Outdated,
}

/// A version of a payment, and when it was read or committed.
#[derive(Debug)]
struct Offer {
    version: i64,
    at: Instant,
    change: Change,
}

/// The offers that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Pending {
    offers: Mutex<Offers>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Offers {
    waiting: HashMap<Uuid, Offer>,
    /// The payments of the portion that is being written.
    writing: Vec<Uuid>,
}

impl Pending {
    /// Adds versions that were read or committed `at` that moment; only the latest one of each payment is kept.
    pub(super) fn add(&self, changes: impl Iterator<Item = (Uuid, i64, Change)>, at: Instant) {
        let mut offers = self.offers.lock();
        let waiting = &mut offers.waiting;
        for (payment, version, mut change) in changes {
            if waiting.len() >= VIEWS && matches!(change, Change::View(_)) {
                change = Change::Outdated;
            }
            if waiting.len() < PAYMENTS || waiting.contains_key(&payment) {
                let offer = Offer {
                    version,
                    at,
                    change,
                };
                keep(waiting, payment, offer);
            }
        }
        drop(offers);
        self.wake.notify_one();
    }

    /// Whether a change of this payment is not yet written.
    pub(super) fn has(&self, payment: Uuid) -> bool {
        let offers = self.offers.lock();
        offers.waiting.contains_key(&payment) || offers.writing.contains(&payment)
    }

    /// Takes a portion of the offers.
    fn take(&self) -> Portion {
        let mut offers = self.offers.lock();
        let Offers { waiting, writing } = &mut *offers;
        writing.clear();
        writing.extend(waiting.keys().take(PORTION));
        let mut portion = Portion::default();
        for payment in writing {
            let Some(Offer {
                version,
                at,
                change,
            }) = waiting.remove(payment)
            else {
                continue;
            };
            match change {
                Change::View(view) if at.elapsed() < FRESH => {
                    portion.views.push(view);
                    portion.times.push(at);
                }
                Change::Moved => portion.moved.push((*payment, version)),
                Change::View(_) | Change::Outdated => portion.outdated.push((*payment, version)),
            }
        }
        portion
    }

    /// Puts back a portion that could not be written, except offers of which a newer version has arrived.
    fn restore(&self, portion: Portion) {
        let (mut offers, now) = (self.offers.lock(), Instant::now());
        offers.writing.clear();
        let mut back = |payment, version, at, change| {
            let offer = Offer {
                version,
                at,
                change,
            };
            keep(&mut offers.waiting, payment, offer);
        };
        for (view, at) in portion.views.into_iter().zip(portion.times) {
            back(view.payment, view.version, at, Change::View(view));
        }
        for (payment, version) in portion.moved {
            back(payment, version, now, Change::Moved);
        }
        for (payment, version) in portion.outdated {
            back(payment, version, now, Change::Outdated);
        }
    }
}

/// The offers of one round of writing.
#[derive(Default)]
struct Portion {
    views: Vec<Entry>,
    /// When each of `views` was read or committed.
    times: Vec<Instant>,
    moved: Vec<(Uuid, i64)>,
    outdated: Vec<(Uuid, i64)>,
}

impl Portion {
    fn is_empty(&self) -> bool {
        self.views.is_empty() && self.moved.is_empty() && self.outdated.is_empty()
    }
}

/// Keeps the offer unless a later version of the payment is there.
fn keep(offers: &mut HashMap<Uuid, Offer>, payment: Uuid, offer: Offer) {
    match offers.entry(payment) {
        Slot::Occupied(mut slot) if slot.get().version < offer.version => {
            slot.insert(offer);
        }
        Slot::Occupied(_) => {}
        Slot::Vacant(slot) => {
            slot.insert(offer);
        }
    }
}

/// Writes offers until `end`, and then once those that are left.
pub(super) async fn run(pending: Arc<Pending>, store: Store, end: CancellationToken) {
    let mut away = false;
    while !end.is_cancelled() {
        end.run_until_cancelled(pending.wake.notified()).await;
        sleep(DELAY).await;
        while let Err(error) = write(&pending, &store).await {
            if !away {
                tracing::warn!(%error, "failed to cache views in Redis; retrying until it is available, reads go to Postgres");
                away = true;
            }
            if end.run_until_cancelled(sleep(RETRY)).await.is_none() {
                return;
            }
        }
        if away {
            tracing::info!("Redis is available again; views are cached");
            away = false;
        }
    }
}

/// Writes until no offer waits.
async fn write(pending: &Pending, store: &Store) -> Result<(), CacheError> {
    loop {
        let portion = pending.take();
        if portion.is_empty() {
            return Ok(());
        }
        let written = async {
            store.put(&portion.views, &portion.moved).await?;
            store.remove(&portion.outdated).await
        };
        if let Err(error) = written.await {
            pending.restore(portion);
            return Err(error);
        }
    }
}
