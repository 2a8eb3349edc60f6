//! `cancel_intent`: cancels the intent of a payment.

use workflows::effect::Call;
use workflows::stripe::{Intent, IntentStatus};

use super::{JobResult, Performed, Reason, Work};

pub(super) async fn perform(work: &Work<'_>, reason: Option<&str>) -> Performed {
    if work.record.stream.payment.open_call != Some(Call::CancelIntent) {
        return Ok(JobResult::obsolete());
    }
    if work.key_is_too_old() {
        return Ok(work.retrieve(has_ended, Reason::OldKey).await);
    }
    let (id, key) = (work.intent_id()?, work.key()?);
    let answer = work.stripe.cancel_intent(id, reason, &key).await;
    Ok(work.settle(Call::CancelIntent, answer, has_ended).await)
}

fn has_ended(intent: &Intent) -> bool {
    matches!(
        intent.status,
        IntentStatus::Canceled | IntentStatus::Succeeded
    )
}
