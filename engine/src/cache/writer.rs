//! The task that writes offered views.
//!
//! A view that was offered and not written would leave an older one in Redis for a day. So nothing is simply dropped:
//! what is too old or too much to be written is removed from Redis as soon as that answers again.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{CacheError, Entry, FRESH, PORTION, Store};

/// Views kept while they wait, about two kilobytes each.
const VIEWS: usize = 10_000;
/// Payments remembered at all. Beyond them are payments that began while Redis was away; it knows no older view.
const PAYMENTS: usize = 200_000;
/// A payment moves a few times within milliseconds; only the last view is worth writing.
const LINGER: Duration = Duration::from_millis(5);
/// Between two tries while Redis is away.
const RETRY: Duration = Duration::from_millis(500);

/// A version of a payment, and when it was the latest.
#[derive(Debug)]
struct Offer {
    version: i64,
    at: Instant,
    /// Nothing when there was no room for it, or nobody offered it: then an older view is to be removed.
    view: Option<Entry>,
}

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Pending {
    offers: Mutex<HashMap<Uuid, Offer>>,
    wake: Notify,
}

impl Pending {
    /// Adds views that were true `at` that moment; of each payment the latest version stays.
    pub(super) fn add(&self, entries: impl Iterator<Item = Entry>, at: Instant) {
        let mut offers = self.lock();
        for entry in entries {
            let (payment, version) = (entry.payment, entry.version);
            let room = offers.len() < VIEWS;
            let view = room.then_some(entry);
            if room || offers.len() < PAYMENTS || offers.contains_key(&payment) {
                keep(&mut offers, payment, Offer { version, at, view });
            }
        }
        drop(offers);
        self.wake.notify_one();
    }

    /// Adds versions whose views somebody else was to write.
    pub(super) fn outdate(&self, reached: impl Iterator<Item = (Uuid, i64)>) {
        let (mut offers, at) = (self.lock(), Instant::now());
        for (payment, version) in reached {
            if offers.len() < PAYMENTS || offers.contains_key(&payment) {
                let view = None;
                keep(&mut offers, payment, Offer { version, at, view });
            }
        }
        drop(offers);
        self.wake.notify_one();
    }

    /// Takes a portion: views to write, and versions of which older views are to be removed.
    fn take(&self) -> Portion {
        let mut offers = self.lock();
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

    /// Takes back what could not be written, unless something newer has come.
    fn restore(&self, portion: Portion) {
        let mut offers = self.lock();
        for (view, at) in portion.views.into_iter().zip(portion.times) {
            let (payment, version) = (view.payment, view.version);
            let view = Some(view);
            keep(&mut offers, payment, Offer { version, at, view });
        }
        for (payment, offer) in portion.stale {
            keep(&mut offers, payment, offer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Offer>> {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one round of writing takes.
#[derive(Default)]
struct Portion {
    views: Vec<Entry>,
    /// Since when each of `views` is true.
    times: Vec<Instant>,
    stale: Vec<(Uuid, Offer)>,
}

/// Keeps the later of two versions.
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

/// Writes what is offered until `end`, and then what is left, once.
pub(super) async fn run(pending: Arc<Pending>, store: Store, end: CancellationToken) {
    let mut away = false;
    while !end.is_cancelled() {
        tokio::select! {
            () = pending.wake.notified() => {}
            () = end.cancelled() => {}
        }
        sleep(LINGER).await;
        while let Err(error) = write(&pending, &store).await {
            if !away {
                tracing::warn!(%error, "views are not cached while Redis is away");
                away = true;
            }
            tokio::select! {
                () = sleep(RETRY) => {}
                () = end.cancelled() => return,
            }
        }
        if away {
            tracing::info!("views are cached again");
            away = false;
        }
    }
}

/// Writes until nothing waits.
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
