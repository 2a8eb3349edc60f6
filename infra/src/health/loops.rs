//! The loops of a service, and whether one of them stands still.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// A round that lasts longer than this makes the process unready. It is longer than any bounded wait for Postgres.
pub const ROUND_LIMIT: Duration = Duration::from_secs(10);

/// The loops of one service. Cheap to clone; clones share their loops.
#[derive(Clone, Debug, Default)]
pub struct Loops(Arc<Mutex<Vec<Arc<State>>>>);

/// One loop, which does its work in rounds and may pause between them for as long as it likes.
#[derive(Clone, Debug)]
pub struct Loop(Arc<State>);

/// A round that runs; it ends when this value is dropped.
#[derive(Debug)]
pub struct Round<'a>(&'a State);

#[derive(Debug)]
struct State {
    name: &'static str,
    start: Instant,
    /// Milliseconds after `start` at which the round began that runs now; 0 between two rounds.
    since: AtomicU64,
    /// Why it cannot go on, if it has said so.
    blocked: Mutex<Option<String>>,
}

impl Loops {
    /// Adds a loop. Its name says in [`Loops::stalled`] which one stands still.
    #[must_use]
    pub fn add(&self, name: &'static str) -> Loop {
        let state = Arc::new(State {
            name,
            start: Instant::now(),
            since: AtomicU64::new(0),
            blocked: Mutex::default(),
        });
        self.0.lock().push(Arc::clone(&state));
        Loop(state)
    }

    /// Checks that each loop has finished its round in [`ROUND_LIMIT`], and that none is [blocked](Loop::block).
    ///
    /// # Errors
    /// A sentence that names the loops that have not, or are.
    pub fn stalled(&self) -> Result<(), String> {
        let loops = self.0.lock();
        let stalled: Vec<String> = loops
            .iter()
            .filter_map(|state| Some((state.name, state.running()?)))
            .filter(|(_, running)| *running > ROUND_LIMIT)
            .map(|(name, running)| format!("{name} for {} s", running.as_secs()))
            .collect();
        let mut reasons: Vec<String> = loops
            .iter()
            .filter_map(|state| Some(format!("{}: {}", state.name, state.blocked.lock().clone()?)))
            .collect();
        if !stalled.is_empty() {
            reasons.push(format!(
                "not finished: {}; see the log for what is waited for",
                stalled.join(", ")
            ));
        }
        if reasons.is_empty() {
            return Ok(());
        }
        Err(reasons.join("; "))
    }
}

impl Loop {
    /// Begins a round.
    #[must_use]
    pub fn round(&self) -> Round<'_> {
        self.0.since.store(self.0.now(), Ordering::Relaxed);
        Round(&self.0)
    }

    /// Says that the loop cannot go on until somebody acts, and what must be done. The process is unready until
    /// [`Loop::unblock`].
    pub fn block(&self, reason: String) {
        *self.0.blocked.lock() = Some(reason);
    }

    /// Says that the loop goes on.
    pub fn unblock(&self) {
        *self.0.blocked.lock() = None;
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.0.since.store(0, Ordering::Relaxed);
    }
}

impl State {
    /// How long the round that runs now has lasted.
    fn running(&self) -> Option<Duration> {
        let since = self.since.load(Ordering::Relaxed);
        (since > 0).then(|| Duration::from_millis(self.now().saturating_sub(since)))
    }

    /// Milliseconds after `start`, never 0.
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Loops, ROUND_LIMIT};

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_does_not_finish_its_round_is_named_until_it_does() {
        let loops = Loops::default();
        let (one, other) = (loops.add("inbox"), loops.add("sweeper"));
        drop(other.round());
        let round = one.round();
        tokio::time::advance(ROUND_LIMIT).await;
        assert_eq!(loops.stalled(), Ok(()));
        tokio::time::advance(Duration::from_millis(1500)).await;
        let stalled = loops.stalled().unwrap_err();
        assert!(stalled.contains("inbox for 11 s"), "{stalled}");
        assert!(
            !stalled.contains("sweeper"),
            "a pause is no round: {stalled}"
        );
        drop(round);
        assert_eq!(loops.stalled(), Ok(()));
    }

    #[test]
    fn a_blocked_loop_is_named_with_its_reason_until_it_goes_on() {
        let loops = Loops::default();
        let relay = loops.add("relay");
        relay.block("row 7 cannot be read".to_owned());
        drop(relay.round());
        assert_eq!(
            loops.stalled(),
            Err("relay: row 7 cannot be read".to_owned())
        );
        relay.unblock();
        assert_eq!(loops.stalled(), Ok(()));
    }
}
