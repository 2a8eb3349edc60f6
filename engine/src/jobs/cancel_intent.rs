//! Cancels the intent of a payment.

use workflows::payment::Call;
use workflows::stripe::{Intent, IntentStatus};

use super::{Deed, Proof, Work};

pub(super) async fn perform(work: Work<'_>) -> Deed {
    if work.record.stream.payment.open_call != Some(Call::CancelIntent) {
        return Deed::moot();
    }
    if work.key_is_too_old() {
        return work.look(Call::CancelIntent, is_final, Proof::OldKey).await;
    }
    let (id, key) = match (work.intent_id(), work.key()) {
        (Ok(id), Ok(key)) => (id, key),
        (Err(deed), _) | (_, Err(deed)) => return deed,
    };
    let reason = work
        .job
        .args
        .get("reason")
        .and_then(serde_json::Value::as_str);
    let answer = work.stripe.cancel_intent(id, reason, &key).await;
    work.settle(Call::CancelIntent, answer, is_final).await
}

fn is_final(intent: &Intent) -> bool {
    matches!(
        intent.status,
        IntentStatus::Canceled | IntentStatus::Succeeded
    )
}
