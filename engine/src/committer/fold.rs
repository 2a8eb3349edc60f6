//! Streams held under their row locks, moved in memory through `step` in order of arrival, and written at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::attempt::Attempt;
use workflows::stream;
use workflows::stream::{Effect, Event, Refusal, Stream};

use super::{Shown, check, facts};
use crate::record::Record;
use crate::store::{attempt, job, outbox, payment, refund, timer, transition};

/// The streams of one transaction, locked.
pub(crate) struct Fold {
    streams: HashMap<Uuid, Held>,
    now: OffsetDateTime,
    transitions: Vec<transition::New>,
    jobs: Vec<job::New>,
    resyncs: BTreeSet<Uuid>,
    /// Payments whose open call was settled by something else than its own answer.
    superseded: BTreeSet<Uuid>,
}

/// One stream under its lock.
struct Held {
    record: Record,
    refunds: Vec<refund::Stored>,
    /// Its version when it was locked.
    version: i64,
    waited_for: Option<f64>,
    changed: bool,
    attempts: BTreeMap<Uuid, Attempt>,
    touched_refunds: BTreeSet<Uuid>,
}

/// What an event did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// It moved something, or asked for something to be done.
    Moved,
    /// All it says was known.
    Nothing,
}

/// Why an event did nothing.
#[derive(Debug)]
pub(crate) enum NotApplied {
    /// There is no such payment, or this version of the program cannot read its row.
    NoPayment,
    Refused(Refusal),
}

impl Fold {
    /// Locks the payments in the order of their ids, then reads what hangs on them. Refunds are read for those that are
    /// named: most events do not look at them.
    pub(crate) async fn lock(
        connection: &mut PgConnection,
        payments: &BTreeSet<Uuid>,
        with_refunds: &BTreeSet<Uuid>,
    ) -> sqlx::Result<Self> {
        let ids: Vec<Uuid> = payments.iter().copied().collect();
        let mut streams: HashMap<Uuid, Held> = HashMap::with_capacity(ids.len());
        for record in payment::lock(connection, &ids).await? {
            match record {
                Ok(record) => {
                    streams.insert(record.payment.id, Held::new(record));
                }
                Err(error) => {
                    tracing::error!(%error, "a payment cannot be read; it stops, the others go on");
                }
            }
        }
        let attempted: Vec<Uuid> = streams
            .values()
            .map(|held| &held.record.payment)
            .filter(|it| it.attempts > 0)
            .map(|it| it.id)
            .collect();
        for (payment, attempt) in attempt::latest(connection, &attempted).await? {
            if let Some(held) = streams.get_mut(&payment) {
                held.record.attempt = Some(attempt);
            }
        }
        let refunded: Vec<Uuid> = with_refunds
            .iter()
            .copied()
            .filter(|id| streams.contains_key(id))
            .collect();
        if !refunded.is_empty() {
            for stored in refund::of_payments(connection, &refunded).await? {
                if let Some(held) = streams.get_mut(&stored.payment) {
                    held.refunds.push(stored);
                }
            }
        }
        let now = OffsetDateTime::now_utc();
        let now = now
            .replace_nanosecond(now.microsecond() * 1000)
            .unwrap_or(now);
        Ok(Self {
            streams,
            now,
            transitions: Vec::new(),
            jobs: Vec::new(),
            resyncs: BTreeSet::new(),
            superseded: BTreeSet::new(),
        })
    }

    /// The payment as it stands in this transaction.
    pub(crate) fn record(&self, payment: Uuid) -> Option<&Record> {
        self.streams.get(&payment).map(|held| &held.record)
    }

    /// A refund as it stands in this transaction.
    pub(crate) fn refund(&self, payment: Uuid, refund: Uuid) -> Option<&refund::Stored> {
        self.streams
            .get(&payment)?
            .refunds
            .iter()
            .find(|stored| stored.refund.id == refund)
    }

    /// Puts an event through `step` on the state as it stands after the events before it.
    pub(crate) fn apply(
        &mut self,
        payment: Uuid,
        event: &Event,
        cause: &str,
    ) -> Result<Applied, NotApplied> {
        let held = self
            .streams
            .get_mut(&payment)
            .ok_or(NotApplied::NoPayment)?;
        let before = held.stream();
        let step = stream::step(&before, event).map_err(NotApplied::Refused)?;
        if step.is_empty() {
            return Ok(Applied::Nothing);
        }
        for transition in &step.transitions {
            let data = facts::data(transition, &step.stream);
            self.transitions.push(transition::New {
                stream: payment,
                transition: *transition,
                cause: cause.to_owned(),
                data,
            });
        }
        for effect in &step.effects {
            match effect {
                Effect::Resync => {
                    self.resyncs.insert(payment);
                }
                effect => self.jobs.push(job::New::of(payment, effect)),
            }
        }
        let closed = before.payment.open_call.is_some()
            && before.payment.open_call != step.stream.payment.open_call;
        if closed && !event.closes_call() {
            self.superseded.insert(payment);
        }
        held.take(step.stream, &before, self.now);
        Ok(Applied::Moved)
    }

    /// How many calls have been decided upon so far.
    pub(crate) fn calls(&self) -> usize {
        self.jobs.len()
    }

    /// Takes the calls decided upon since there were `from` of them into the hands of this worker.
    pub(crate) fn claim_calls(&mut self, from: usize) -> Vec<job::Claimed> {
        self.jobs[from..].iter_mut().map(job::New::claim).collect()
    }

