//! `POST /v1/payment_intents/{id}/confirm`, and what the customer's authentication leads to.

use serde_json::value::RawValue;

use super::create::unknown_method;
use super::{answer, enter, expands, settle, unexpected_state};
use crate::form::Form;
use crate::intent::{Accepts, Intent, Status};
use crate::payment_method;
use crate::payment_method::{AUTHENTICATION_FAILED, PaymentMethod};
use crate::refusal::Refusal;
use crate::store::{Call, Store};

/// What the call takes.
pub(crate) const PARAMETERS: &[&str] = &[
    "client_secret",
    "expand",
    "off_session",
    "payment_method",
    "receipt_email",
    "return_url",
    "setup_future_usage",
    "use_stripe_sdk",
];

/// A confirmation whose parameters were found sound.
pub(super) struct Confirmation {
    method_name: String,
    return_url: Option<String>,
}

/// Confirms an intent.
pub(crate) fn confirm(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    expands(call.form, "latest_charge")?;
    let intent = store.intents.existing(call.id, "intent")?;
    let confirmation = plan(store, intent, call.form)?;
    carry_out(store, call.id, confirmation, call)?;
    answer(store, call.id, call.form)
}

/// Checks status and parameters; nothing has happened yet.
pub(super) fn plan(store: &Store, intent: &Intent, form: &Form) -> Result<Confirmation, Refusal> {
    use Status::{RequiresAction, RequiresConfirmation, RequiresPaymentMethod};
    if !matches!(
        intent.status,
        RequiresAction | RequiresConfirmation | RequiresPaymentMethod
    ) {
        let wanted = "requires_payment_method, requires_confirmation, requires_action";
        return Err(unexpected_state(store, intent, "confirmed", wanted));
    }
    let method_name = form
        .owned("payment_method")
        .or_else(|| intent.payment_method.clone());
    let Some(method_name) = method_name else {
        let message = "You cannot confirm this PaymentIntent because it's missing a payment method. To \
                       confirm the PaymentIntent, specify a payment method attached to a customer along \
                       with the customer ID.";
        return Err(
            Refusal::state("payment_intent_unexpected_state", message).intent(intent.render(None))
        );
    };
    let method = payment_method::find(&method_name).ok_or_else(|| unknown_method(&method_name))?;
    let return_url = form.owned("return_url");
    match &intent.accepts {
        Accepts::Types(types) if !types.iter().any(|accepted| accepted == method.kind()) => {
            let message = format!(
                "The PaymentMethod provided ({}) is not allowed for this PaymentIntent.",
                method.kind()
            );
            let code = "payment_intent_incompatible_payment_method";
            Err(Refusal::parameter(code, "payment_method", message))
        }
        Accepts::Automatic { redirects: true } if return_url.is_none() => Err(Refusal::invalid(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because \
             some of these payment methods might redirect your customer off of your page, you must provide \
             a `return_url`. If you don't want to accept redirect-based payment methods, set \
             `automatic_payment_methods[allow_redirects]` to `never`.",
        )
        .at("return_url")),
        _ => Ok(Confirmation {
            method_name,
            return_url,
        }),
    }
}

/// Asks the customer to authenticate, or the bank for the money.
pub(super) fn carry_out(
    store: &mut Store,
    id: &str,
    confirmation: Confirmation,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    let page = format!("{}/_sim/authenticate/{id}", store.rules.public_url);
    let Some(intent) = store.intents.find_mut(id) else {
        return Err(Refusal::missing("payment_intent", id, "intent"));
    };
    intent.payment_method = Some(confirmation.method_name);
    intent.return_url = confirmation.return_url;
    intent.last_error = None;
    intent.page = None;
    match behaviour(store, id) {
        Some(method) if method.authenticated => {
            if let Some(intent) = store.intents.find_mut(id) {
                intent.page = Some(page.into());
            }
            enter(store, id, Status::RequiresAction);
            store.emit_intent("payment_intent.requires_action", id, call);
            Ok(())
        }
        _ => settle::charge(store, id, call),
    }
}

/// How the confirmed payment method behaves, unless `/_sim` forced another behaviour.
pub(super) fn behaviour(store: &Store, id: &str) -> Option<PaymentMethod> {
    let intent = store.intents.find(id)?;
    let name = forced(store, intent).or(intent.payment_method.as_deref())?;
    payment_method::find(name)
}

/// The behaviour that `/_sim` forced on an intent or its payment.
pub(super) fn forced<'a>(store: &'a Store, intent: &Intent) -> Option<&'a str> {
    let forced = store.forced.get(&intent.id);
    let forced = forced.or_else(|| store.forced.get(intent.payment()));
    forced.map(String::as_str)
}

/// Ends the customer's authentication; a decline that follows shows in the intent and its events.
pub(crate) fn authenticate(
    store: &mut Store,
    id: &str,
    passed: bool,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    let intent = store.intents.existing_mut(id, "intent")?;
    if intent.status != Status::RequiresAction {
        let intent = store.intents.existing(id, "intent")?;
        return Err(unexpected_state(
            store,
            intent,
            "authenticated",
            "requires_action",
        ));
    }
    intent.page = None;
    if !passed {
        settle::fail(store, id, None, &AUTHENTICATION_FAILED, call);
        return Ok(());
    }
    match settle::charge(store, id, call) {
        Err(refusal) if refusal.status != 402 => Err(refusal),
        _ => Ok(()),
    }
}
