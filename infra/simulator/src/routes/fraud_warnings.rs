//! `/v1/radar/early_fraud_warnings`.

use serde_json::value::RawValue;

use crate::objects::fraud_warning::FraudWarning;
use crate::refusal::Refusal;
use crate::store::{Call, Store};
use crate::table;

/// Parameters of `GET /v1/radar/early_fraud_warnings/{id}`.
pub(crate) const RETRIEVE: &[&str] = &["expand[]"];
/// Parameters of `GET /v1/radar/early_fraud_warnings`.
pub(crate) const LIST: &[&str] = &[
    "charge",
    "created",
    "created[gt]",
    "created[gte]",
    "created[lt]",
    "created[lte]",
    "ending_before",
    "expand[]",
    "limit",
    "payment_intent",
    "starting_after",
];

/// `GET /v1/radar/early_fraud_warnings/{id}`.
pub(crate) fn retrieve(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("")?;
    let warning = store
        .fraud_warnings
        .existing(call.id, "early_fraud_warning")?;
    Ok(warning.render())
}

/// `GET /v1/radar/early_fraud_warnings`.
pub(crate) fn list(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("")?;
    let charge = call.form.text("charge");
    let intent = call.form.text("payment_intent");
    let warnings = store.fraud_warnings.iter().rev().filter(|warning| {
        charge.is_none_or(|wanted| wanted == warning.charge)
            && intent.is_none_or(|wanted| wanted == warning.payment_intent)
    });
    let exists = |id: &str| store.fraud_warnings.find(id).is_some();
    let page = table::select(warnings, call.form, exists)?;
    Ok(page.render("/v1/radar/early_fraud_warnings", FraudWarning::render))
}
