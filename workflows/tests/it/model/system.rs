//! The system that is explored: our database, two workers, the network, and Stripe.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write;
use std::hash::{Hash, Hasher};

use uuid::Uuid;
use workflows::payment::{CaptureMethod, Payment};
use workflows::stream;
use workflows::stream::{Effect, Event, RefundReport};

use crate::played::Played;
use crate::processor::Stripe;
use crate::samples::payment;

/// How often each thing may happen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    /// Confirmations that the client asks for.
    pub(super) confirms: u8,
    /// Cancels that the client asks for.
    pub(super) cancels: u8,
    /// Captures that the client asks for.
    pub(super) captures: u8,
    /// Refunds that the client asks for.
    pub(super) refunds: u8,
    /// Moves that Stripe or the customer makes alone.
    pub(super) progress: u8,
    /// Processes that die.
    pub(super) crashes: u8,
    /// Answers and webhooks that are lost.
    pub(super) losses: u8,
    /// Webhooks that arrive once more.
    pub(super) duplicates: u8,
    /// Leases that end while their worker is still alive.
    pub(super) pauses: u8,
    /// Whether the payment is captured by hand.
    pub(super) manual: bool,
}

impl Bounds {
    /// The same payment when nothing is asked for and nothing goes wrong any more.
    pub(super) const fn nothing(self) -> Self {
        Self {
            confirms: 0,
            cancels: 0,
            captures: 0,
            refunds: 0,
            progress: 0,
            crashes: 0,
            losses: 0,
            duplicates: 0,
            pauses: 0,
            manual: self.manual,
        }
    }
}

/// A fault that is put into the system on purpose, so that the search proves that it would find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A call that is made again gets a new idempotency key.
    NewKeyOnRetry,
    /// A worker whose lease has ended may still finish its job.
    NoLeaseCheck,
    /// A webhook is marked as seen before its effect is written.
    MarkedBeforeApplied,
}

/// A job of ours.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    pub(super) number: u8,
    pub(super) effect: Effect,
    /// The idempotency key of its call.
    pub(super) key: u8,
    /// The lease that may finish it.
    pub(super) lease: Option<u8>,
}

/// What a worker is doing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Work {
    /// Nothing.
    Idle,
    /// It has claimed a job, and has not called Stripe.
    Claimed { job: u8, lease: u8 },
    /// It has Stripe's answer, and has not written it.
    Answered {
        job: u8,
        lease: u8,
        answer: Box<Event>,
    },
}

/// Everything there is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct System {
    pub(super) played: Played,
    pub(super) stripe: Stripe,
    pub(super) jobs: Vec<Job>,
    pub(super) workers: [Work; 2],
    /// Stripe's saved answers, by idempotency key.
    pub(super) saved: BTreeMap<u8, Event>,
    /// Stripe's objects as a resync read them, and whether the stream has moved since.
    pub(super) snapshot: Option<(Event, bool)>,
    pub(super) left: Bounds,
    pub(super) fault: Option<Fault>,
    pub(super) numbers: u8,
    /// Intents that Stripe created for us.
    pub(super) intents: u8,
    /// The attempts whose confirmation took or held the money at Stripe.
    pub(super) took: Vec<Uuid>,
    /// Whether a worker without a lease changed anything.
    pub(super) unfenced: bool,
    /// Whether an answer or a webhook of Stripe was refused.
    pub(super) refused: bool,
    /// Whether a webhook that we acknowledged is gone without its effect.
    pub(super) forgotten: bool,
}

impl System {
    pub(super) fn new(bounds: Bounds, fault: Option<Fault>) -> Self {
        let method = if bounds.manual {
            CaptureMethod::Manual
        } else {
            CaptureMethod::Automatic
        };
        let new = Payment {
            confirm: true,
            capture_method: method,
            ..payment()
        };
        let step = stream::start(new).unwrap();
        let mut system = Self {
            played: Played::new(step.stream),
            stripe: Stripe::of(bounds.manual),
            jobs: Vec::new(),
            workers: [Work::Idle, Work::Idle],
            saved: BTreeMap::new(),
            snapshot: None,
            left: bounds,
            fault,
            numbers: 0,
            intents: 0,
            took: Vec::new(),
            unfenced: false,
            refused: false,
            forgotten: false,
        };
        system.add_jobs(&step.effects);
        system
    }

    pub(super) fn is(&self, status: &str) -> bool {
        self.played.stream.payment.status.as_str() == status
    }

    /// A number that no other job has.
    fn number(&mut self) -> u8 {
        self.numbers += 1;
        self.numbers
    }

    fn add_jobs(&mut self, effects: &[Effect]) {
        for effect in effects {
            if *effect != Effect::Resync {
                let number = self.number();
                let effect = effect.clone();
                self.jobs.push(Job {
                    number,
                    effect,
                    key: number,
                    lease: None,
                });
            }
        }
    }

    /// Applies an event in one transaction: the stream, its jobs, and the end of the jobs that it supersedes.
    pub(super) fn apply(&mut self, event: &Event) -> bool {
        let before = self.played.stream.payment.open_call;
        let Ok(step) = self.played.play(event) else {
            return false;
        };
        if let Some((_, moved)) = &mut self.snapshot {
            *moved |= !step.transitions.is_empty();
        }
        // The way here must not tell two equal states apart.
        self.played.stream.payment.version = 0;
        self.played.history.clear();
        self.played.asked.clear();
        if before != self.played.stream.payment.open_call {
            self.jobs
                .retain(|job| matches!(job.effect, Effect::CreateRefund { .. }));
        }
        self.add_jobs(&step.effects);
        true
    }

    /// Applies what Stripe says, which must never be refused.
    pub(super) fn report(&mut self, event: &Event) {
        self.refused |= !self.apply(event);
    }

    /// A webhook about a refund waits until its payment's intent is known.
    pub(super) fn can_apply(&self, event: &Event) -> bool {
        let unknown = self.played.stream.payment.intent_id.is_none();
        !(unknown && matches!(event, Event::RefundSeen(RefundReport { answers: None, .. })))
    }
}

/// Two systems are the same state if all their parts print alike.
impl Hash for System {
    fn hash<H: Hasher>(&self, state: &mut H) {
        struct Into<'a, H>(&'a mut H);
        impl<H: Hasher> Write for Into<'_, H> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.write(text.as_bytes());
                Ok(())
            }
        }
        write!(Into(state), "{self:?}").unwrap();
    }
}
