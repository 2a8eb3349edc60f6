//! Few log lines about a dependency that is away: one when it goes, one a minute while it is away, one when it is back.
//! Whatever else fails meanwhile is counted.

use std::collections::BTreeSet;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The pause between two lines about an outage that lasts.
const EVERY: Duration = Duration::from_mins(1);

/// The failures of one dependency, as its users in this process see them. Each user is a number; the outage ends when the
/// last of them has got an answer again.
#[derive(Debug, Default)]
pub struct Outage(Mutex<Option<Running>>);

/// What has happened in an outage so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// How long it has lasted.
    pub lasted: Duration,
    /// The failures since its begin.
    pub failures: u64,
}

/// What a caller should log about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The dependency was there before.
    Began,
    /// It is still away, and the last line is a minute old.
    Lasts(Past),
}

#[derive(Debug)]
struct Running {
    began: Instant,
    said: Instant,
    failures: u64,
    users: BTreeSet<i16>,
}

impl Running {
    fn past(&self) -> Past {
        Past {
            lasted: self.began.elapsed(),
            failures: self.failures,
        }
    }
}

impl Outage {
    /// A user's call has failed; returns what is to be logged, if anything.
    pub fn failed(&self, user: i16) -> Option<News> {
        let mut state = self.0.lock();
        let Some(running) = state.as_mut() else {
            let now = Instant::now();
            *state = Some(Running {
                began: now,
                said: now,
                failures: 1,
                users: BTreeSet::from([user]),
            });
            return Some(News::Began);
        };
        running.failures += 1;
        running.users.insert(user);
        if running.said.elapsed() < EVERY {
            return None;
        }
        running.said = Instant::now();
        Some(News::Lasts(running.past()))
    }

    /// A user's call was answered; returns the outage that ends with it, if one does.
    pub fn answered(&self, user: i16) -> Option<Past> {
        let mut state = self.0.lock();
        let running = state.as_mut()?;
        running.users.remove(&user);
        if !running.users.is_empty() {
            return None;
        }
        state.take().map(|running| running.past())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::{EVERY, News, Outage, Past};

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_told_at_its_begin_once_a_minute_and_at_its_end() {
        let outage = Outage::default();
        assert_eq!(outage.answered(0), None, "nothing was away");
        assert_eq!(outage.failed(0), Some(News::Began));
        for _ in 0..100 {
            assert_eq!(outage.failed(1), None);
        }
        advance(EVERY).await;
        let past = |failures| Past {
            lasted: EVERY,
            failures,
        };
        assert_eq!(outage.failed(1), Some(News::Lasts(past(102))));
        assert_eq!(outage.failed(1), None);
        assert_eq!(outage.answered(0), None, "it is still away for the other");
        assert_eq!(outage.answered(1), Some(past(103)));
        assert_eq!(outage.failed(1), Some(News::Began));
    }
}
