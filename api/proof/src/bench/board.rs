//! The records of a load: the payments in flight, and the latency of each step.

use std::collections::HashMap;
use std::mem;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// A payment's id without its prefix.
pub(crate) type Name = [u8; 26];

/// The longest latency that is recorded; a longer one counts as this one.
const LONGEST: Duration = Duration::from_mins(2);

/// The first of two observations of a payment: the answer to POST and the message on Kafka come in either order.
#[derive(Debug, Clone, Copy)]
enum Seen {
    Posted(Instant),
    Done(Instant),
}

/// The measurements between two calls of [`Board::turn`].
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) done: u64,
    pub(crate) post_latency: Histogram<u64>,
    pub(crate) done_latency: Histogram<u64>,
}

impl Window {
    fn new() -> Result<Window> {
        let longest = u64::try_from(LONGEST.as_micros())?;
        let histogram =
            || Histogram::new_with_bounds(1, longest, 3).map_err(|error| anyhow!("{error:?}"));
        Ok(Window {
            done: 0,
            post_latency: histogram()?,
            done_latency: histogram()?,
        })
    }
}

struct Inner {
    seen: HashMap<Name, Seen>,
    sent: u64,
    done: u64,
    window: Window,
}

/// The records. The load writes the payments it posts, the watch on Kafka the payments that succeeded.
pub(crate) struct Board {
    inner: Mutex<Inner>,
    /// One for each payment that may be sent before another one succeeds.
    pub(crate) permits: Semaphore,
}

impl Board {
    /// Empty records for at most so many payments in flight.
    pub(crate) fn new(in_flight: usize) -> Result<Board> {
        let inner = Inner {
            seen: HashMap::new(),
            sent: 0,
            done: 0,
            window: Window::new()?,
        };
        Ok(Board {
            inner: Mutex::new(inner),
            permits: Semaphore::new(in_flight),
        })
    }

    /// Counts a request that is sent.
    pub(crate) fn send(&self) {
        self.inner.lock().sent += 1;
    }

    /// Records the answer to a POST.
    pub(crate) fn posted(&self, name: Name, started: Instant) {
        let now = Instant::now();
        let inner = &mut *self.inner.lock();
        record(&mut inner.window.post_latency, now - started);
        match inner.seen.remove(&name) {
            Some(Seen::Done(at)) => self.complete(inner, started, at),
            _ => {
                inner.seen.insert(name, Seen::Posted(started));
            }
        }
    }

    /// Records the message that the payment succeeded, which Kafka may deliver twice.
    pub(crate) fn succeeded(&self, name: Name) {
        let now = Instant::now();
        let inner = &mut *self.inner.lock();
        match inner.seen.remove(&name) {
            Some(Seen::Posted(started)) => self.complete(inner, started, now),
            _ => {
                inner.seen.insert(name, Seen::Done(now));
            }
        }
    }

    /// Returns the measurements so far and begins the next window.
    pub(crate) fn turn(&self) -> Result<Window> {
        let fresh = Window::new()?;
        Ok(mem::replace(&mut self.inner.lock().window, fresh))
    }

    /// How many payments were sent, and how many of them are done.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let inner = self.inner.lock();
        (inner.sent, inner.done)
    }

    fn complete(&self, inner: &mut Inner, started: Instant, done: Instant) {
        inner.done += 1;
        inner.window.done += 1;
        record(
            &mut inner.window.done_latency,
            done.saturating_duration_since(started),
        );
        self.permits.add_permits(1);
    }
}

fn record(histogram: &mut Histogram<u64>, latency: Duration) {
    histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_is_done_once_both_ends_were_seen_in_either_order() {
        let board = Board::new(0).unwrap();
        let started = Instant::now();
        board.send();
        board.posted([1; 26], started);
        assert_eq!(board.counts(), (1, 0));
        board.succeeded([1; 26]);
        assert_eq!(board.counts(), (1, 1));
        board.send();
        board.succeeded([2; 26]);
        board.posted([2; 26], started);
        assert_eq!(board.counts(), (2, 2));
        assert_eq!(board.permits.available_permits(), 2);
    }

    #[test]
    fn a_message_that_comes_twice_counts_once() {
        let board = Board::new(0).unwrap();
        board.posted([1; 26], Instant::now());
        board.succeeded([1; 26]);
        board.succeeded([1; 26]);
        assert_eq!(board.counts().1, 1);
    }

    #[test]
    fn a_window_holds_what_came_since_the_one_before() {
        let board = Board::new(0).unwrap();
        board.posted([1; 26], Instant::now());
        board.succeeded([1; 26]);
        assert_eq!(board.turn().unwrap().done, 1);
        let empty = board.turn().unwrap();
        assert_eq!((empty.done, empty.post_latency.len()), (0, 0));
    }
}
