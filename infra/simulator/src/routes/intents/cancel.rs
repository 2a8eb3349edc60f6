//! `POST /v1/payment_intents/{id}/cancel`.

use serde_json::value::RawValue;

use crate::bank::cancellation;
use crate::refusal::Refusal;
use crate::routes::intents::read::answer;
use crate::store::{Call, Store};
use crate::validate;

/// Parameters of the route.
pub(crate) const PARAMETERS: &[&str] = &["cancellation_reason", "expand[]"];

const REASONS: &[&str] = &[
    "abandoned",
    "duplicate",
    "fraudulent",
    "requested_by_customer",
];

/// Cancels an intent that has collected no money; an authorized amount is released.
pub(crate) fn cancel(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("latest_charge")?;
    let reason = validate::choice(call.form, "cancellation_reason", REASONS)?;
    cancellation::cancel(store, call.id, reason.as_deref(), call)?;
    answer(store, call.id, call.form)
}
