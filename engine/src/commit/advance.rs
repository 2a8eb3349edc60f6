//! [`advance`]: one request of a client, job or timer is put through `step`, and its caller's outcome is decided.
//!
//! This is the center of the engine. [`super::batch::advance`] calls it for each request of a batch, between locking the
//! streams and writing what was decided, all in one Postgres transaction.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use contracts::id::{JobId, PaymentId};
use uuid::Uuid;
use workflows::stream::Event;

use super::cause::Cause;
use super::fold::{Applied, Fold, NotApplied};
use crate::error::Error;
use crate::record::Record;
use crate::request::{Answer, Idempotency, RequestKey, SavedAnswer};
use crate::store::job::{Claimed, Finish, Held};
use crate::store::timer::Kind;
use crate::stripe::StripeCall;

/// A request to move one payment.
#[derive(Debug, Clone)]
pub(crate) struct Advance {
    pub(crate) payment: Uuid,
    pub(crate) cause: Cause,
    pub(crate) origin: Origin,
}

/// The origin of a request decides what must hold before its event is applied, and what is written besides.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// A client, who gets an answer that is kept under its key.
    Command {
        event: Event,
        /// The payment, the new refund, or the dispute that the answer shows.
        subject: Uuid,
        idempotency: Idempotency,
    },
    /// A job, under its lease. Without an event it is only put off or dead-lettered.
    Job {
        job: Uuid,
        lease: Uuid,
        finish: Finish,
        /// The requests to Stripe that the try made.
        calls: Vec<StripeCall>,
        event: Option<Event>,
        expected_version: Option<i64>,
    },
    /// An operator, who may have seen the payment in this version.
    Operator {
        account: Uuid,
        event: Event,
        expected_version: Option<i64>,
    },
    /// The timer that ends an unfinished payment.
    Expiry,
    /// The timer of this kind before a last moment.
    Reminder { event: Event, timer: Kind },
}

impl Origin {
    /// The event to be applied, if there is one.
    pub(crate) fn event(&self) -> Option<&Event> {
        match self {
            Self::Command { event, .. }
            | Self::Operator { event, .. }
            | Self::Reminder { event, .. } => Some(event),
            Self::Job { event, .. } => event.as_ref(),
            Self::Expiry => None,
        }
    }
}

/// The outcome of a request for its caller.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The command is committed, or was by an earlier request with the same key.
    Answered(Answer),
    /// The command is refused; nothing is written.
    Refused(Error),
    /// The job is finished or put off, and its event is applied. In a worker, the calls that follow are leased to it.
    Finished(Vec<Claim>),
    /// The lease of the job had passed to another worker: nothing is written.
    Stale,
}

/// A job under this worker's lease, with the payment that it is about. The payment is absent if its rows cannot be
/// decoded.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) job: Claimed,
    pub(crate) record: Option<Record>,
}

/// The state of one transaction: what it read, and what [`advance`] has decided so far.
pub(crate) struct State {
    /// The locked streams.
    pub(crate) fold: Fold,
    /// The jobs of the batch that were still under the lease of their request.
    pub(crate) held: HashMap<Uuid, Held>,
    /// The answers that were given before, or to a request of this batch.
    pub(crate) answers: HashMap<RequestKey, SavedAnswer>,
    /// Jobs whose event was refused, each with the reason.
    pub(crate) dead_letters: Vec<(Uuid, String)>,
    /// Payments whose expiry timer is done.
    pub(crate) expired: Vec<Uuid>,
    /// Timers that fired although nothing was due: they are set to the next moment, or removed.
    pub(crate) reminded: Vec<(Uuid, Kind)>,
    /// Whether the caller is a worker, which leases the calls that follow from its job's result to itself.
    pub(crate) leases_calls: bool,
}

