//! The background task that writes offered views.
//!
//! If an offered view were dropped, an older one would stay in Redis for a day. So when a view is too old to be written, or
//! too many wait, the payment's view is removed from Redis instead, as soon as Redis answers.

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

/// A version of a payment, and when it was read or committed.
#[derive(Debug)]
struct Offer {
    version: i64,
    at: Instant,
    /// Without a view (too many wait, or none was offered), an older view is removed.
    view: Option<Entry>,
}

/// The offers that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Pending {
    offers: Mutex<HashMap<Uuid, Offer>>,
    wake: Notify,
}

impl Pending {
    /// Adds views that were read or committed `at` that moment; only the latest version of each payment is kept.
    pub(super) fn add(&self, entries: impl Iterator<Item = Entry>, at: Instant) {
        let mut offers = self.offers.lock();
        for entry in entries {
            let (payment, version) = (entry.payment, entry.version);
            let fits = offers.len() < VIEWS;
            let view = fits.then_some(entry);
            if fits || offers.len() < PAYMENTS || offers.contains_key(&payment) {
                keep(&mut offers, payment, Offer { version, at, view });
            }
        }
        drop(offers);
        self.wake.notify_one();
    }

    /// Adds versions without views: older views are removed.
    pub(super) fn invalidate(&self, reached: impl Iterator<Item = (Uuid, i64)>) {
        let (mut offers, at) = (self.offers.lock(), Instant::now());
        for (payment, version) in reached {
            if offers.len() < PAYMENTS || offers.contains_key(&payment) {
                let view = None;
                keep(&mut offers, payment, Offer { version, at, view });
            }
        }
        drop(offers);
        self.wake.notify_one();
    }

    /// Takes a portion of the offers.
    fn take(&self) -> Portion {
        let mut offers = self.offers.lock();
        let payments: Vec<Uuid> = offers.keys().take(PORTION).copied().collect();
        let mut portion = Portion::default();
        for payment in payments {
            let Some(mut offer) = offers.remove(&payment) else {
                continue;
            };
            match offer.view.take().filter(|_| offer.at.elapsed() < FRESH) {
                Some(view) => {
                    portion.views.push(view);
                    portion.times.push(offer.at);
                }
                None => portion.stale.push((payment, offer)),
            }
        }
        portion
    }

    /// Puts back a portion that could not be written, except offers of which a newer version has arrived.
    fn restore(&self, portion: Portion) {
        let mut offers = self.offers.lock();
        for (view, at) in portion.views.into_iter().zip(portion.times) {
            let (payment, version) = (view.payment, view.version);
            let view = Some(view);
            keep(&mut offers, payment, Offer { version, at, view });
        }
        for (payment, offer) in portion.stale {
            keep(&mut offers, payment, offer);
        }
    }
}

/// The offers of one round of writing: views to write, and versions whose older views are removed.
#[derive(Default)]
struct Portion {
    views: Vec<Entry>,
    /// When each of `views` was read or committed.
    times: Vec<Instant>,
    stale: Vec<(Uuid, Offer)>,
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
        if portion.views.is_empty() && portion.stale.is_empty() {
            return Ok(());
        }
        let stale: Vec<(Uuid, i64)> = portion
            .stale
            .iter()
            .map(|(payment, offer)| (*payment, offer.version))
            .collect();
        let written = async {
            store.put(&portion.views).await?;
            store.remove(&stale).await
        };
        if let Err(error) = written.await {
            pending.restore(portion);
            return Err(error);
        }
    }
}
