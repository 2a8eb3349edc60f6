//! The jobs: one file for each effect, with its fields, its call and the meaning of each answer.
//!
//! A job calls Stripe and reports an event. It may run twice, at the same time, on two machines: the key of its call was
//! committed with it and never changes, so Stripe executes the call once.

mod cancel_intent;
mod capture_intent;
mod confirm_intent;
mod create_intent;
mod create_refund;
mod dispute;
mod resync;

use std::time::{Duration, Instant};

use uuid::Uuid;
use workflows::effect::{Call, Effect};
use workflows::payment::Kind;
use workflows::stream::{Event, IntentReport, VoidCall};
use workflows::stripe::{Intent, IntentStatus, StripeError};

use crate::record::Record;
use crate::store::job::{Claimed, Finish};
use crate::stripe::{Answered, Class, Client, Failure, IdempotencyKey, backoff};

/// The age up to which a key is sent. Stripe keeps keys for at least 24 hours; an hour of that is left for differences
/// between clocks and for waits.
pub(crate) const KEY_LIVES: Duration = Duration::from_hours(23);

/// From which try on a call without an answer is also resolved by a read of Stripe's object, beside the same key.
const READ_FROM_TRY: i32 = 2;

/// How long a call waits whose right the API key lacks. A key that is refused altogether is probed by the circuit breaker.
const RIGHT_PAUSE: Duration = Duration::from_mins(1);

/// The pause between two reads of an object whose call is too old to be sent again.
const PROBE_EVERY: Duration = Duration::from_hours(1);

/// How old a key may get while its call is only probed. After that an operator decides.
const PROBED_FOR: Duration = Duration::from_hours(7 * 24);

/// The result of a job: how it ends, and the event that it reports.
#[derive(Debug)]
pub(crate) struct JobResult {
    pub(crate) finish: Finish,
    pub(crate) event: Option<Box<Event>>,
    /// The version that the payment must still have when the event is applied.
    pub(crate) expected_version: Option<i64>,
}

impl JobResult {
    fn new(finish: Finish, event: Option<Event>) -> Self {
        Self {
            finish,
            event: event.map(Box::new),
            expected_version: None,
        }
    }

    /// The job is done, and this happened.
    fn report(event: Event) -> Self {
        Self::new(Finish::Done, Some(event))
    }

    /// The payment no longer needs the job.
    fn obsolete() -> Self {
        Self::new(Finish::Done, None)
    }

    /// The job needs an operator.
    pub(crate) fn dead_letter(error: impl Into<String>) -> Self {
        let error = error.into();
        Self::new(Finish::Dead { error }, None)
    }

    /// The job is tried again later.
    fn retry(job: &Claimed, failure: &Failure) -> Self {
        let tries = u32::try_from(job.tries).unwrap_or(0);
        let is_key = failure.class == Class::KeyRefused;
        let lacks_right = is_key && failure.status == Some(403);
        let wait = if lacks_right {
            Some(RIGHT_PAUSE)
        } else {
            failure.retry_after
        };
        let finish = Finish::Again {
            after: backoff(tries, rand::random(), wait),
            error: failure.to_string(),
            unknown: job.unknown || (job.effect.call().is_some() && failure.may_be_executed()),
            // Stripe checks the key before the idempotency layer: nothing is saved under the call's key.
            sent: failure.sent && !is_key,
        };
        Self::new(finish, None)
    }

    /// An operator has paused its kind: the job waits, and this is no try. It is claimed again once the queue is resumed.
    pub(crate) fn paused(job: &Claimed) -> Self {
        let finish = Finish::Again {
            after: Duration::ZERO,
            error: "paused: an operator has paused the queue".to_owned(),
            unknown: job.unknown,
            sent: false,
        };
        Self::new(finish, None)
    }

    /// The key of the call is too old to be sent, and Stripe's object, which `was_read`, does not show its outcome: it is
    /// read again later. This is no try, and the call stays unknown; after a week an operator decides.
    fn probe_later(job: &Claimed, was_read: &str) -> Self {
        let error = format!("its key is older than 23 hours and is not sent again; {was_read}");
        if job.key_age >= PROBED_FOR {
            return Self::dead_letter(format!("{error}; it was read for 7 days"));
        }
        let finish = Finish::Again {
            after: PROBE_EVERY,
            error,
            unknown: true,
            sent: false,
        };
        Self::new(finish, None)
    }

