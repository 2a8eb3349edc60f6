//! `capture_intent`: captures an amount of the authorized money.

use uuid::Uuid;
use workflows::capture::Status;
use workflows::effect::Call;
use workflows::stream::Event;
use workflows::stripe::{Intent, IntentStatus};

use super::{JobResult, Performed, Reason, Work, stripe_error};
use crate::stripe::Class;

pub(super) async fn perform(
    work: &Work<'_>,
    capture: Uuid,
    amount: i64,
    is_final: bool,
) -> Performed {
    let stream = &work.record.stream;
    let mut captures = stream.captures.iter();
    let wanted = captures.any(|it| it.id == capture && it.status == Status::Requested);
    if !wanted || stream.payment.open_call != Some(Call::CaptureIntent) {
        return Ok(JobResult::obsolete());
    }
    // A part leaves the intent in `requires_capture`, with a larger captured sum.
    let sum_before = stream.payment.captured;
    let has_moved = |intent: &Intent| {
        intent.status != IntentStatus::RequiresCapture || intent.amount_received > sum_before
    };
    if work.key_is_too_old() {
        return Ok(work.retrieve(has_moved, Reason::OldKey).await);
    }
    let (id, key) = (work.intent_id()?, work.key()?);
    let answer = work.stripe.capture_intent(id, amount, is_final, &key).await;
    if let Err(failure) = &answer
        && failure.class == Class::Business
    {
        // The authorization stands: the capture alone was declined.
        return Ok(JobResult::report(Event::CallRefused {
            call: Call::CaptureIntent,
            error: stripe_error(failure),
        }));
    }
    Ok(work.settle(Call::CaptureIntent, answer, has_moved).await)
}
