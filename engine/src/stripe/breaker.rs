//! The circuit breaker for Stripe: it opens when most calls fail, or when Stripe refuses the API key, and holds back all calls
//! for a while; then single calls probe Stripe, and the first that succeeds closes it.
//!
//! It is a pure state machine behind a lock: every method takes the time as an argument.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Seconds over which outcomes are counted.
const WINDOW_SECONDS: usize = 10;

/// With fewer outcomes than this in the window, the breaker stays closed.
const MINIMUM_CALLS: u32 = 20;

/// The breaker opens when at least this share of the calls in the window failed. It is high, so that Stripe is still called
/// while one call in two fails: jobs back off one by one.
const FAILURE_PERCENT: u32 = 60;

/// The first pause; each failed probe doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two probes.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long other calls wait while one call probes.
const PROBE_PAUSE: Duration = Duration::from_millis(100);

/// The state of the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Every call is sent.
    Closed,
    /// No call is sent before this moment.
    Open {
        /// When the first probe may be sent.
        until: Instant,
    },
    /// The pause is over: one call at a time is sent as a probe, and its outcome decides.
    HalfOpen,
}

/// The refusal of an open breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paused {
    /// When to try again.
    pub until: Instant,
}

/// What one finished call shows about Stripe's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answered; a refusal of the request is an answer.
    Healthy,
    /// It answered 429 or 5xx, or there was no connection or no answer in time.
    Failing {
        /// The wait that Stripe asked for.
        retry_after: Option<Duration>,
    },
    /// It refused the API key: no call can succeed.
    KeyRefused,
    /// Nothing: the connection broke in the middle, or a saved error was replayed.
    Unclear,
}

/// Permission for one call. Its outcome must be reported; a dropped pass counts as [`Health::Unclear`].
#[derive(Debug)]
pub struct Pass<'a> {
    breaker: &'a Breaker,
    probe: bool,
    reported: bool,
}

impl Pass<'_> {
    /// Reports the outcome of the call.
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

/// The circuit breaker.
#[derive(Debug)]
pub struct Breaker {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    /// Whether the last answer refused the API key.
    key_refused: bool,
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
    /// A closed breaker without outcomes.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            inner: Mutex::new(Inner {
                phase: Phase::Closed,
                key_refused: false,
                pause: FIRST_PAUSE,
                origin: now,
                slots: [Slot::default(); WINDOW_SECONDS],
            }),
        }
    }

    /// The state of the breaker.
    pub fn state(&self, now: Instant) -> State {
        match self.inner.lock().phase {
            Phase::Closed => State::Closed,
            Phase::Open { until } if now < until => State::Open { until },
            Phase::Open { .. } | Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// Whether it is open because Stripe refuses the API key.
    pub fn key_refused(&self) -> bool {
        self.inner.lock().key_refused
    }

    /// Checks whether [`Breaker::admit`] would give a pass.
    ///
    /// # Errors
    /// [`Paused`], as for [`Breaker::admit`].
    pub fn ready(&self, now: Instant) -> Result<(), Paused> {
        self.inner.lock().paused(now).map_or(Ok(()), Err)
    }

    /// Returns a pass for one call.
    ///
    /// # Errors
    /// [`Paused`] while the breaker is open, and while another call is probing.
    pub fn admit(&self, now: Instant) -> Result<Pass<'_>, Paused> {
        let mut inner = self.inner.lock();
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
        let mut inner = self.inner.lock();
        match inner.phase {
            Phase::Closed => inner.count(health, now),
            Phase::HalfOpen { .. } if probe => inner.settle_probe(health, now),
            // A call that was sent before the breaker opened: its outcome no longer matters.
            Phase::Open { .. } | Phase::HalfOpen { .. } => {}
        }
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
            Health::KeyRefused => return self.refuse_key(now),
            Health::Healthy => 0,
            Health::Failing { .. } => 1,
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
        if calls >= MINIMUM_CALLS && failures * 100 >= calls * FAILURE_PERCENT {
            self.open(health, now);
            tracing::warn!(
                calls,
                failures,
                pause_ms = self.pause.as_millis(),
                "most calls to Stripe failed; the circuit breaker is open and jobs wait until a probe succeeds"
            );
        }
    }

    fn settle_probe(&mut self, health: Health, now: Instant) {
        match health {
            Health::Healthy => {
                self.phase = Phase::Closed;
                self.pause = FIRST_PAUSE;
                self.slots = [Slot::default(); WINDOW_SECONDS];
                self.key_refused = false;
                tracing::info!("Stripe answers again; the circuit breaker is closed");
            }
            Health::Unclear => self.phase = Phase::HalfOpen { probing: false },
            Health::KeyRefused => {
                self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
                self.refuse_key(now);
            }
            Health::Failing { .. } => {
                self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
                self.open(health, now);
            }
        }
    }

    /// One answer is enough: every other call would get the same.
    fn refuse_key(&mut self, now: Instant) {
        if !self.key_refused {
            tracing::error!(
                "Stripe refuses the key in STRIPE_API_KEY (401); all calls wait, and one at a time tries again until the key is right"
            );
        }
        self.key_refused = true;
        self.open(Health::KeyRefused, now);
    }

    fn open(&mut self, health: Health, now: Instant) {
        let requested = match health {
            Health::Failing {
                retry_after: Some(requested),
            } => requested.min(LONGEST_PAUSE),
            _ => Duration::ZERO,
        };
        self.phase = Phase::Open {
            until: now + self.pause.max(requested),
        };
    }
}