    /// Stripe is paused until then: the job waits, and this is no try.
    fn snooze(job: &Claimed, until: Instant) -> Self {
        let after = until.saturating_duration_since(Instant::now());
        let finish = Finish::Again {
            // Spread over a second, so that not all jobs call at the same moment when the pause ends.
            after: after + Duration::from_millis(rand::random_range(0..1000)),
            error: "paused: Stripe fails or throttles".to_owned(),
            unknown: job.unknown,
            sent: false,
        };
        Self::new(finish, None)
    }
}

/// A leased job with the facts that it needs.
pub(crate) struct Work<'a> {
    pub(crate) stripe: &'a Client,
    pub(crate) job: &'a Claimed,
    /// The payment as it was committed when the job was claimed.
    pub(crate) record: &'a Record,
}

/// Performs a job once. It never fails: the result says what went wrong.
pub(crate) async fn perform(work: Work<'_>) -> JobResult {
    if let Err(paused) = work.stripe.ready() {
        return JobResult::snooze(work.job, paused.until);
    }
    let result = match &work.job.effect {
        Effect::CreateIntent => create_intent::perform(&work).await,
        Effect::ConfirmIntent { attempt } => confirm_intent::perform(&work, *attempt).await,
        Effect::CaptureIntent {
            capture,
            amount,
            is_final,
        } => capture_intent::perform(&work, *capture, *amount, *is_final).await,
        Effect::CancelIntent { reason } => cancel_intent::perform(&work, reason.as_deref()).await,
        Effect::CreateRefund { refund } => create_refund::perform(&work, *refund).await,
        Effect::UpdateDispute {
            dispute,
            evidence,
            submit,
        } => dispute::update(&work, *dispute, evidence, *submit).await,
        Effect::CloseDispute { dispute } => dispute::close(&work, *dispute).await,
        Effect::Resync => resync::perform(&work).await,
    };
    result.unwrap_or_else(|result| result)
}

/// Either arm is the result of the job; the error arm is one that `?` returns early.
type Performed = Result<JobResult, JobResult>;

