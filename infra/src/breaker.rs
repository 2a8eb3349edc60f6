//! Spares callers a Redis that does not answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How long Redis is left alone after a failure.
const REST: Duration = Duration::from_secs(1);
/// How long one caller has to find out whether Redis is back, before another one tries.
const TRIAL: Duration = Duration::from_millis(300);

/// Open after any failure; then one caller at a time tries again.
#[derive(Debug)]
pub struct Breaker {
    start: Instant,
    /// Milliseconds after `start` until which nobody is let through; 0 while all is well.
    until: AtomicU64,
}

impl Breaker {
    /// One that lets everybody through.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            until: AtomicU64::new(0),
        }
    }

    /// Whether the caller may ask Redis. Each such caller must [`Breaker::note`] what came of it, or be the only one
    /// for a moment.
    pub fn lets_through(&self) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        if until == 0 {
            return true;
        }
        self.moment(Duration::ZERO) >= until
            && self
                .until
                .compare_exchange(
                    until,
                    self.moment(TRIAL),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// What came of asking.
    pub fn note(&self, answered: bool) {
        let until = if answered { 0 } else { self.moment(REST) };
        // A plain load first: the healthy path must not share a written cache line between all readers.
        if self.until.load(Ordering::Relaxed) != until {
            self.until.store(until, Ordering::Relaxed);
        }
    }

    /// Now and `later`, in milliseconds, never 0.
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

    use super::{Breaker, REST, TRIAL};

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_one_caller_at_a_time_tries_again() {
        let breaker = Breaker::new();
        advance(REST).await;
        assert!(breaker.lets_through());
        breaker.note(false);
        assert!(!breaker.lets_through());
        advance(REST).await;
        assert!(breaker.lets_through(), "one tries");
        assert!(!breaker.lets_through(), "and no other with it");
        advance(TRIAL).await;
        assert!(breaker.lets_through(), "the first one never came back");
        breaker.note(true);
        assert!(breaker.lets_through());
        assert!(breaker.lets_through());
    }
}
