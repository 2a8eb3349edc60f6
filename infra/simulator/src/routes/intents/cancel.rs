//! `POST /v1/payment_intents/{id}/cancel`.

use serde_json::value::RawValue;

use crate::bank::cancellation;
use crate::refusal::Refusal;
use crate::routes::intents::read::answer;
use crate::store::{Call, Store};

/// Parameters of the route.
pub(crate) const PARAMETERS: &[&str] = &["cancellation_reason", "expand"];

const REASONS: &[&str] = &[
    "abandoned",
    "duplicate",
    "fraudulent",
    "requested_by_customer",
];

/// Cancels an intent that has collected no money; an authorized amount is released.
pub(crate) fn cancel(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("latest_charge")?;
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
    cancellation::cancel(store, call.id, reason, call)?;
    answer(store, call.id, call.form)
}