impl Work<'_> {
    fn key(&self) -> Result<IdempotencyKey, JobResult> {
        IdempotencyKey::parse(self.job.call_key.as_str())
            .map_err(|_| JobResult::dead_letter("its key is not one Stripe would take"))
    }

    /// Whether Stripe may have deleted the key: sending it again could execute the call a second time.
    fn key_is_too_old(&self) -> bool {
        self.job.key_age >= KEY_LIVES
    }

    fn intent_id(&self) -> Result<&str, JobResult> {
        let id = self.record.stream.payment.intent_id.as_deref();
        id.ok_or_else(|| JobResult::dead_letter("its payment has no intent"))
    }

    /// Reports the intent in answer to the job's call; `kind` where the answer says more than the intent's status.
    fn report_intent(&self, intent: Intent, kind: Option<Kind>) -> JobResult {
        if intent.status == IntentStatus::Unknown {
            tracing::warn!(
                intent = intent.id,
                "an answer of Stripe shows a status that this version does not know; the payment stays as it is and is read again later"
            );
        }
        let kind = kind.or_else(|| Kind::of_intent(intent.status));
        let attempt = match self.job.effect {
            Effect::ConfirmIntent { attempt } => Some(attempt),
            _ => None,
        };
        JobResult::report(Event::IntentSeen(IntentReport {
            intent,
            kind: kind.unwrap_or(Kind::Resync),
            answers: self.job.effect.call(),
            attempt,
            fresh_attempt: Uuid::now_v7(),
            fresh_capture: Uuid::now_v7(),
        }))
    }

    /// Reports that the job's call had no effect, so that it is made anew under another key.
    fn report_void(&self) -> JobResult {
        JobResult::report(Event::CallProvedVoid(VoidCall {
            effect: self.job.effect.clone(),
            fresh_attempt: Uuid::now_v7(),
        }))
    }

    /// Decides what follows from the answer of a call about an intent that exists: confirm, capture or cancel.
    /// `has_moved` says whether an intent shows that the call was executed.
    async fn settle(
        &self,
        call: Call,
        answer: Result<Answered<Intent>, Failure>,
        has_moved: impl Fn(&Intent) -> bool,
    ) -> JobResult {
        let failure = match answer {
            Ok(answered) => return self.report_intent(answered.object, None),
            Err(failure) => failure,
        };
        match failure.class {
            Class::Unknown if self.job.tries >= READ_FROM_TRY => {
                self.retrieve(has_moved, Reason::Unanswered(&failure)).await
            }
            Class::Retry | Class::KeyRefused | Class::Unknown => {
                JobResult::retry(self.job, &failure)
            }
            Class::Business => match failure.intent {
                Some(intent) => self.report_intent(*intent, Some(Kind::PaymentFailed)),
                None => self.retrieve(has_moved, Reason::Answered(&failure)).await,
            },
            Class::Conflict | Class::AlreadyDone => {
                self.retrieve(has_moved, Reason::Answered(&failure)).await
            }
            Class::Saved => self.retrieve(has_moved, Reason::Saved).await,
            Class::Refused => self.refused(call, &failure),
            Class::Impossible if is_about_the_request(&failure) => self.refused(call, &failure),
            Class::Impossible => JobResult::dead_letter(failure.to_string()),
        }
    }

    /// Retrieves the intent and reports it, or finds that the call had no effect.
    async fn retrieve(&self, has_moved: impl Fn(&Intent) -> bool, reason: Reason<'_>) -> JobResult {
        let id = match self.intent_id() {
            Ok(id) => id,
            Err(result) => return result,
        };
        let intent = match self.stripe.retrieve_intent(id).await {
            Ok(answered) => answered.object,
            Err(failure) => return self.read_failed(&failure),
        };
        if has_moved(&intent) {
            return self.report_intent(intent, None);
        }
        match reason {
            // The failure that the intent may show is of an earlier attempt: this one ends by its own refusal.
            Reason::Answered(failure) => match self.job.effect {
                Effect::ConfirmIntent { .. } => self.refused(Call::ConfirmIntent, failure),
                _ => self.report_intent(intent, None),
            },
            Reason::Unanswered(failure) => JobResult::retry(self.job, failure),
            Reason::Saved => self.report_void(),
            Reason::OldKey => {
                JobResult::probe_later(self.job, "Stripe's intent shows no trace of the call")
            }
        }
    }

    /// A read failed. It decides nothing; the job reads again later.
    fn read_failed(&self, failure: &Failure) -> JobResult {
        match failure.class {
            Class::Retry | Class::KeyRefused | Class::Unknown | Class::Saved => {
                JobResult::retry(self.job, failure)
            }
            _ => JobResult::dead_letter(failure.to_string()),
        }
    }

    fn refused(&self, call: Call, failure: &Failure) -> JobResult {
        let error = stripe_error(failure);
        JobResult::report(match self.job.effect {
            Effect::ConfirmIntent { attempt } => Event::ConfirmRefused { attempt, error },
            _ => Event::CallRefused { call, error },
        })
    }
}

/// Why an intent is retrieved; this decides what an unmoved intent means.
#[derive(Debug, Clone, Copy)]
enum Reason<'a> {
    /// Stripe refused the call for good: the intent is reported as it is, or the call was not executed.
    Answered(&'a Failure),
    /// No answer came again and again: an unmoved intent proves nothing.
    Unanswered(&'a Failure),
    /// Stripe saved a 5xx under the key: the call has ended, and an unmoved intent proves that it had no effect.
    Saved,
    /// The key is too old to be sent: an unmoved intent proves nothing.
    OldKey,
}

/// Whether a definitive 4xx is about the merchant's request, and not about our keys or rights.
fn is_about_the_request(failure: &Failure) -> bool {
    let kind = failure
        .error
        .as_ref()
        .and_then(|error| error.kind.as_deref());
    matches!(failure.status, Some(400 | 402 | 404)) && kind == Some("invalid_request_error")
}

fn stripe_error(failure: &Failure) -> StripeError {
    let message = || StripeError {
        message: Some(failure.message.clone()),
        ..StripeError::default()
    };
    failure.error.as_deref().cloned().unwrap_or_else(message)
}
