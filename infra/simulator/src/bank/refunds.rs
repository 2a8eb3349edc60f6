//! The bank's late answer about a refund.

use serde_json::json;

use crate::objects::payment_method::Refunds;
use crate::objects::refund::Status;
use crate::refusal::Refusal;
use crate::store::{Call, Store};

/// Applies the bank's late answer about a refund: `outcome`, or that of its charge's payment method.
pub(crate) fn settle(
    store: &mut Store,
    id: &str,
    outcome: Option<Status>,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    let refund = store.refunds.existing_mut(id, "refund")?;
    let Some(charge) = store.charges.find_mut(&refund.charge) else {
        return Err(Refusal::missing("charge", &refund.charge, "charge"));
    };
    let outcome = outcome.unwrap_or(match charge.behaviour().map(|method| method.refunds) {
        Some(Refunds::FailLater) => Status::Failed,
        _ => Status::Succeeded,
    });
    let before = refund.status;
    if before == outcome || before == Status::Failed {
        return Ok(());
    }
    refund.status = outcome;
    let (amount, charge_id) = (refund.amount, charge.id.clone());
    let totals = store.ledger.totals(&refund.currency);
    match before {
        Status::Pending => totals.refund_pending -= amount,
        Status::Succeeded | Status::Failed => totals.refunded -= amount,
    }
    match outcome {
        Status::Succeeded => totals.refunded += amount,
        Status::Pending => totals.refund_pending += amount,
        Status::Failed => {
            refund.failure_reason = Some("expired_or_canceled_card".to_owned());
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
