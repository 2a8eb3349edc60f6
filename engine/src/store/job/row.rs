//! A job as it is written, claimed and ended.

use std::time::Duration;

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;
use workflows::effect::Effect;

use super::read::Unreadable;
use crate::request::RequestMark;
use crate::stripe::StripeCall;

/// A job to be written.
#[derive(Debug, Clone)]
pub(crate) struct New {
    pub(crate) id: Uuid,
    pub(crate) payment: Uuid,
    pub(crate) effect: Effect,
    /// What Stripe keeps of the client's request, where a client's request leads to the call.
    pub(crate) request: Option<RequestMark>,
    /// Set where the worker that writes the job performs it at once: its id goes into no queue.
    pub(crate) lease: Option<Uuid>,
}

impl New {
    /// The job that performs an effect.
    pub(crate) fn from_effect(payment: Uuid, effect: Effect) -> Self {
        Self {
            id: Uuid::now_v7(),
            payment,
            effect,
            request: None,
            lease: None,
        }
    }

    /// Leases the job to the worker that writes it.
    pub(crate) fn lease(&mut self) -> Claimed {
        let lease = Uuid::new_v4();
        self.lease = Some(lease);
        Claimed {
            id: self.id,
            lease,
            payment: self.payment,
            effect: self.effect.clone(),
            request: self.request.clone(),
            tries: 0,
            call_key: self.call_key(),
            key_age: Duration::ZERO,
            unknown: false,
        }
    }

    pub(super) fn call_key(&self) -> String {
        format!("pawl-{}", self.id)
    }
}

/// A job that a worker has leased.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    /// Its id.
    pub(crate) id: Uuid,
    /// The token that its result must carry.
    pub(crate) lease: Uuid,
    /// The payment that it belongs to.
    pub(crate) payment: Uuid,
    /// What it does.
    pub(crate) effect: Effect,
    /// See [`New::request`].
    pub(crate) request: Option<RequestMark>,
    /// How often it has ended in an error.
    pub(crate) tries: i32,
    /// The Idempotency-Key of its call.
    pub(crate) call_key: String,
    /// How long ago the key was first sent.
    pub(crate) key_age: Duration,
    /// A call was sent before, and its outcome is unknown.
    pub(crate) unknown: bool,
}

/// How a job ends, or goes on.
#[derive(Debug, Clone)]
pub(crate) enum Finish {
    /// It is done.
    Done,
    /// It is tried again later, with the same key. A call that was not sent is no try, and its key has not begun to age.
    Again {
        after: Duration,
        error: String,
        unknown: bool,
        sent: bool,
    },
    /// It is dead-lettered: it needs an operator.
    Dead { error: String },
}

/// The end of a job, with the lease that it must still have.
#[derive(Debug, Clone)]
pub(crate) struct Ending<'a> {
    pub(crate) id: Uuid,
    pub(crate) lease: Uuid,
    pub(crate) finish: &'a Finish,
    /// The requests to Stripe that the try made.
    pub(crate) calls: &'a [StripeCall],
}

/// What became of a job whose lease was valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// It ended, or waits for its next try.
    Finished,
    /// It is a resync that was requested again while it ran: it is queued again and due at once.
    RunAgain,
}

pub(super) struct ClaimedRow {
    pub(super) id: Uuid,
    pub(super) lease: Uuid,
    pub(super) payment_id: Uuid,
    pub(super) effect: Value,
    pub(super) request: Option<Json<RequestMark>>,
    pub(super) tries: i32,
    pub(super) picks: i32,
    pub(super) call_key: String,
    pub(super) unknown: bool,
    pub(super) key_age: f64,
}

impl ClaimedRow {
    pub(super) fn read(self) -> Result<Claimed, Unreadable> {
        let effect = serde_json::from_value(self.effect).map_err(|error| Unreadable {
            id: self.id,
            lease: self.lease,
            error: format!("its effect cannot be read: {error}"),
        })?;
        Ok(Claimed {
            id: self.id,
            lease: self.lease,
            payment: self.payment_id,
            effect,
            request: self.request.map(|request| request.0),
            tries: self.tries,
            call_key: self.call_key,
            key_age: Duration::try_from_secs_f64(self.key_age).unwrap_or_default(),
            // An earlier worker leased it and left no result: it died, perhaps after it had sent the call.
            unknown: self.unknown || self.picks > self.tries.saturating_add(1),
        })
    }
}

/// The ends of jobs, a list for each column.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub(super) ids: Vec<Uuid>,
    pub(super) leases: Vec<Uuid>,
    pub(super) states: Vec<String>,
    pub(super) seconds: Vec<f64>,
    pub(super) errors: Vec<Option<String>>,
    pub(super) unknowns: Vec<bool>,
    pub(super) sents: Vec<bool>,
    pub(super) calls: Vec<Option<Json<&'a [StripeCall]>>>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(endings: &[Ending<'a>]) -> Self {
        let mut columns = Self::default();
        for ending in endings {
            let (state, after, error, unknown, sent) = match ending.finish {
                Finish::Done => ("done", 0.0, None, false, true),
                Finish::Again {
                    after,
                    error,
                    unknown,
                    sent,
                } => ("queued", after.as_secs_f64(), Some(error), *unknown, *sent),
                Finish::Dead { error } => ("dead", 0.0, Some(error), true, true),
            };
            columns.ids.push(ending.id);
            columns.leases.push(ending.lease);
            columns.states.push(state.to_owned());
            columns.seconds.push(after);
            columns.errors.push(error.cloned());
            columns.unknowns.push(unknown);
            columns.sents.push(sent);
            let made_calls = !ending.calls.is_empty();
            columns.calls.push(made_calls.then_some(Json(ending.calls)));
        }
        columns
    }
}
