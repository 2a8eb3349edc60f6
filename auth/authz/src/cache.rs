//! A bounded cache of facts about secrets, each with an end.

use std::time::Instant;

use crate::Digest;

/// Facts by the digest of their secret. When the cache is full, an entry that is seldom used gives way.
#[derive(Debug)]
pub(crate) struct Cache<V>(quick_cache::sync::Cache<Digest, Entry<V>>);

#[derive(Clone, Debug)]
struct Entry<V> {
    value: V,
    ends: Instant,
}

impl<V: Clone> Cache<V> {
    /// An empty cache of at most `capacity` entries.
    pub(crate) fn new(capacity: usize) -> Self {
        Self(quick_cache::sync::Cache::new(capacity))
    }

    /// The value of this digest, unless it has ended.
    pub(crate) fn get(&self, digest: &Digest) -> Option<V> {
        let entry = self.0.get(digest)?;
        (entry.ends > Instant::now()).then_some(entry.value)
    }

    /// Keeps `value` until `ends`, or until other entries need its place.
    pub(crate) fn put(&self, digest: Digest, value: V, ends: Instant) {
        self.0.insert(digest, Entry { value, ends });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn name(number: u16) -> Digest {
        crate::digest(&number.to_string())
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
        let cache = Cache::new(128);
        let ends = Instant::now() + Duration::from_mins(1);
        cache.put(name(0), 0, ends);
        for number in 1..10_000 {
            cache.put(name(number), number, ends);
            assert_eq!(cache.get(&name(0)), Some(0), "used after {number} others");
        }
        let kept = (0..10_000)
            .filter(|number| cache.get(&name(*number)).is_some())
            .count();
        assert!(kept <= 128, "{kept} entries were kept");
    }
}
