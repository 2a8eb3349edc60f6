//! The end of an intent that collects no money: canceled on request, or because its authorization expired.

use serde_json::json;

use crate::bank::refunds;
use crate::objects::intent::Status;
use crate::refusal::Refusal;
use crate::routes::intents::capture;
use crate::store::{Call, Store};

/// Cancels an intent; an authorized amount is released. Where a part was captured, that part is kept and the intent succeeds.
pub(crate) fn cancel(
    store: &mut Store,
    id: &str,
    reason: Option<&str>,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    end(store, id, reason, "charge.refunded", call)
}

/// Expires the authorization of an intent, as Stripe does after seven days.
pub(crate) fn expire(store: &mut Store, id: &str, call: &Call<'_>) -> Result<(), Refusal> {
    let intent = store.intents.existing(id, "intent")?;
    if intent.status != Status::RequiresCapture {
        return Err(intent.unexpected_state("expired", "requires_capture"));
    }
    let authorized = intent.latest_charge().map(str::to_owned);
    let amount = intent.amount_capturable;
    end(store, id, Some("automatic"), "charge.expired", call)?;
    if let Some(charge_id) = authorized {
        refunds::release(store, &charge_id, amount, call);
    }
    Ok(())
}

fn end(
    store: &mut Store,
    id: &str,
    reason: Option<&str>,
    charge_event: &str,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    use Status::{RequiresAction, RequiresCapture, RequiresConfirmation, RequiresPaymentMethod};
    let intent = store.intents.existing_mut(id, "intent")?;
    if !matches!(
        intent.status,
        RequiresAction | RequiresCapture | RequiresConfirmation | RequiresPaymentMethod
    ) {
        let allowed =
            "requires_payment_method, requires_capture, requires_confirmation, requires_action";
        return Err(intent.unexpected_state("canceled", allowed));
    }
    let is_authorized = intent.status == RequiresCapture;
    if intent.amount_received > 0 {
        capture::finish(store, id, call);
        return Ok(());
    }
    let charge_id = intent.latest_charge().filter(|_| is_authorized);
    let charge_id = charge_id.map(str::to_owned);
    intent.amount_capturable = 0;
    intent.page = None;
    intent.canceled_at = Some(call.now);
    intent.cancellation_reason = reason.map(str::to_owned);
    store.enter(id, Status::Canceled);
    if let Some(charge_id) = charge_id {
        if let Some(charge) = store.charges.find_mut(&charge_id) {
            charge.amount_refunded = charge.amount;
        }
        let previous = json!({"amount_refunded": 0, "refunded": false});
        store.emit_charge(charge_event, &charge_id, Some(previous), call);
    }
    store.emit_intent("payment_intent.canceled", id, call);
    Ok(())
}
