//! Locked streams in memory: events move them through `step` one after another, and the difference is written at the end.

use std::collections::{BTreeSet, HashMap};

use time::OffsetDateTime;
use uuid::Uuid;
use workflows::stream;
use workflows::stream::{Effect, Event, Refusal, Stream};

use super::cause::Cause;
use crate::record::{Change, Record};
use crate::request::{Idempotency, RequestMark};
use crate::store;
use crate::store::{job, transition};

/// The streams of one transaction, and all that was decided about them so far. No I/O happens here.
pub(crate) struct Fold {
    streams: HashMap<Uuid, Held>,
    pub(super) now: OffsetDateTime,
    pub(super) transitions: Vec<transition::New>,
    pub(super) jobs: Vec<job::New>,
    pub(super) resyncs: BTreeSet<Uuid>,
    /// Payments whose open call was closed by another event than its own result; the jobs of those calls are obsolete.
    pub(super) superseded: BTreeSet<Uuid>,
}

/// One stream under its lock.
struct Held {
    record: Record,
    /// The stream as it was locked, once an event has changed it.
    before: Option<Stream>,
}

/// What an event led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// A change of the stream, or a job.
    Changed,
    /// Nothing: the stream reflects the event already.
    Nothing,
}

/// Why an event was not applied.
#[derive(Debug)]
pub(crate) enum NotApplied {
    /// There is no such payment, or this version of the program cannot decode its rows.
    NoPayment,
    /// `step` refused it.
    Refused(Refusal),
}

impl Fold {
    /// The streams as they were locked. All changes get the time `now`.
    pub(crate) fn new(records: HashMap<Uuid, Record>, now: OffsetDateTime) -> Self {
        let held = |record| Held {
            record,
            before: None,
        };
        Self {
            streams: records
                .into_iter()
                .map(|(payment, record)| (payment, held(record)))
                .collect(),
            now,
            transitions: Vec::new(),
            jobs: Vec::new(),
            resyncs: BTreeSet::new(),
            superseded: BTreeSet::new(),
        }
    }

    /// The payment as the events so far have left it.
    pub(crate) fn record(&self, payment: Uuid) -> Option<&Record> {
        self.streams.get(&payment).map(|held| &held.record)
    }

    /// Whether the payment exists and belongs to the account.
    pub(crate) fn is_of(&self, payment: Uuid, account: Uuid) -> bool {
        self.record(payment)
            .is_some_and(|record| record.account == account)
    }

    /// The payment's version, where another one is expected.
    pub(crate) fn newer_than(&self, payment: Uuid, expected: Option<i64>) -> Option<i64> {
        let version = self.record(payment)?.stream.payment.version;
        expected.and_then(|expected| (expected != version).then_some(version))
    }

    /// Puts an event through `step` on the stream as the events before it have left it.
    pub(crate) fn apply(
        &mut self,
        payment: Uuid,
        event: &Event,
        cause: &Cause,
    ) -> Result<Applied, NotApplied> {
        let held = self
            .streams
            .get_mut(&payment)
            .ok_or(NotApplied::NoPayment)?;
        let step = stream::step(&held.record.stream, event).map_err(NotApplied::Refused)?;
        if step.is_empty() {
            return Ok(Applied::Nothing);
        }
        if closes_call(&held.record.stream, &step.stream) && !event.closes_call() {
            self.superseded.insert(payment);
        }
        held.replace(step.stream, self.now);
        let mut facts = store::stream::facts(&held.record.stream);
        cause.note_in(&mut facts);
        for transition in step.transitions {
            self.transitions.push(transition::New {
                stream: payment,
                cause: cause.id.clone(),
                data: facts.clone(),
                moved: store::stream::moved(&transition, &held.record.stream),
                transition,
            });
        }
        for effect in &step.effects {
            match effect {
                Effect::Resync => {
                    self.resyncs.insert(payment);
                }
                effect => self
                    .jobs
                    .push(job::New::from_effect(payment, effect.clone())),
            }
        }
        Ok(Applied::Changed)
    }

    /// Requests a resync of the payment.
    pub(crate) fn resync(&mut self, payment: Uuid) {
        self.resyncs.insert(payment);
    }

    /// How many calls to Stripe the events so far have led to.
    pub(crate) fn calls(&self) -> usize {
        self.jobs.len()
    }

    /// Notes the client's request behind the calls that follow the first `from` ones and make an object at Stripe.
    pub(crate) fn note_request(&mut self, from: usize, idempotency: &Idempotency) {
        let calls = self.jobs[from..].iter_mut();
        for job in calls.filter(|job| matches!(job.effect, Effect::CreateRefund { .. })) {
            job.request = Some(RequestMark::of(idempotency, None));
        }
    }

    /// Leases the calls behind the first `from` ones to the worker that commits this transaction.
    pub(crate) fn lease_calls(&mut self, from: usize) -> Vec<job::Claimed> {
        self.jobs[from..].iter_mut().map(job::New::lease).collect()
    }

    /// The streams that differ from what was locked.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        self.streams.values().filter_map(Held::change)
    }

    /// The transitions so far, in order.
    pub(crate) fn transitions(&self) -> &[transition::New] {
        &self.transitions
    }

    /// The payments that changed, each with whether its version is new.
    pub(crate) fn into_changed(self) -> impl Iterator<Item = (Record, bool)> {
        self.streams.into_values().filter_map(|held| {
            let change = held.change()?;
            let moved = change.before.payment.version < held.record.stream.payment.version;
            Some((held.record, moved))
        })
    }
}

impl Held {
    /// Makes the result of a step the stream that the next event meets.
    fn replace(&mut self, after: Stream, now: OffsetDateTime) {
        if after != self.record.stream {
            self.record.updated_at = now;
        }
        let before = std::mem::replace(&mut self.record.stream, after);
        self.before.get_or_insert(before);
    }

    fn change(&self) -> Option<Change<'_>> {
        let change = Change {
            before: self.before.as_ref()?,
            after: &self.record,
        };
        (*change.before != change.after.stream).then_some(change)
    }
}

fn closes_call(before: &Stream, after: &Stream) -> bool {
    before.payment.open_call.is_some() && before.payment.open_call != after.payment.open_call
}
