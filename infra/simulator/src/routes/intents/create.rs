//! `POST /v1/payment_intents`.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::form::Form;
use crate::objects::intent::{Accepts, Intent, Status};
use crate::refusal::Refusal;
use crate::routes::intents::confirm;
use crate::routes::intents::read::answer;
use crate::store::{Call, Store};
use crate::{currency, id, validate};

/// Parameters of the route.
pub(crate) const PARAMETERS: &[&str] = &[
    "amount",
    "automatic_payment_methods[allow_redirects]",
    "automatic_payment_methods[enabled]",
    "capture_method",
    "confirm",
    "currency",
    "customer",
    "description",
    "expand[]",
    "metadata[*]",
    "off_session",
    "payment_method",
    "payment_method_options[card][request_multicapture]",
    "payment_method_types[]",
    "receipt_email=",
    "return_url",
    "setup_future_usage=",
    "shipping[address][city]",
    "shipping[address][country]",
    "shipping[address][line1]",
    "shipping[address][line2]",
    "shipping[address][postal_code]",
    "shipping[address][state]",
    "shipping[carrier]",
    "shipping[name]",
    "shipping[phone]",
    "shipping[tracking_number]",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "use_stripe_sdk",
];

/// The parameter that asks for several captures.
const REQUEST_MULTICAPTURE: &str = "payment_method_options[card][request_multicapture]";

/// The payment method types that this account has activated.
const TYPES: &[&str] = &["card", "us_bank_account"];

/// Creates an intent, and confirms it at once with `confirm=true`.
pub(crate) fn create(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("latest_charge")?;
    let intent = read(call)?;
    let confirmation = if call.form.flag("confirm")? {
        Some(confirm::check(&intent, call.form)?)
    } else {
        for name in ["off_session", "return_url"] {
            if call.form.has(name) {
                let message = format!("You cannot provide `{name}` without `confirm` set to true.");
                return Err(Refusal::invalid(message).at(name));
            }
        }
        None
    };
    let totals = store.ledger.totals(&intent.currency);
    totals.intents += 1;
    totals.amount += intent.amount;
    let id = intent.id.clone();
    store.intents.insert(intent);
    store.emit_intent("payment_intent.created", &id, call);
    if let Some(confirmation) = confirmation {
        confirm::execute(store, &id, confirmation, call)?;
    }
    answer(store, &id, call.form)
}

fn read(call: &Call<'_>) -> Result<Intent, Refusal> {
    let form = call.form;
    form.required("amount")?;
    let amount = form.integer("amount")?.unwrap_or_default();
    let currency = currency::parse(form.required("currency")?)?;
    currency::check_amount(amount, &currency)?;
    let payment_method = form.owned("payment_method");
    if let Some(name) = &payment_method {
        validate::payment_method(name)?;
    }
    let capture_method = validate::choice(
        form,
        "capture_method",
        &["automatic", "automatic_async", "manual"],
    )?;
    let metadata = form.metadata(BTreeMap::new())?;
    let id = id::new("pi");
    let intent = Intent {
        amount,
        amount_capturable: 0,
        amount_received: 0,
        accepts: accepts(form)?,
        canceled_at: None,
        cancellation_reason: None,
        capture_method: capture_method.unwrap_or_else(|| "automatic_async".to_owned()),
        charges: Vec::new(),
        client_secret: format!("{id}_{}", id::new("secret")),
        created: call.now,
        currency,
        customer: form.owned("customer"),
        description: validate::text(form, "description", validate::DESCRIPTION_LENGTH)?,
        first_payment_id: metadata.get("payment_id").cloned(),
        hides_charge: false,
        last_error: None,
        metadata,
        multicapture: validate::choice(form, REQUEST_MULTICAPTURE, &["if_available", "never"])?
            .is_some_and(|asked| asked == "if_available"),
        page: None,
        receipt_email: validate::email(form, "receipt_email")?,
        return_url: None,
        setup_future_usage: validate::choice(
            form,
            "setup_future_usage",
            &["off_session", "on_session"],
        )?,
        statement_descriptor: validate::descriptor(form, "statement_descriptor")?,
        statement_descriptor_suffix: validate::descriptor(form, "statement_descriptor_suffix")?,
        status: match payment_method {
            Some(_) => Status::RequiresConfirmation,
            None => Status::RequiresPaymentMethod,
        },
        payment_method,
        id,
    };
    check_descriptor(&intent)?;
    Ok(intent)
}

/// Stripe refuses a whole statement descriptor where the customer can pay by card.
pub(crate) fn check_descriptor(intent: &Intent) -> Result<(), Refusal> {
    if intent.statement_descriptor.is_none() || !intent.accepts_cards() {
        return Ok(());
    }
    let message = "The `statement_descriptor` parameter is not supported for PaymentIntents that accept cards. Use \
                   `statement_descriptor_suffix` instead.";
    Err(Refusal::invalid(message).at("statement_descriptor"))
}

/// Since API version 2023-08-16 an intent without a list of types accepts the methods that the dashboard enables.
fn accepts(form: &Form) -> Result<Accepts, Refusal> {
    let types: Vec<_> = form
        .list("payment_method_types")
        .map(str::to_owned)
        .collect();
    if let Some(unknown) = types.iter().find(|kind| !TYPES.contains(&kind.as_str())) {
        let message = format!(
            "The payment method type \"{unknown}\" is invalid. Please ensure the provided type is activated in your \
             dashboard."
        );
        let code = "payment_intent_invalid_parameter";
        return Err(Refusal::parameter(code, "payment_method_types", message));
    }
    let automatic = form.flag("automatic_payment_methods[enabled]")?;
    let redirects = validate::choice(
        form,
        "automatic_payment_methods[allow_redirects]",
        &["always", "never"],
    )?;
    if redirects.is_some() && !form.has_value("automatic_payment_methods[enabled]") {
        return Err(Refusal::missing_param("automatic_payment_methods[enabled]"));
    }
    if types.is_empty() {
        let redirects = redirects.is_none_or(|allowed| allowed == "always");
        return Ok(Accepts::Automatic { redirects });
    }
    if automatic {
        let message = "You may only specify one of these parameters: automatic_payment_methods, \
                       payment_method_types.";
        let code = "parameters_exclusive";
        return Err(Refusal::parameter(
            code,
            "automatic_payment_methods",
            message,
        ));
    }
    Ok(Accepts::Types(types))
}
