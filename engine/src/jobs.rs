//! What workers do: one file for each kind of job.
//!
//! A job asks Stripe and comes back with an event. It may run twice, at the same time, on two machines: the key of its
//! call was committed with it and never changes, so Stripe executes the call once.

mod cancel_intent;
mod capture_intent;
mod confirm_intent;
mod create_intent;
mod create_refund;
mod resync;

use std::time::Duration;

use uuid::Uuid;
use workflows::payment;
use workflows::payment::Call;
use workflows::refund::Refund;
use workflows::stream::Event;
use workflows::stripe::{Intent, StripeError};

use crate::record::Record;
use crate::store::job::{Claimed, Finish, Kind};
use crate::stripe::{Answered, Class, Client, Failure, IdempotencyKey, backoff};

/// Stripe keeps keys for at least 24 hours; an hour of that is left for clocks and queues.
const KEY_LIVES: Duration = Duration::from_hours(23);

/// What came of a job: how it ends, and what happened.
#[derive(Debug)]
pub(crate) struct Deed {
    pub(crate) finish: Finish,
    pub(crate) event: Option<Box<Event>>,
    /// The version of the payment that the event is about, where it must still be that one.
    pub(crate) expected_version: Option<i64>,
}

impl Deed {
    fn event(event: Event) -> Self {
        Self {
            finish: Finish::Done,
            event: Some(Box::new(event)),
            expected_version: None,
        }
    }

    /// There is nothing to be done any more.
    fn moot() -> Self {
        Self {
            finish: Finish::Done,
            event: None,
            expected_version: None,
        }
    }

    fn dead(error: impl Into<String>) -> Self {
        Self {
            finish: Finish::Dead {
                error: error.into(),
            },
            event: None,
            expected_version: None,
        }
    }

    fn again(job: &Claimed, failure: &Failure) -> Self {
        let tries = u32::try_from(job.tries).unwrap_or(0);
        let after = backoff(tries, rand::random(), failure.retry_after);
        let unknown = job.unknown || failure.sent;
        Self {
            finish: Finish::Again {
                after,
                error: failure.to_string(),
                unknown,
                sent: failure.sent,
            },
            event: None,
            expected_version: None,
        }
    }
}

/// What a job works with.
pub(crate) struct Work<'a> {
    pub(crate) stripe: &'a Client,
    pub(crate) job: &'a Claimed,
    /// The payment as it was committed when the job was claimed.
    pub(crate) record: &'a Record,
    /// The refund that the job is about, if it is about one.
    pub(crate) refund: Option<&'a Refund>,
}

/// Does a job once. Never fails: what went wrong is in the deed.
pub(crate) async fn perform(work: Work<'_>) -> Deed {
    if let Err(paused) = work.stripe.ready() {
        let after = paused
            .until
            .saturating_duration_since(std::time::Instant::now());
        // Not all at the same moment when the pause ends.
        let after = after + Duration::from_millis(rand::random_range(0..1000));
        let error = "paused: Stripe fails or throttles".to_owned();
        return Deed {
            finish: Finish::Again {
                after,
                error,
                unknown: work.job.unknown,
                sent: false,
            },
            event: None,
            expected_version: None,
        };
    }
    match work.job.kind {
        Kind::CreateIntent => create_intent::perform(work).await,
        Kind::ConfirmIntent => confirm_intent::perform(work).await,
        Kind::CaptureIntent => capture_intent::perform(work).await,
        Kind::CancelIntent => cancel_intent::perform(work).await,
        Kind::CreateRefund => create_refund::perform(work).await,
        Kind::Resync => resync::perform(work).await,
    }
}

