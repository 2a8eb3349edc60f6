//! The circuit breaker of one processor: a storm of failures closes the door for a while, one probe opens it again.
//!
//! It is a pure state machine behind a lock: every method takes the time as an argument.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Seconds over which outcomes are counted.
const WINDOW_SECONDS: usize = 10;

/// Fewer outcomes than this in the window prove nothing.
const ENOUGH: u32 = 20;

/// The breaker opens when this share of the outcomes in the window failed. High, so that a processor that fails one call in two is still used: jobs back off one by one.
const STORM_PERCENT: u32 = 60;

/// The first pause; each failed probe doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two probes.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long the others wait while one call probes.
const PROBE_PAUSE: Duration = Duration::from_millis(100);

/// What the breaker lets through now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Every call goes out.
    Closed,
    /// No call goes out before this moment.
    Open {
        /// When the first probe may go.
        until: Instant,
    },
    /// The pause is over: one call at a time goes out as a probe, and its outcome decides.
    HalfOpen,
}

/// The refusal of an open breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paused {
    /// When to ask again.
    pub until: Instant,
}

/// What one finished call says about the health of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answered; a refusal of the request is an answer.
    Well,
    /// 429, 5xx, no connection, no answer in time.
    Ill {
        /// The wait that the processor asked for.
        retry_after: Option<Duration>,
    },
    /// Nothing to conclude: a connection cut in the middle, the replay of a saved error.
    Unclear,
}

/// Permission for one call; it must be reported back, and counts as [`Health::Unclear`] when it is dropped instead.
#[derive(Debug)]
pub struct Pass<'a> {
    breaker: &'a Breaker,
    probe: bool,
    reported: bool,
}

impl Pass<'_> {
    /// Reports how the call went.
    pub fn report(mut self, health: Health, now: Instant) {
        self.reported = true;
        self.breaker.settle(self.probe, health, now);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.reported {
            self.breaker
                .settle(self.probe, Health::Unclear, Instant::now());
        }
    }
}

/// Counts outcomes and opens in a storm.
#[derive(Debug)]
pub struct Breaker {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    pause: Duration,
    origin: Instant,
    slots: [Slot; WINDOW_SECONDS],
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen { probing: bool },
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    second: u64,
    calls: u32,
    failures: u32,
}

impl Breaker {
    /// Makes a closed breaker that has seen nothing.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            inner: Mutex::new(Inner {
                phase: Phase::Closed,
                pause: FIRST_PAUSE,
                origin: now,
                slots: [Slot::default(); WINDOW_SECONDS],
            }),
        }
    }

    /// Says what the breaker lets through, without asking for a pass.
    pub fn state(&self, now: Instant) -> State {
        match self.lock().phase {
            Phase::Closed => State::Closed,
            Phase::Open { until } if now < until => State::Open { until },
            Phase::Open { .. } | Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// Says whether a call would get a pass, without taking one.
    ///
    /// # Errors
    /// [`Paused`] as [`Breaker::admit`].
    pub fn ready(&self, now: Instant) -> Result<(), Paused> {
        self.lock().paused(now).map_or(Ok(()), Err)
    }

    /// Gives a pass for one call.
    ///
    /// # Errors
    /// [`Paused`] while the breaker is open, and while another call is probing.
    pub fn admit(&self, now: Instant) -> Result<Pass<'_>, Paused> {
        let mut inner = self.lock();
        if let Some(paused) = inner.paused(now) {
            return Err(paused);
        }
        let probe = !matches!(inner.phase, Phase::Closed);
        if probe {
            inner.phase = Phase::HalfOpen { probing: true };
        }
        Ok(Pass {
            breaker: self,
            probe,
            reported: false,
        })
    }

    fn settle(&self, probe: bool, health: Health, now: Instant) {
        let mut inner = self.lock();
        match inner.phase {
            Phase::Closed => inner.count(health, now),
            Phase::HalfOpen { .. } if probe => inner.judge(health, now),
            // Calls that left before the storm was noticed come back late: their outcome is already counted in it.
            Phase::Open { .. } | Phase::HalfOpen { .. } => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn paused(&self, now: Instant) -> Option<Paused> {
        match self.phase {
            Phase::Open { until } if now < until => Some(Paused { until }),
            Phase::HalfOpen { probing: true } => Some(Paused {
                until: now + PROBE_PAUSE,
            }),
            Phase::Closed | Phase::Open { .. } | Phase::HalfOpen { probing: false } => None,
        }
    }

    fn count(&mut self, health: Health, now: Instant) {
        let failed = match health {
            Health::Unclear => return,
            Health::Well => 0,
            Health::Ill { .. } => 1,
        };
        let second = now.saturating_duration_since(self.origin).as_secs();
        let width = WINDOW_SECONDS as u64;
        if let Some(slot) = usize::try_from(second % width)
            .ok()
            .and_then(|index| self.slots.get_mut(index))
        {
            if slot.second != second {
                *slot = Slot {
                    second,
                    ..Slot::default()
                };
            }
            slot.calls += 1;
            slot.failures += failed;
        }
        let (calls, failures) = self
            .slots
            .iter()
            .filter(|slot| slot.second + width > second)
            .fold((0, 0), |(calls, failures), slot| {
                (calls + slot.calls, failures + slot.failures)
            });
        if calls >= ENOUGH && failures * 100 >= calls * STORM_PERCENT {
            self.open(health, now);
            tracing::warn!(
                calls,
                failures,
                pause_ms = self.pause.as_millis(),
                "the processor fails most calls: its circuit breaker is open and the queue pauses"
            );
        }
    }

    fn judge(&mut self, health: Health, now: Instant) {
        match health {
            Health::Well => {
                self.phase = Phase::Closed;
                self.pause = FIRST_PAUSE;
                self.slots = [Slot::default(); WINDOW_SECONDS];
                tracing::info!("the processor answers again: its circuit breaker is closed");
            }
            Health::Unclear => self.phase = Phase::HalfOpen { probing: false },
            Health::Ill { .. } => {
                self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
                self.open(health, now);
            }
        }
    }

    fn open(&mut self, health: Health, now: Instant) {
        let asked = match health {
            Health::Ill {
                retry_after: Some(asked),
            } => asked.min(LONGEST_PAUSE),
            _ => Duration::ZERO,
        };
        self.phase = Phase::Open {
            until: now + self.pause.max(asked),
        };
    }
}
