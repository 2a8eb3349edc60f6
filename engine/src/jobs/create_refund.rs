//! Gives money back: creates a refund at Stripe.

use uuid::Uuid;
use workflows::payment::Call;
use workflows::refund::Status;
use workflows::stream::Event;
use workflows::stripe::{REFUND_ID, Refund, id_of};

use super::{Deed, Work, stripe_error};
use crate::stripe::{Class, CreateRefund};

pub(super) async fn perform(work: Work<'_>) -> Deed {
    let id = work.job.subject;
    let Some(refund) = work
        .refund
        .filter(|refund| refund.status == Status::LocalRequested)
    else {
        return Deed::moot();
    };
    let (intent_id, key) = match (work.intent_id(), work.key()) {
        (Ok(intent_id), Ok(key)) => (intent_id, key),
        (Err(deed), _) | (_, Err(deed)) => return deed,
    };
    if work.key_is_too_old() {
        return look(&work, intent_id, false).await;
    }
    let create = CreateRefund {
        refund: id,
        payment: work.record.stream.payment.id,
        account: work.record.account,
        intent_id: intent_id.to_owned(),
        amount: refund.amount,
        reason: refund.reason.clone(),
    };
    let failure = match work.stripe.create_refund(&create, &key).await {
        Ok(answered) => return seen(id, answered.object),
        Err(failure) => failure,
    };
    match failure.class {
        Class::Retry | Class::Unknown => Deed::again(work.job, &failure),
        Class::Saved => look(&work, intent_id, true).await,
        // `charge_already_refunded` among them: Stripe has no room for this refund, so it never will be made.
        Class::Refused | Class::Business | Class::Conflict | Class::AlreadyDone => {
            adopt_or_reject(&work, intent_id, stripe_error(&failure)).await
        }
        Class::Impossible => Deed::dead(failure.to_string()),
    }
}

fn seen(id: Uuid, refund: Refund) -> Deed {
    Deed::event(Event::RefundSeen {
        refund,
        answers: Some(id),
        fresh_refund: Uuid::now_v7(),
    })
}

/// The refund of ours among those of the intent.
async fn find(work: &Work<'_>, intent_id: &str) -> Result<Option<Refund>, Deed> {
    let listed = work
        .stripe
        .list_refunds(intent_id)
        .await
        .map_err(|failure| work.asked_in_vain(&failure))?;
    Ok(listed
        .object
        .into_iter()
        .find(|refund| is_ours(refund, work.job.subject)))
}

/// It bears our id in Stripe's metadata.
fn is_ours(refund: &Refund, id: Uuid) -> bool {
    refund
        .metadata
        .get(REFUND_ID)
        .is_some_and(|text| id_of(text) == Some(id))
}

/// Stripe ended the call or its key is too old: the list tells whether the refund was made.
async fn look(work: &Work<'_>, intent_id: &str, call_is_over: bool) -> Deed {
    match find(work, intent_id).await {
        Ok(Some(refund)) => seen(work.job.subject, refund),
        Ok(None) if call_is_over => Deed::event(Event::CallProvedVoid {
            call: Call::CreateRefund,
            refund: Some(work.job.subject),
            amount: None,
            fresh_attempt: Uuid::now_v7(),
        }),
        Ok(None) => Deed::dead("its key is older than 23 hours and Stripe shows no such refund"),
        Err(deed) => deed,
    }
}

/// A refusal is believed only when the refund is not there: the refused call may be the second of a lost first one.
async fn adopt_or_reject(
    work: &Work<'_>,
    intent_id: &str,
    error: workflows::stripe::StripeError,
) -> Deed {
    match find(work, intent_id).await {
        Ok(Some(refund)) => seen(work.job.subject, refund),
        Ok(None) => Deed::event(Event::RefundRejected {
            refund: work.job.subject,
            error,
        }),
        Err(deed) => deed,
    }
}