    /// Asks Stripe how this payment stands.
    pub(crate) fn resync(&mut self, payment: Uuid) {
        self.resyncs.insert(payment);
    }

    /// Writes all that was decided; returns the jobs that can be taken after the commit.
    ///
    /// Jobs that the writing worker goes on with are leased to it for `lease_for`.
    pub(crate) async fn write(
        &mut self,
        connection: &mut PgConnection,
        lease_for: Duration,
    ) -> sqlx::Result<Vec<Uuid>> {
        let changed: Vec<&Held> = self.streams.values().filter(|held| held.changed).collect();
        if !changed.is_empty() {
            let records: Vec<&Record> = changed.iter().map(|held| &held.record).collect();
            payment::write(connection, &records, self.now).await?;
        }
        let attempts: Vec<(Uuid, &Attempt)> = changed
            .iter()
            .flat_map(|held| {
                held.attempts
                    .values()
                    .map(|attempt| (held.record.payment.id, attempt))
            })
            .collect();
        if !attempts.is_empty() {
            attempt::write(connection, &attempts, self.now).await?;
        }
        let refunds: Vec<_> = changed
            .iter()
            .flat_map(|held| held.written_refunds())
            .collect();
        if !refunds.is_empty() {
            refund::write(connection, &refunds, self.now).await?;
        }
        let checks: Vec<timer::Check> = changed.iter().filter_map(|held| held.check()).collect();
        if !checks.is_empty() {
            timer::set_checks(connection, &checks).await?;
        }
        if !self.transitions.is_empty() {
            transition::add(connection, &self.transitions, self.now).await?;
            let messages: Vec<outbox::New<'_>> = self
                .transitions
                .iter()
                .filter_map(|row| {
                    let account = self.streams.get(&row.stream)?.record.account;
                    Some(outbox::New { account, row })
                })
                .collect();
            outbox::add(connection, &messages, self.now).await?;
        }
        if !self.superseded.is_empty() {
            let payments: Vec<Uuid> = self.superseded.iter().copied().collect();
            job::supersede(connection, &payments).await?;
        }
        let mut jobs = self.jobs.clone();
        jobs.extend(
            self.resyncs
                .iter()
                .map(|payment| job::New::of(*payment, &Effect::Resync)),
        );
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        job::add(connection, &jobs, self.now, lease_for).await
    }

    /// All moves that were decided upon.
    pub(crate) fn transitions(&self) -> &[transition::New] {
        &self.transitions
    }

    /// A transition that tells after a lost answer whether this fold was committed.
    pub(crate) fn witness(&self) -> Option<&transition::New> {
        self.transitions.first()
    }

    /// The payments that changed, as clients see them now.
    pub(crate) fn into_views(self) -> impl Iterator<Item = Shown> {
        self.streams
            .into_values()
            .filter(|held| held.changed)
            .map(|held| {
                let body = held.record.rendered().body;
                let moved = held.record.payment.version > held.version;
                Shown {
                    record: held.record,
                    body,
                    moved,
                }
            })
    }
}

impl Held {
    fn new(record: Record) -> Self {
        Self {
            version: record.payment.version,
            waited_for: check::after(&record.payment),
            record,
            refunds: Vec::new(),
            changed: false,
            attempts: BTreeMap::new(),
            touched_refunds: BTreeSet::new(),
        }
    }

    fn stream(&self) -> Stream {
        Stream {
            payment: self.record.payment.clone(),
            attempts: self.record.attempt.iter().cloned().collect(),
            refunds: self
                .refunds
                .iter()
                .map(|stored| stored.refund.clone())
                .collect(),
        }
    }

    /// Makes what `step` decided the state that the next event meets.
    fn take(&mut self, after: Stream, before: &Stream, now: OffsetDateTime) {
        self.changed = true;
        for attempt in &after.attempts {
            if !before.attempts.contains(attempt) {
                self.attempts.insert(attempt.id, attempt.clone());
            }
        }
        self.record.attempt = after.newest_attempt().cloned();
        for refund in after.refunds {
            match self
                .refunds
                .iter_mut()
                .find(|stored| stored.refund.id == refund.id)
            {
                Some(stored) if stored.refund == refund => continue,
                Some(stored) => {
                    stored.refund = refund.clone();
                    stored.updated_at = now;
                }
                None => self.refunds.push(refund::Stored {
                    refund: refund.clone(),
                    payment: after.payment.id,
                    currency: after.payment.money.currency().code(),
                    created_at: now,
                    updated_at: now,
                }),
            }
            self.touched_refunds.insert(refund.id);
        }
        self.record.payment = after.payment;
        self.record.updated_at = now;
    }

    fn written_refunds(&self) -> impl Iterator<Item = (Uuid, Uuid, &workflows::refund::Refund)> {
        self.refunds
            .iter()
            .filter(|stored| self.touched_refunds.contains(&stored.refund.id))
            .map(|stored| (stored.payment, self.record.account, &stored.refund))
    }

    /// The change of this payment's check timer, if there is one.
    fn check(&self) -> Option<timer::Check> {
        let after = check::after(&self.record.payment);
        (after != self.waited_for).then_some(timer::Check {
            payment: self.record.payment.id,
            after_seconds: after,
        })
    }
}
