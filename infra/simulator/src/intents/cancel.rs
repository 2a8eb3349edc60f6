//! `POST /v1/payment_intents/{id}/cancel`, and the end of an authorisation that nobody captured.

use serde_json::json;
use serde_json::value::RawValue;

use super::{answer, enter, expands, unexpected_state};
use crate::intent::Status;
use crate::refusal::Refusal;
use crate::store::{Call, Store};

/// What the call takes.
pub(crate) const PARAMETERS: &[&str] = &["cancellation_reason", "expand"];

const REASONS: &[&str] = &[
    "abandoned",
    "duplicate",
    "fraudulent",
    "requested_by_customer",
];

/// Cancels an intent that has taken no money; what it holds is released.
pub(crate) fn cancel(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    expands(call.form, "latest_charge")?;
    let reason = call.form.text("cancellation_reason");
    if let Some(reason) = reason
        && !REASONS.contains(&reason)
    {
        let message = format!(
            "Invalid cancellation_reason: must be one of {}, not {reason}",
            REASONS.join(", ")
        );
        return Err(Refusal::invalid(message).at("cancellation_reason"));
    }
    end(store, call.id, reason, "charge.refunded", call)?;
    answer(store, call.id, call.form)
}

/// Lets the authorisation of an intent expire, as Stripe does after seven days.
pub(crate) fn expire(store: &mut Store, id: &str, call: &Call<'_>) -> Result<(), Refusal> {
    let intent = store.intents.existing(id, "intent")?;
    if intent.status != Status::RequiresCapture {
        return Err(unexpected_state(
            store,
            intent,
            "expired",
            "requires_capture",
        ));
    }
    end(store, id, Some("automatic"), "charge.expired", call)
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
        let intent = store.intents.existing(id, "intent")?;
        let wanted =
            "requires_payment_method, requires_capture, requires_confirmation, requires_action";
        return Err(unexpected_state(store, intent, "canceled", wanted));
    }
    let held = intent.status == RequiresCapture;
    let charge_id = intent.latest_charge().filter(|_| held).map(str::to_owned);
    intent.amount_capturable = 0;
    intent.page = None;
    intent.canceled_at = Some(call.now);
    intent.cancellation_reason = reason.map(str::to_owned);
    enter(store, id, Status::Canceled);
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
