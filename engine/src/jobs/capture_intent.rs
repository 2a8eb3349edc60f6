//! Captures what a payment has authorised.

use workflows::payment::Call;
use workflows::stripe::{Intent, IntentStatus};

use super::{Deed, Proof, Work, capture_amount};

pub(super) async fn perform(work: Work<'_>) -> Deed {
    if work.record.stream.payment.open_call != Some(Call::CaptureIntent) {
        return Deed::moot();
    }
    if work.key_is_too_old() {
        return work
            .look(Call::CaptureIntent, has_moved, Proof::OldKey)
            .await;
    }
    let (id, key) = match (work.intent_id(), work.key()) {
        (Ok(id), Ok(key)) => (id, key),
        (Err(deed), _) | (_, Err(deed)) => return deed,
    };
    let Some(amount) = capture_amount(work.job) else {
        return Deed::dead("it does not say how much to capture");
    };
    let answer = work.stripe.capture_intent(id, amount, &key).await;
    work.settle(Call::CaptureIntent, answer, has_moved).await
}

fn has_moved(intent: &Intent) -> bool {
    intent.status != IntentStatus::RequiresCapture
}
