//! Asks Stripe how a payment stands, where what we were told does not fit together or nobody told us anything.

use uuid::Uuid;
use workflows::stream::Event;

use super::{Deed, Work};
use crate::store::job::Finish;
use crate::stripe::Failure;

pub(super) async fn perform(work: Work<'_>) -> Deed {
    let payment = &work.record.stream.payment;
    // Without an intent the job that creates it finds out.
    let Some(intent_id) = payment.intent_id.as_deref() else {
        return Deed::moot();
    };
    match ask(&work, intent_id).await {
        Ok(event) => Deed {
            finish: Finish::Done,
            event: Some(Box::new(event)),
            expected_version: Some(payment.version),
        },
        Err(failure) => work.asked_in_vain(&failure),
    }
}

async fn ask(work: &Work<'_>, intent_id: &str) -> Result<Event, Failure> {
    let intent = work.stripe.retrieve_intent(intent_id).await?.object;
    let charge = match intent.charge_id() {
        Some(charge) => Some(work.stripe.retrieve_charge(charge).await?.object),
        None => None,
    };
    let payment = &work.record.stream.payment;
    let has_refunds = payment.refunded + payment.reserved > 0
        || charge.as_ref().is_some_and(|it| it.amount_refunded > 0);
    let refunds = if has_refunds {
        work.stripe.list_refunds(intent_id).await?.object
    } else {
        Vec::new()
    };
    let fresh_refunds = refunds.iter().map(|_| Uuid::now_v7()).collect();
    Ok(Event::Resynced {
        intent,
        charge,
        refunds,
        fresh_attempt: Uuid::now_v7(),
        fresh_refunds,
    })
}
