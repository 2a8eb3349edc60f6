//! `GET /v1/payment_intents` and `GET /v1/payment_intents/{id}`.

use serde_json::value::RawValue;

use crate::form::Form;
use crate::objects::charge::Charge;
use crate::objects::intent::Intent;
use crate::refusal::Refusal;
use crate::store::{Call, Store};
use crate::table;

/// Parameters of `GET /v1/payment_intents/{id}`.
pub(crate) const RETRIEVE: &[&str] = &["client_secret", "expand[]"];
/// Parameters of `GET /v1/payment_intents`.
pub(crate) const LIST: &[&str] = &[
    "created",
    "created[gt]",
    "created[gte]",
    "created[lt]",
    "created[lte]",
    "customer",
    "ending_before",
    "expand[]",
    "limit",
    "starting_after",
];

/// `GET /v1/payment_intents/{id}`.
pub(crate) fn retrieve(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    answer(store, call.id, call.form)
}

/// `GET /v1/payment_intents`.
pub(crate) fn list(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    let expanded = call.form.expands("data.latest_charge")?;
    let customer = call.form.text("customer");
    let intents = store.intents.iter().rev();
    let intents = intents
        .filter(|intent| customer.is_none_or(|wanted| intent.customer.as_deref() == Some(wanted)));
    let page = table::select(intents, call.form, |id| store.intents.find(id).is_some())?;
    Ok(page.render("/v1/payment_intents", |intent| {
        intent.render(latest_charge(store, intent, expanded))
    }))
}

/// Renders the intent as it now is, with `latest_charge` expanded if `form` asks for it.
pub(crate) fn answer(store: &Store, id: &str, form: &Form) -> Result<Box<RawValue>, Refusal> {
    let expanded = form.expands("latest_charge")?;
    let intent = store.intents.existing(id, "intent")?;
    Ok(intent.render(latest_charge(store, intent, expanded)))
}

fn latest_charge<'a>(store: &'a Store, intent: &Intent, expanded: bool) -> Option<&'a Charge> {
    let id = intent.latest_charge().filter(|_| expanded)?;
    store.charges.find(id)
}
