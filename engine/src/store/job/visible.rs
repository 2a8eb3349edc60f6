//! The states of a job as operators see them.

use std::fmt;
use std::str::FromStr;

/// A state: that of the row, except that a queued or running job is `unknown` while its call may or may not have been
/// executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It waits until it is due.
    Queued,
    /// A worker has its lease.
    Running,
    /// Its call may or may not have been executed; the worker asks Stripe until it knows.
    Unknown,
    /// It is over.
    Done,
    /// It needs an operator.
    Dead,
}

/// A state that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a state of a job is one of queued, running, unknown, done, dead")]
pub struct UnknownState;

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Unknown,
        Self::Done,
        Self::Dead,
    ];

    /// The name, as it is shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Unknown => "unknown",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, UnknownState> {
        let state = Self::ALL.into_iter().find(|state| state.as_str() == name);
        state.ok_or(UnknownState)
    }
}
