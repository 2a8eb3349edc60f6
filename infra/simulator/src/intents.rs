//! `/v1/payment_intents`.

mod cancel;
mod capture;
mod confirm;
mod create;
mod settle;

use serde_json::value::RawValue;

use crate::charge::Charge;
use crate::form::Form;
use crate::intent::{Intent, Status};
use crate::refusal::Refusal;
use crate::store::{Call, Store};
use crate::table;

pub(crate) use cancel::{PARAMETERS as CANCEL, cancel, expire};
pub(crate) use capture::{PARAMETERS as CAPTURE, capture};
pub(crate) use confirm::{PARAMETERS as CONFIRM, authenticate, confirm};
pub(crate) use create::{PARAMETERS as CREATE, create, metadata};
pub(crate) use settle::settle;

/// Parameters of `GET /v1/payment_intents/{id}`.
pub(crate) const RETRIEVE: &[&str] = &["client_secret", "expand"];
/// Parameters of `GET /v1/payment_intents`.
pub(crate) const LIST: &[&str] = &[
    "created",
    "customer",
    "ending_before",
    "expand",
    "limit",
    "starting_after",
];

/// `GET /v1/payment_intents/{id}`.
pub(crate) fn retrieve(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    answer(store, call.id, call.form)
}

/// `GET /v1/payment_intents`.
pub(crate) fn list(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    let expanded = expands(call.form, "data.latest_charge")?;
    let customer = call.form.text("customer");
    let intents = store.intents.iter().rev();
    let intents = intents
        .filter(|intent| customer.is_none_or(|wanted| intent.customer.as_deref() == Some(wanted)));
    let page = table::page(intents, call.form, |id| store.intents.find(id).is_some())?;
    Ok(page.render("/v1/payment_intents", |intent| {
        intent.render(latest_charge(store, intent, expanded))
    }))
}

/// The intent as it now is, expanded as `form` asks.
fn answer(store: &Store, id: &str, form: &Form) -> Result<Box<RawValue>, Refusal> {
    let expanded = expands(form, "latest_charge")?;
    let intent = store.intents.existing(id, "intent")?;
    Ok(intent.render(latest_charge(store, intent, expanded)))
}

fn latest_charge<'a>(store: &'a Store, intent: &Intent, expanded: bool) -> Option<&'a Charge> {
    let id = intent.latest_charge().filter(|_| expanded)?;
    store.charges.find(id)
}

/// Whether `form` asks to expand `path`; anything else cannot be expanded here.
pub(crate) fn expands(form: &Form, path: &str) -> Result<bool, Refusal> {
    let mut expanded = false;
    for asked in form.list("expand") {
        if asked != path {
            let message = format!("This property cannot be expanded ({asked}).");
            return Err(Refusal::invalid(message).at("expand"));
        }
        expanded = true;
    }
    Ok(expanded)
}

/// The conflict of doing `what` to an intent whose status forbids it; it shows the intent.
fn unexpected_state(store: &Store, intent: &Intent, what: &str, wanted: &str) -> Refusal {
    let message = format!(
        "This PaymentIntent could not be {what} because it has a status of {}. Only a PaymentIntent \
         with one of the following statuses may be {what}: {wanted}.",
        intent.status.as_str()
    );
    let shown = intent.render(latest_charge(store, intent, false));
    Refusal::state("payment_intent_unexpected_state", message).intent(shown)
}

/// Sets an intent's status; the last one of its life is counted.
fn enter(store: &mut Store, id: &str, status: Status) {
    let Some(intent) = store.intents.find_mut(id) else {
        return;
    };
    intent.status = status;
    if status.is_final() {
        store.finish(id);
    }
}
