//! `confirm_intent`: confirms the intent as one attempt. This is the call that charges the customer.

use uuid::Uuid;
use workflows::effect::Call;
use workflows::payment::Payment;
use workflows::stripe::{Intent, IntentStatus};

use super::{JobResult, Performed, Reason, Work};
use crate::stripe::ConfirmIntent;

pub(super) async fn perform(work: &Work<'_>, attempt: Uuid) -> Performed {
    let payment = &work.record.stream.payment;
    let attempt = work
        .record
        .stream
        .newest_attempt()
        .filter(|it| it.id == attempt);
    let (Some(Call::ConfirmIntent), Some(attempt)) = (payment.open_call, attempt) else {
        return Ok(JobResult::obsolete());
    };
    let has_moved = |intent: &Intent| has_moved(intent, payment);
    if work.key_is_too_old() {
        return Ok(work.retrieve(has_moved, Reason::OldKey).await);
    }
    let (id, key) = (work.intent_id()?, work.key()?);
    let confirm = ConfirmIntent {
        // The attempt's method, not the payment's: a resync may change the payment's while this call is open, and
        // another method under the same key would be refused, or charge the wrong card.
        payment_method: attempt.payment_method.clone(),
        return_url: payment.return_url.clone(),
    };
    let answer = work.stripe.confirm_intent(id, &confirm, &key).await;
    Ok(work.settle(Call::ConfirmIntent, answer, has_moved).await)
}

/// Whether the intent shows that the confirm was executed: it has another status than before, or a new failure. The failure
/// of an earlier attempt is no proof, nor is the error of a call that Stripe refused.
fn has_moved(intent: &Intent, payment: &Payment) -> bool {
    match intent.status {
        IntentStatus::RequiresConfirmation => false,
        IntentStatus::RequiresPaymentMethod => payment.fails_anew(intent),
        _ => true,
    }
}
