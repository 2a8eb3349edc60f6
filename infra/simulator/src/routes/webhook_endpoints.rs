//! `/v1/webhook_endpoints`.

use std::sync::Arc;

use serde_json::json;
use serde_json::value::RawValue;

use crate::objects::endpoint::Endpoint;
use crate::refusal::Refusal;
use crate::store::{Call, Store};
use crate::{json, table};

/// Parameters of `POST /v1/webhook_endpoints`.
pub(crate) const CREATE: &[&str] = &[
    "url",
    "enabled_events[]",
    "description",
    "metadata[*]",
    "api_version",
    "connect",
    "expand[]",
];
/// Parameters of `GET /v1/webhook_endpoints`.
pub(crate) const LIST: &[&str] = &["limit", "starting_after", "ending_before", "expand[]"];

/// `POST /v1/webhook_endpoints`.
pub(crate) fn create(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    let url = call.form.required("url")?;
    let enabled = call
        .form
        .list("enabled_events")
        .map(str::to_owned)
        .collect();
    let mut endpoint = Endpoint::new(url, None, enabled, call.now)?;
    endpoint.description = call.form.owned("description");
    let shown = endpoint.render(true);
    store.endpoints.insert(Arc::new(endpoint));
    Ok(shown)
}

/// `GET /v1/webhook_endpoints/{id}`.
pub(crate) fn retrieve(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    let endpoint = store.endpoints.existing(call.id, "webhook_endpoint")?;
    Ok(endpoint.render(false))
}

/// `GET /v1/webhook_endpoints`.
pub(crate) fn list(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    let page = table::select(store.endpoints.iter().rev(), call.form, |id| {
        store.endpoints.find(id).is_some()
    })?;
    Ok(page.render("/v1/webhook_endpoints", |endpoint| endpoint.render(false)))
}

/// `DELETE /v1/webhook_endpoints/{id}`.
pub(crate) fn delete(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    store.endpoints.existing(call.id, "webhook_endpoint")?;
    store.endpoints.remove(call.id);
    Ok(json::render(
        &json!({"id": call.id, "object": "webhook_endpoint", "deleted": true}),
    ))
}
