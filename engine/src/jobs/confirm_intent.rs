//! Confirms the intent: the call that charges the customer.

use workflows::payment::Call;
use workflows::stripe::{Intent, IntentStatus};

use super::{Deed, Proof, Work};
use crate::stripe::ConfirmIntent;

pub(super) async fn perform(work: Work<'_>) -> Deed {
    let payment = &work.record.stream.payment;
    let attempt = work
        .record
        .stream
        .newest_attempt()
        .filter(|attempt| attempt.id == work.job.subject);
    let (Some(Call::ConfirmIntent), Some(attempt)) = (payment.open_call, attempt) else {
        return Deed::moot();
    };
    if work.key_is_too_old() {
        return work
            .look(Call::ConfirmIntent, has_moved, Proof::OldKey)
            .await;
    }
    let (id, key) = match (work.intent_id(), work.key()) {
        (Ok(id), Ok(key)) => (id, key),
        (Err(deed), _) | (_, Err(deed)) => return deed,
    };
    let confirm = ConfirmIntent {
        // The attempt's, not the payment's: a look at Stripe brings the payment's up to date while this call is open, and
        // another method under the same key would be refused, or charge the wrong card.
        payment_method: attempt.payment_method.clone(),
        return_url: payment.return_url.clone(),
    };
    let answer = work.stripe.confirm_intent(id, &confirm, &key).await;
    work.settle(Call::ConfirmIntent, answer, has_moved).await
}

/// An intent that still waits for a confirmation, and shows no error of one, was not confirmed.
fn has_moved(intent: &Intent) -> bool {
    match intent.status {
        IntentStatus::RequiresConfirmation => false,
        IntentStatus::RequiresPaymentMethod => intent.last_payment_error.is_some(),
        _ => true,
    }
}
