//! `capture_intent`: captures an amount of the authorized money.

use workflows::effect::Call;
use workflows::stripe::{Intent, IntentStatus};

use super::{JobResult, Performed, Reason, Work};

pub(super) async fn perform(work: &Work<'_>, amount: i64) -> Performed {
    if work.record.stream.payment.open_call != Some(Call::CaptureIntent) {
        return Ok(JobResult::obsolete());
    }
    if work.key_is_too_old() {
        return Ok(work.retrieve(has_moved, Reason::OldKey).await);
    }
    let (id, key) = (work.intent_id()?, work.key()?);
    let answer = work.stripe.capture_intent(id, amount, &key).await;
    Ok(work.settle(Call::CaptureIntent, answer, has_moved).await)
}

fn has_moved(intent: &Intent) -> bool {
    intent.status != IntentStatus::RequiresCapture
}
