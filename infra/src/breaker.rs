//! A circuit breaker for Redis: while it does not answer, callers fail at once instead of waiting for a timeout.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How long no call is allowed after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one caller may probe Redis before another one is allowed.
const PROBE: Duration = Duration::from_millis(300);

/// Opens at any failure; then one caller at a time probes Redis, until one succeeds.
#[derive(Debug)]
pub struct Breaker {
    start: Instant,
    /// Milliseconds after `start` until which no call is allowed; 0 while Redis answers.
    until: AtomicU64,
}

impl Breaker {
    /// A closed breaker: it allows every call.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            until: AtomicU64::new(0),
        }
    }

    /// Whether the caller may call Redis. It must [`Breaker::record`] the result; until it does, a probe blocks others for
    /// 300 ms.
    pub fn allows_call(&self) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        if until == 0 {
            return true;
        }
        self.moment(Duration::ZERO) >= until
            && self
                .until
                .compare_exchange(
                    until,
                    self.moment(PROBE),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// Records the result of an allowed call.
    pub fn record(&self, answered: bool) {
        let until = if answered { 0 } else { self.moment(PAUSE) };
        // A load first: while Redis answers, no caller writes the cache line that all callers read.
        if self.until.load(Ordering::Relaxed) != until {
            self.until.store(until, Ordering::Relaxed);
        }
    }

    /// The time `later` from now, in milliseconds after `start`, never 0.
    fn moment(&self, later: Duration) -> u64 {
        let elapsed = self.start.elapsed().saturating_add(later).as_millis();
        u64::try_from(elapsed).unwrap_or(u64::MAX).max(1)
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::{Breaker, PAUSE, PROBE};

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_one_caller_at_a_time_probes() {
        let breaker = Breaker::new();
        advance(PAUSE).await;
        assert!(breaker.allows_call());
        breaker.record(false);
        assert!(!breaker.allows_call());
        advance(PAUSE).await;
        assert!(breaker.allows_call(), "one caller probes");
        assert!(!breaker.allows_call(), "and no other at the same time");
        advance(PROBE).await;
        assert!(
            breaker.allows_call(),
            "the first one never recorded a result"
        );
        breaker.record(true);
        assert!(breaker.allows_call());
        assert!(breaker.allows_call());
    }
}