impl Work<'_> {
    fn key(&self) -> Result<IdempotencyKey, Deed> {
        IdempotencyKey::parse(self.job.call_key.as_str())
            .map_err(|_| Deed::dead("its key is not one Stripe would take"))
    }

    /// The key is so old that Stripe may have forgotten it: sending it again could do the work a second time.
    fn key_is_too_old(&self) -> bool {
        self.job.key_age >= KEY_LIVES
    }

    fn intent_id(&self) -> Result<&str, Deed> {
        self.record
            .stream
            .payment
            .intent_id
            .as_deref()
            .ok_or_else(|| Deed::dead("its payment has no intent"))
    }

    /// The answer of the call about the intent that this job makes.
    fn seen(&self, intent: Intent, call: Call, kind: Option<payment::Kind>) -> Deed {
        let attempt = (call == Call::ConfirmIntent).then_some(self.job.subject);
        match kind.or_else(|| payment::Kind::of_intent(intent.status)) {
            Some(kind) => Deed::event(Event::IntentSeen {
                intent,
                kind,
                answers: Some(call),
                attempt,
                fresh_attempt: Uuid::now_v7(),
            }),
            None => Deed::dead(format!(
                "intent {} has a status that this version does not know",
                intent.id
            )),
        }
    }

    /// What follows from a call about an intent that exists: confirm, capture or cancel.
    async fn settle(
        &self,
        call: Call,
        answer: Result<Answered<Intent>, Failure>,
        done: fn(&Intent) -> bool,
    ) -> Deed {
        let failure = match answer {
            Ok(answered) => return self.seen(answered.object, call, None),
            Err(failure) => failure,
        };
        match failure.class {
            Class::Retry | Class::Unknown => Deed::again(self.job, &failure),
            Class::Business => match failure.intent {
                Some(intent) => self.seen(*intent, call, Some(payment::Kind::PaymentFailed)),
                None => self.look(call, done, Proof::Answered).await,
            },
            Class::Conflict | Class::AlreadyDone => self.look(call, done, Proof::Answered).await,
            Class::Saved => self.look(call, done, Proof::Saved).await,
            Class::Refused => self.refused(call, &failure),
            Class::Impossible if is_about_the_request(&failure) => self.refused(call, &failure),
            Class::Impossible => Deed::dead(failure.to_string()),
        }
    }

    /// Asks how the intent stands and adopts it, or finds out that the call came to nothing.
    async fn look(&self, call: Call, done: fn(&Intent) -> bool, proof: Proof) -> Deed {
        let id = match self.intent_id() {
            Ok(id) => id,
            Err(deed) => return deed,
        };
        match self.stripe.retrieve_intent(id).await {
            Ok(answered) if proof == Proof::Answered || done(&answered.object) => {
                self.seen(answered.object, call, None)
            }
            Ok(_) if proof == Proof::Saved => Deed::event(Event::CallProvedVoid {
                call,
                refund: None,
                amount: capture_amount(self.job),
                fresh_attempt: Uuid::now_v7(),
            }),
            Ok(_) => {
                Deed::dead("its key is older than 23 hours and Stripe shows no trace of its call")
            }
            Err(failure) => self.asked_in_vain(&failure),
        }
    }

    /// A read failed. Nothing is decided; the job looks again later.
    fn asked_in_vain(&self, failure: &Failure) -> Deed {
        match failure.class {
            Class::Retry | Class::Unknown | Class::Saved => Deed::again(self.job, failure),
            _ => Deed::dead(failure.to_string()),
        }
    }

    fn refused(&self, call: Call, failure: &Failure) -> Deed {
        let error = stripe_error(failure);
        Deed::event(match call {
            Call::ConfirmIntent => Event::ConfirmRefused {
                attempt: self.job.subject,
                error,
            },
            call => Event::CallRefused { call, error },
        })
    }
}

/// Why an intent is looked at, and so what it means when nothing happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Stripe said that the intent is elsewhere: it is adopted as it is.
    Answered,
    /// Stripe saved a 5xx: the call is over, and an intent that did not move proves that nothing happened.
    Saved,
    /// The key is too old to be sent: an intent that did not move proves nothing.
    OldKey,
}

/// A definitive 4xx that is about what the merchant asked for, not about our keys or rights.
fn is_about_the_request(failure: &Failure) -> bool {
    let kind = failure
        .error
        .as_ref()
        .and_then(|error| error.kind.as_deref());
    matches!(failure.status, Some(400 | 402 | 404)) && kind == Some("invalid_request_error")
}

fn stripe_error(failure: &Failure) -> StripeError {
    failure
        .error
        .as_deref()
        .cloned()
        .unwrap_or_else(|| StripeError {
            message: Some(failure.message.clone()),
            ..StripeError::default()
        })
}

fn capture_amount(job: &Claimed) -> Option<i64> {
    job.args.get("amount").and_then(serde_json::Value::as_i64)
}
