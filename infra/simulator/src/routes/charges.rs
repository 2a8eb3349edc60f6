//! `/v1/charges`.

use serde_json::json;
use serde_json::value::RawValue;

use crate::objects::charge::Charge;
use crate::refusal::Refusal;
use crate::store::{Call, Store};
use crate::{table, validate};

/// Parameters of `GET /v1/charges/{id}`.
pub(crate) const RETRIEVE: &[&str] = &["expand[]"];
/// Parameters of `GET /v1/charges`.
pub(crate) const LIST: &[&str] = &[
    "created",
    "created[gt]",
    "created[gte]",
    "created[lt]",
    "created[lte]",
    "ending_before",
    "limit",
    "payment_intent",
    "starting_after",
];

/// Parameters of `POST /v1/charges/{id}`.
pub(crate) const UPDATE: &[&str] = &["description", "expand[]", "metadata[*]", "receipt_email="];

/// `POST /v1/charges/{id}`: changes what is given.
pub(crate) fn update(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    let form = call.form;
    form.expands("")?;
    let mut charge = store.charges.existing(call.id, "charge")?.clone();
    let previous = json!({"metadata": charge.metadata});
    if form.has("description") {
        charge.description = validate::text(form, "description", validate::DESCRIPTION_LENGTH)?;
    }
    if form.has("receipt_email") {
        charge.receipt_email = validate::email(form, "receipt_email")?;
    }
    charge.metadata = form.metadata(charge.metadata)?;
    let shown = charge.render();
    *store.charges.existing_mut(call.id, "charge")? = charge;
    store.emit("charge.updated", &shown, Some(previous), call);
    Ok(shown)
}

/// `GET /v1/charges/{id}`.
pub(crate) fn retrieve(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("")?;
    store
        .charges
        .existing(call.id, "charge")
        .map(Charge::render)
}

/// `GET /v1/charges`.
pub(crate) fn list(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    let exists = |id: &str| store.charges.find(id).is_some();
    let page = match call.form.text("payment_intent") {
        Some(intent) => {
            let ids = &store.intents.existing(intent, "payment_intent")?.charges;
            let charges = ids.iter().rev().filter_map(|id| store.charges.find(id));
            table::select(charges, call.form, exists)?
        }
        None => table::select(store.charges.iter().rev(), call.form, exists)?,
    };
    Ok(page.render("/v1/charges", Charge::render))
}
