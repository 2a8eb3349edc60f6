//! `POST /v1/payment_intents/{id}/capture`.

use serde_json::json;
use serde_json::value::RawValue;

use crate::bank::{consequences, refunds};
use crate::objects::intent::Status;
use crate::refusal::Refusal;
use crate::routes::intents::read::answer;
use crate::store::{Call, Store};
use crate::validate;

/// Parameters of the route.
pub(crate) const PARAMETERS: &[&str] = &[
    "amount_to_capture",
    "expand[]",
    "final_capture",
    "metadata[*]",
    "statement_descriptor",
    "statement_descriptor_suffix",
];

/// Captures all or a part of the authorized amount; the rest is released.
pub(crate) fn capture(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("latest_charge")?;
    let asked = call.form.integer("amount_to_capture")?;
    let is_final = !call.form.has_value("final_capture") || call.form.flag("final_capture")?;
    let suffix = validate::descriptor(call.form, "statement_descriptor_suffix")?;
    if call.form.has("statement_descriptor") {
        let message = "The `statement_descriptor` parameter is not supported for card charges. Use \
                       `statement_descriptor_suffix` instead.";
        return Err(Refusal::invalid(message).at("statement_descriptor"));
    }
    let intent = store.intents.existing(call.id, "intent")?;
    let metadata = call.form.metadata(intent.metadata.clone())?;
    let amount = asked.unwrap_or(intent.amount_capturable);
    if intent.status == Status::Succeeded {
        let message =
            "This PaymentIntent could not be captured because it has already been captured.";
        let refusal = Refusal::state("payment_intent_unexpected_state", message);
        return Err(refusal.intent(intent.render(None)));
    }
    if intent.status != Status::RequiresCapture {
        return Err(intent.unexpected_state("captured", "requires_capture"));
    }
    if amount < 1 {
        let message = "This value must be greater than or equal to 1.";
        return Err(Refusal::integer("amount_to_capture", message));
    }
    if amount > intent.amount_capturable {
        let message = format!(
            "The amount_to_capture ({amount}) must be at most the amount capturable ({}).",
            intent.amount_capturable
        );
        return Err(Refusal::parameter(
            "amount_too_large",
            "amount_to_capture",
            message,
        ));
    }
    if !is_final && !intent.multicapture {
        let message = "Multicapture is not available for this payment.";
        return Err(Refusal::invalid(message).at("final_capture"));
    }
    let charge_id = intent.latest_charge().unwrap_or_default().to_owned();
    let intent = store.intents.existing_mut(call.id, "intent")?;
    intent.metadata = metadata;
    if suffix.is_some() {
        intent.statement_descriptor_suffix = suffix;
    }
    let is_last = is_final || amount == intent.amount_capturable;
    collect(store, call, &charge_id, amount);
    if is_last {
        finish(store, call.id, call);
    }
    answer(store, call.id, call.form)
}

/// Takes a part of the authorized amount; the rest stays authorized.
fn collect(store: &mut Store, call: &Call<'_>, charge_id: &str, amount: i64) {
    let (Some(intent), Some(charge)) = (
        store.intents.find_mut(call.id),
        store.charges.find_mut(charge_id),
    ) else {
        return;
    };
    let before = charge.amount_captured;
    intent.amount_capturable -= amount;
    intent.amount_received += amount;
    charge.amount_captured += amount;
    store.ledger.totals(&intent.currency).captured += amount;
    if intent.multicapture {
        let previous = json!({"amount_captured": before});
        store.emit_charge("charge.updated", charge_id, Some(previous), call);
        store.emit_intent("payment_intent.amount_capturable_updated", call.id, call);
    }
}

/// Ends an intent of which something was captured: what is still authorized is released.
pub(crate) fn finish(store: &mut Store, id: &str, call: &Call<'_>) {
    let Some(intent) = store.intents.find_mut(id) else {
        return;
    };
    let rest = intent.amount_capturable;
    intent.amount_capturable = 0;
    let charge_id = intent.latest_charge().unwrap_or_default().to_owned();
    if let Some(charge) = store.charges.find_mut(&charge_id) {
        charge.captured = true;
    }
    store.enter(id, Status::Succeeded);
    let previous = json!({"captured": false});
    store.emit_charge("charge.captured", &charge_id, Some(previous), call);
    store.emit_intent("payment_intent.succeeded", id, call);
    refunds::release(store, &charge_id, rest, call);
    consequences::schedule(store, &charge_id);
}
