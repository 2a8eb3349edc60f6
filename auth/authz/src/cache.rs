//! A bounded map from digests to what was found out about them, each entry with an end.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::Digest;

const SHARDS: usize = 16;

/// Remembers at least the last `capacity / 2` and at most `capacity` digests.
#[derive(Debug)]
pub(crate) struct Cache<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
    generation: usize,
}

/// Two generations: what is used moves to the young one, and when that is full the old one is forgotten. That is
/// nearly "least recently used", without a list to keep in order.
#[derive(Debug)]
struct Shard<V> {
    young: HashMap<Digest, Entry<V>>,
    old: HashMap<Digest, Entry<V>>,
}

#[derive(Debug, Clone)]
struct Entry<V> {
    value: V,
    ends: Instant,
}

impl<V: Clone> Cache<V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| {
                Mutex::new(Shard {
                    young: HashMap::new(),
                    old: HashMap::new(),
                })
            }),
            generation: (capacity / SHARDS / 2).max(1),
        }
    }

    /// What was put under this digest and has not ended.
    pub(crate) fn get(&self, digest: &Digest) -> Option<V> {
        let mut shard = self.shard(digest);
        let entry = if let Some(entry) = shard.young.get(digest) {
            entry.clone()
        } else {
            let entry = shard.old.remove(digest)?;
            shard.insert(*digest, entry.clone(), self.generation);
            entry
        };
        (entry.ends > Instant::now()).then_some(entry.value)
    }

    /// Remembers `value` until `ends`, or until newer entries displace it.
    pub(crate) fn put(&self, digest: Digest, value: V, ends: Instant) {
        self.shard(&digest)
            .insert(digest, Entry { value, ends }, self.generation);
    }

    /// A digest's first byte is as good as random.
    fn shard(&self, digest: &Digest) -> MutexGuard<'_, Shard<V>> {
        let shard = &self.shards[usize::from(digest[0]) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Shard<V> {
    fn insert(&mut self, digest: Digest, entry: Entry<V>, generation: usize) {
        if self.young.len() >= generation && !self.young.contains_key(&digest) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest, entry);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn name(number: u16) -> Digest {
        let mut digest = Digest::default();
        digest[1..3].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn an_entry_that_ended_is_not_found() {
        let cache = Cache::new(64);
        let now = Instant::now();
        cache.put(name(1), "over", now);
        cache.put(name(2), "valid", now + Duration::from_mins(1));
        assert_eq!(cache.get(&name(1)), None);
        assert_eq!(cache.get(&name(2)), Some("valid"));
    }

    #[test]
    fn what_is_used_stays_and_the_rest_is_forgotten_in_bounded_space() {
        let cache = Cache::new(SHARDS * 8);
        let ends = Instant::now() + Duration::from_mins(1);
        cache.put(name(0), 0, ends);
        for number in 1..1000 {
            cache.put(name(number), number, ends);
            assert_eq!(cache.get(&name(0)), Some(0), "used after {number} others");
        }
        let kept = (1..1000)
            .filter(|number| cache.get(&name(*number)).is_some())
            .count();
        assert!(kept <= 8, "{kept} of one shard's entries were kept");
        assert_eq!(cache.get(&name(1)), None);
    }
}
