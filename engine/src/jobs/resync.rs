//! `resync`: reads a payment's objects at Stripe, where reports do not fit together or none came.

use uuid::Uuid;
use workflows::stream::{Event, Snapshot};

use super::{JobResult, Performed, Work};
use crate::stripe::Failure;

pub(super) async fn perform(work: &Work<'_>) -> Performed {
    let payment = &work.record.stream.payment;
    // A payment without an intent is left to the job that creates the intent.
    let Some(intent_id) = payment.intent_id.as_deref() else {
        return Ok(JobResult::obsolete());
    };
    Ok(match read(work, intent_id).await {
        Ok(snapshot) => JobResult {
            expected_version: Some(payment.version),
            ..JobResult::report(Event::Resynced(snapshot))
        },
        Err(failure) => work.read_failed(&failure),
    })
}

async fn read(work: &Work<'_>, intent_id: &str) -> Result<Snapshot, Failure> {
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
    let has_disputes =
        payment.open_disputes > 0 || charge.as_ref().is_some_and(|charge| charge.disputed);
    let disputes = if has_disputes {
        work.stripe.list_disputes(intent_id).await?.object
    } else {
        Vec::new()
    };
    Ok(Snapshot {
        fresh_refunds: refunds.iter().map(|_| Uuid::now_v7()).collect(),
        fresh_disputes: disputes.iter().map(|_| Uuid::now_v7()).collect(),
        intent,
        charge,
        refunds,
        disputes,
        fresh_attempt: Uuid::now_v7(),
        fresh_capture: Uuid::now_v7(),
    })
}
