//! The tasks that wait for their time, which is a time of the simulator's own clock.

use std::collections::BTreeMap;
use std::time::Duration;

/// Where a task waits: the earliest comes first, and of those at the same time the one that was added first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// When it is due, in milliseconds since the epoch.
    pub(crate) due: i64,
    number: u64,
}

/// The tasks that wait.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    waiting: BTreeMap<Place, Task>,
    next: u64,
}

impl Timers {
    /// Adds a task that is due at `due`, in milliseconds since the epoch.
    pub(crate) fn add(&mut self, due: i64, task: Task) -> Place {
        let place = Place {
            due,
            number: self.next,
        };
        self.next += 1;
        self.waiting.insert(place, task);
        place
    }

    /// Takes the task of `place`; none where it was taken before.
    pub(crate) fn take(&mut self, place: Place) -> Option<Task> {
        self.waiting.remove(&place)
    }

    /// Takes the first task that is due at `until` or before, with its time.
    pub(crate) fn take_due(&mut self, until: i64) -> Option<(i64, Task)> {
        let entry = self.waiting.first_entry()?;
        let due = entry.key().due;
        (due <= until).then(|| (due, entry.remove()))
    }

    /// Where tasks wait, the earliest first.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> {
        self.waiting.keys().copied()
    }
}

/// A look at a timer whose time will have come by then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wake {
    /// How much later.
    pub(crate) after: Duration,
    /// The timer.
    pub(crate) place: Place,
}

/// The task of a timer.
#[derive(Debug)]
pub(crate) enum Task {
    /// The bank answers about the charge of this intent.
    SettleIntent(String),
    /// Stripe shows the latest charge of this intent.
    ShowCharge(String),
    /// The bank answers about this refund.
    SettleRefund(String),
    /// What the payment method of this charge leads to happens.
    FollowUp(String),
    /// The bank decides this dispute, as its evidence asks.
    DecideDispute(String),
    /// The authorization of this intent expires.
    ExpireAuthorization(String),
    /// The time for evidence of this dispute passes.
    LapseDispute(String),
}
