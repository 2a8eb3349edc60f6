//! The book of a load: which payments are on their way, and how long each step took.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use hdrhistogram::Histogram;
use tokio::sync::Semaphore;

/// What a payment is called on the wire, without its prefix.
pub(crate) type Name = [u8; 26];

/// The longest latency that is told apart from longer ones.
const LONGEST: Duration = Duration::from_mins(2);

/// One end of a payment's way was seen; the answer to POST and the news from Kafka may come in either order.
#[derive(Debug, Clone, Copy)]
enum Seen {
    Posted(Instant),
    Done(Instant),
}

/// What was measured between two moments.
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

/// The book. The load writes what it posts, the watch on Kafka writes what is done.
pub(crate) struct Board {
    inner: Mutex<Inner>,
    /// One for each payment that may still be sent before another one is done.
    pub(crate) permits: Semaphore,
}

impl Board {
    /// A book for at most so many payments in flight.
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

    /// A request goes out.
    pub(crate) fn send(&self) {
        self.inner().sent += 1;
    }

    /// Its answer came.
    pub(crate) fn posted(&self, name: Name, started: Instant) {
        let now = Instant::now();
        let inner = &mut *self.inner();
        record(&mut inner.window.post_latency, now - started);
        match inner.seen.remove(&name) {
            Some(Seen::Done(at)) => self.complete(inner, started, at),
            _ => {
                inner.seen.insert(name, Seen::Posted(started));
            }
        }
    }

    /// Kafka says that the payment succeeded. It may say so twice.
    pub(crate) fn succeeded(&self, name: Name) {
        let now = Instant::now();
        let inner = &mut *self.inner();
        match inner.seen.remove(&name) {
            Some(Seen::Posted(started)) => self.complete(inner, started, now),
            _ => {
                inner.seen.insert(name, Seen::Done(now));
            }
        }
    }

    /// Forgets what was measured so far and gives it back; the next window begins.
    pub(crate) fn turn(&self) -> Result<Window> {
        let fresh = Window::new()?;
        Ok(mem::replace(&mut self.inner().window, fresh))
    }

    /// How many payments were sent, and how many of them are done.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let inner = self.inner();
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

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn news_that_comes_twice_counts_once() {
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
