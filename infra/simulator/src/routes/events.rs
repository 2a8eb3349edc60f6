//! `/v1/events`.

use serde_json::value::RawValue;

use crate::objects::event;
use crate::refusal::Refusal;
use crate::store::{Call, Store};
use crate::table;

/// Parameters of `GET /v1/events/{id}`.
pub(crate) const RETRIEVE: &[&str] = &["expand[]"];
/// Parameters of `GET /v1/events`.
pub(crate) const LIST: &[&str] = &[
    "created",
    "created[gt]",
    "created[gte]",
    "created[lt]",
    "created[lte]",
    "delivery_success",
    "ending_before",
    "expand[]",
    "limit",
    "starting_after",
    "type",
    "types[]",
];

/// `GET /v1/events/{id}`.
pub(crate) fn retrieve(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    let event = store.events.existing(call.id, "id")?;
    Ok(event.render())
}

/// `GET /v1/events`: `delivery_success=false` selects the events that an endpoint has not acknowledged.
pub(crate) fn list(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    let form = call.form;
    let types: Vec<_> = form.list("types").chain(form.text("type")).collect();
    let delivered = match form.text("delivery_success") {
        Some(_) => Some(form.flag("delivery_success")?),
        None => None,
    };
    let events = store.events.iter().rev().filter(|event| {
        let has_type =
            types.is_empty() || types.iter().any(|group| event::matches(group, &event.kind));
        has_type && delivered.is_none_or(|delivered| delivered == event.is_delivered())
    });
    let page = table::select(events, form, |id| store.events.find(id).is_some())?;
    Ok(page.render("/v1/events", |event| event.render()))
}
