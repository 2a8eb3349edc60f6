//! `POST /v1/payment_intents/{id}/confirm`.

use serde_json::value::RawValue;

use crate::bank::charges;
use crate::form::Form;
use crate::objects::intent::{Accepts, Intent, Status};
use crate::refusal::Refusal;
use crate::routes::intents::read::answer;
use crate::store::{Call, Store};
use crate::validate;

/// Parameters of the route.
pub(crate) const PARAMETERS: &[&str] = &[
    "client_secret",
    "expand[]",
    "off_session",
    "payment_method",
    "receipt_email=",
    "return_url",
    "setup_future_usage=",
    "use_stripe_sdk",
];

/// A confirmation with checked parameters.
pub(crate) struct Confirmation {
    method_name: String,
    receipt_email: Option<String>,
    return_url: Option<String>,
}

/// Confirms an intent.
pub(crate) fn confirm(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("latest_charge")?;
    let intent = store.intents.existing(call.id, "intent")?;
    let confirmation = check(intent, call.form)?;
    execute(store, call.id, confirmation, call)?;
    answer(store, call.id, call.form)
}

/// Checks status and parameters, without any effect.
pub(crate) fn check(intent: &Intent, form: &Form) -> Result<Confirmation, Refusal> {
    use Status::{RequiresAction, RequiresConfirmation, RequiresPaymentMethod};
    if !matches!(
        intent.status,
        RequiresAction | RequiresConfirmation | RequiresPaymentMethod
    ) {
        let allowed = "requires_payment_method, requires_confirmation, requires_action";
        return Err(intent.unexpected_state("confirmed", allowed));
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
    let method = validate::payment_method(&method_name)?;
    let return_url = validate::address(form, "return_url")?;
    let receipt_email = validate::email(form, "receipt_email")?;
    form.flag("off_session")?;
    validate::choice(form, "setup_future_usage", &["off_session", "on_session"])?;
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
            receipt_email,
            return_url,
        }),
    }
}

/// Requests the customer's authentication, or the money from the bank.
pub(crate) fn execute(
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
    if confirmation.receipt_email.is_some() {
        intent.receipt_email = confirmation.receipt_email;
    }
    intent.last_error = None;
    intent.page = None;
    match store.behaviour(id) {
        Some(method) if method.authenticated => {
            if let Some(intent) = store.intents.find_mut(id) {
                intent.page = Some(page.into());
            }
            store.enter(id, Status::RequiresAction);
            store.emit_intent("payment_intent.requires_action", id, call);
            Ok(())
        }
        _ => charges::charge(store, id, call),
    }
}
