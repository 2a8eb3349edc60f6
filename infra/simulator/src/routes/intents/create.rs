//! `POST /v1/payment_intents`.

use serde_json::value::RawValue;

use crate::form::Form;
use crate::objects::intent::{Accepts, Intent, Status};
use crate::objects::payment_method;
use crate::refusal::Refusal;
use crate::routes::intents::confirm;
use crate::routes::intents::read::answer;
use crate::store::{Call, Store};
use crate::{currency, id};

/// Parameters of the route.
pub(crate) const PARAMETERS: &[&str] = &[
    "amount",
    "automatic_payment_methods",
    "capture_method",
    "confirm",
    "currency",
    "customer",
    "description",
    "expand",
    "metadata",
    "off_session",
    "payment_method",
    "payment_method_types",
    "receipt_email",
    "return_url",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "use_stripe_sdk",
];

/// Creates an intent, and confirms it at once with `confirm=true`.
pub(crate) fn create(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("latest_charge")?;
    let intent = read(call)?;
    let confirmation = if call.form.flag("confirm")? {
        Some(confirm::check(&intent, call.form)?)
    } else {
        if call.form.has("return_url") {
            let message = "You cannot provide `return_url` without `confirm` set to true.";
            return Err(Refusal::invalid(message).at("return_url"));
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
        payment_method::existing(name)?;
    }
    let id = id::new("pi");
    Ok(Intent {
        amount,
        amount_capturable: 0,
        amount_received: 0,
        accepts: accepts(form)?,
        canceled_at: None,
        cancellation_reason: None,
        capture_method: capture_method(form)?,
        charges: Vec::new(),
        client_secret: format!("{id}_{}", id::new("secret")),
        created: call.now,
        currency,
        customer: form.owned("customer"),
        description: form.owned("description"),
        last_error: None,
        metadata: form.metadata()?,
        page: None,
        receipt_email: form.owned("receipt_email"),
        return_url: None,
        setup_future_usage: form.owned("setup_future_usage"),
        statement_descriptor: form.owned("statement_descriptor"),
        statement_descriptor_suffix: form.owned("statement_descriptor_suffix"),
        status: match payment_method {
            Some(_) => Status::RequiresConfirmation,
            None => Status::RequiresPaymentMethod,
        },
        payment_method,
        id,
    })
}

fn capture_method(form: &Form) -> Result<String, Refusal> {
    match form.text("capture_method").unwrap_or("automatic_async") {
        method @ ("automatic" | "automatic_async" | "manual") => Ok(method.to_owned()),
        other => {
            let message = format!(
                "Invalid capture_method: must be one of automatic, automatic_async, or manual, not {other}"
            );
            Err(Refusal::invalid(message).at("capture_method"))
        }
    }
}

/// Since API version 2023-08-16 an intent without a list of types accepts the methods that the dashboard enables.
fn accepts(form: &Form) -> Result<Accepts, Refusal> {
    let types: Vec<_> = form
        .list("payment_method_types")
        .map(str::to_owned)
        .collect();
    let automatic = form.flag("automatic_payment_methods[enabled]")?;
    if !types.is_empty() {
        if automatic {
            let message = "You may only specify one of these parameters: automatic_payment_methods, \
                           payment_method_types.";
            return Err(Refusal::invalid(message));
        }
        return Ok(Accepts::Types(types));
    }
    let redirects = match form.text("automatic_payment_methods[allow_redirects]") {
        None | Some("always") => true,
        Some("never") => false,
        Some(other) => {
            let message =
                format!("Invalid allow_redirects: must be one of always or never, not {other}");
            return Err(Refusal::invalid(message).at("automatic_payment_methods[allow_redirects]"));
        }
    };
    Ok(Accepts::Automatic { redirects })
}
