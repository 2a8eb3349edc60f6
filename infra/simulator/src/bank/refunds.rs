//! Refunds that the bank completes later, and those by which Stripe releases an authorization.

use std::collections::BTreeMap;

use serde_json::json;

use crate::faults::rule::Fault;
use crate::id;
use crate::objects::payment_method::Refunds;
use crate::objects::refund::{RELEASE, Refund, Status};
use crate::refusal::Refusal;
use crate::store::{Call, Store};

/// Applies the late end of a refund: `outcome`, or that of its charge's payment method.
pub(crate) fn settle(
    store: &mut Store,
    id: &str,
    outcome: Option<Status>,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    let refund = store.refunds.existing_mut(id, "refund")?;
    if refund.is_release() {
        let message = format!("The refund {id} only releases an authorization.");
        return Err(Refusal::invalid(message));
    }
    let Some(charge) = store.charges.find_mut(&refund.charge) else {
        return Err(Refusal::missing("charge", &refund.charge, "charge"));
    };
    let outcome = outcome.unwrap_or(match charge.behaviour().map(|method| method.refunds) {
        Some(Refunds::FailLater) => Status::Failed,
        _ => Status::Succeeded,
    });
    let before = refund.status;
    if before == outcome || matches!(before, Status::Failed | Status::Canceled) {
        return Ok(());
    }
    refund.status = outcome;
    let (amount, charge_id) = (refund.amount, charge.id.clone());
    let totals = store.ledger.totals(&refund.currency);
    match before {
        Status::Pending => totals.refund_pending -= amount,
        Status::Succeeded | Status::Failed | Status::Canceled => totals.refunded -= amount,
    }
    match outcome {
        Status::Succeeded => totals.refunded += amount,
        Status::Pending => totals.refund_pending += amount,
        Status::Failed => {
            refund.failure_reason = Some("expired_or_canceled_card".to_owned());
            charge.amount_refunded -= amount;
        }
        Status::Canceled => {
            refund.failure_reason = Some("merchant_request".to_owned());
            charge.amount_refunded -= amount;
        }
    }
    let previous = json!({"status": before});
    store.emit_refund("refund.updated", id, Some(previous.clone()), call);
    store.emit_refund("charge.refund.updated", id, Some(previous), call);
    if outcome == Status::Failed {
        store.emit_refund("refund.failed", id, None, call);
        let previous = json!({"amount_refunded": amount});
        store.emit_charge("charge.updated", &charge_id, Some(previous), call);
    }
    Ok(())
}

/// Releases `amount` of a charge's authorization by a refund, if [`Fault::ReleaseRefund`] is drawn.
///
/// Stripe's reason for it is `expired_uncaptured_charge`. No money is paid back, so that the ledger does not count it.
pub(crate) fn release(store: &mut Store, charge_id: &str, amount: i64, call: &Call<'_>) {
    if amount == 0 {
        return;
    }
    let faults = &store.faults;
    let drawn = faults.draw_for_object(Fault::ReleaseRefund, "refund.created");
    let Some(charge) = store
        .charges
        .find_mut(charge_id)
        .filter(|_| drawn.is_some())
    else {
        return;
    };
    let refund = Refund {
        id: id::new("re"),
        amount,
        charge: charge.id.clone(),
        created: call.now,
        currency: charge.currency.clone(),
        failure_reason: None,
        metadata: BTreeMap::new(),
        payment_intent: charge.payment_intent.clone(),
        reason: Some(RELEASE.to_owned()),
        status: Status::Succeeded,
    };
    charge.amount_released += amount;
    charge.amount_refunded = charge.amount_refunded.max(charge.amount_released);
    charge.refunds.push(refund.id.clone());
    let shown = refund.render();
    store.refunds.insert(refund);
    store.emit("refund.created", &shown, None, call);
}
