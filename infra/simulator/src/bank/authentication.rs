//! The end of a customer's authentication (3-D Secure).

use crate::bank::charges;
use crate::objects::intent::Status;
use crate::objects::payment_method::AUTHENTICATION_FAILED;
use crate::refusal::Refusal;
use crate::store::{Call, Store};

/// Ends the customer's authentication; a decline that follows shows in the intent and its events.
pub(crate) fn authenticate(
    store: &mut Store,
    id: &str,
    passed: bool,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    let intent = store.intents.existing_mut(id, "intent")?;
    if intent.status != Status::RequiresAction {
        return Err(intent.unexpected_state("authenticated", "requires_action"));
    }
    intent.page = None;
    if !passed {
        charges::fail(store, id, None, &AUTHENTICATION_FAILED, call);
        return Ok(());
    }
    match charges::charge(store, id, call) {
        Err(refusal) if refusal.status != 402 => Err(refusal),
        _ => Ok(()),
    }
}
