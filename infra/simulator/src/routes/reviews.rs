//! `/v1/reviews`.

use serde_json::value::RawValue;

use crate::bank::holds;
use crate::objects::review::Review;
use crate::refusal::Refusal;
use crate::store::{Call, Store};
use crate::table;

/// Parameters of `GET /v1/reviews/{id}`.
pub(crate) const RETRIEVE: &[&str] = &["expand[]"];
/// Parameters of `POST /v1/reviews/{id}/approve`.
pub(crate) const APPROVE: &[&str] = &["expand[]"];
/// Parameters of `GET /v1/reviews`.
pub(crate) const LIST: &[&str] = &[
    "created",
    "created[gt]",
    "created[gte]",
    "created[lt]",
    "created[lte]",
    "ending_before",
    "expand[]",
    "limit",
    "starting_after",
];

/// `GET /v1/reviews/{id}`.
pub(crate) fn retrieve(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("")?;
    store
        .reviews
        .existing(call.id, "review")
        .map(Review::render)
}

/// `GET /v1/reviews`: those that are open.
pub(crate) fn list(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("")?;
    let open = store.reviews.iter().rev().filter(|review| review.is_open());
    let exists = |id: &str| store.reviews.find(id).is_some();
    let page = table::select(open, call.form, exists)?;
    Ok(page.render("/v1/reviews", Review::render))
}

/// `POST /v1/reviews/{id}/approve`: closes it.
pub(crate) fn approve(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("")?;
    holds::close_review(store, call.id, "approved", call)?;
    store
        .reviews
        .existing(call.id, "review")
        .map(Review::render)
}