/// Puts the event of one request through `step` on the stream as it stands now, and decides the outcome for its caller.
///
/// What follows is collected in `state`, to be written in the same transaction: transitions, jobs, answers to keep.
pub(crate) fn advance(state: &mut State, request: &Advance) -> Outcome {
    let payment = request.payment;
    match &request.origin {
        Origin::Command {
            event,
            subject,
            idempotency,
        } => {
            if !state.fold.is_of(payment, idempotency.account) {
                return Outcome::Refused(Error::NotFound);
            }
            if let Some(saved) = state.answers.get(&idempotency.unique()) {
                let answer = saved.answer_to(idempotency);
                return answer.map_or(Outcome::Refused(Error::KeyReused), Outcome::Answered);
            }
            let calls = state.fold.calls();
            if let Err(refusal) = state.fold.apply(payment, event, &request.cause) {
                return Outcome::Refused(refusal.into());
            }
            state.fold.note_request(calls, idempotency);
            state.answer(payment, *subject, idempotency)
        }
        Origin::Job { job, .. } if !state.held.contains_key(job) => Outcome::Stale,
        Origin::Job {
            job,
            event,
            expected_version,
            ..
        } => {
            let calls = state.fold.calls();
            if let Some(event) = event {
                if state.fold.newer_than(payment, *expected_version).is_some() {
                    state.fold.resync(payment);
                } else if let Err(refusal) = state.fold.apply(payment, event, &request.cause) {
                    state.dead_letter(*job, payment, refusal);
                }
            }
            Outcome::Finished(state.lease_calls(calls))
        }
        Origin::Operator {
            account,
            event,
            expected_version,
        } => {
            if !state.fold.is_of(payment, *account) {
                return Outcome::Refused(Error::NotFound);
            }
            if let Some(version) = state.fold.newer_than(payment, *expected_version) {
                return Outcome::Refused(Error::Moved { version });
            }
            match state.fold.apply(payment, event, &request.cause) {
                Ok(_) => Outcome::Finished(Vec::new()),
                Err(refusal) => Outcome::Refused(refusal.into()),
            }
        }
        Origin::Expiry => {
            state.expire(payment, &request.cause);
            Outcome::Finished(Vec::new())
        }
        Origin::Reminder { event, timer } => {
            // A reminder that was made sets or removes the payment's timer.
            if !matches!(
                state.fold.apply(payment, event, &request.cause),
                Ok(Applied::Changed)
            ) {
                state.reminded.push((payment, *timer));
            }
            Outcome::Finished(Vec::new())
        }
    }
}

impl State {
    /// Answers a command that was applied, and keeps the answer for requests with the same key.
    fn answer(&mut self, payment: Uuid, subject: Uuid, idempotency: &Idempotency) -> Outcome {
        let shown = self.fold.record(payment).and_then(|record| {
            Some((
                record.stream.payment.version,
                record.render_subject(subject)?,
            ))
        });
        let Some((version, body)) = shown else {
            return Outcome::Refused(Error::Internal("a command left no object to show".into()));
        };
        let answer = Answer {
            status: if self.is_new(payment, subject) {
                201
            } else {
                200
            },
            body,
            replayed: false,
            payment,
            subject,
            version,
        };
        let saved = SavedAnswer::new(&idempotency.body_hash, &answer);
        self.answers.insert(idempotency.unique(), saved);
        Outcome::Answered(answer)
    }

    /// Whether the subject of a command's answer was made by the command: a refund, and not the payment or a dispute.
    fn is_new(&self, payment: Uuid, subject: Uuid) -> bool {
        let refunds = |record: &Record| record.stream.refunds.iter().any(|it| it.id == subject);
        self.fold.record(payment).is_some_and(refunds)
    }

    /// Gives a job up whose event was refused.
    fn dead_letter(&mut self, job: Uuid, payment: Uuid, refusal: NotApplied) {
        let error = match refusal {
            NotApplied::NoPayment => "its payment does not exist or cannot be decoded".to_owned(),
            NotApplied::Refused(refusal) => format!("its result was refused: {refusal}"),
        };
        tracing::error!(payment = %PaymentId::from(payment), job = %JobId::from(job), error, "failed to apply the result of a job; the job is dead and needs an operator");
        self.dead_letters.push((job, error));
    }

    /// Leases the calls that followed from a result to the worker that submitted it: it makes the next call of the
    /// payment at once, without the queue in Redis. If the worker dies, the leases run out like any other.
    fn lease_calls(&mut self, from: usize) -> Vec<Claim> {
        if !self.leases_calls {
            return Vec::new();
        }
        let jobs = self.fold.lease_calls(from);
        jobs.into_iter()
            .map(|job| Claim {
                record: self.fold.record(job.payment).cloned(),
                job,
            })
            .collect()
    }

    /// Requests the cancel of a payment that was not finished in time.
    fn expire(&mut self, payment: Uuid, cause: &Cause) {
        let event = Event::CancelRequested {
            reason: Some("abandoned".into()),
        };
        if let Err(refusal) = self.fold.apply(payment, &event, cause) {
            tracing::debug!(payment = %PaymentId::from(payment), ?refusal, "a payment that expired cannot be canceled; its timer is removed");
        }
        self.expired.push(payment);
    }
}

impl From<NotApplied> for Error {
    fn from(refusal: NotApplied) -> Self {
        match refusal {
            NotApplied::NoPayment => Self::NotFound,
            NotApplied::Refused(refusal) => Self::Refused(refusal),
        }
    }
}
