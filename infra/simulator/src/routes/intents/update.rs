//! `POST /v1/payment_intents/{id}`.

use serde_json::value::RawValue;

use crate::objects::intent::Status;
use crate::refusal::Refusal;
use crate::routes::intents::create::check_descriptor;
use crate::routes::intents::read::answer;
use crate::store::{Call, Store};
use crate::{currency, validate};

/// Parameters of the route.
pub(crate) const PARAMETERS: &[&str] = &[
    "amount",
    "description",
    "expand[]",
    "metadata[*]",
    "receipt_email=",
    "statement_descriptor",
    "statement_descriptor_suffix",
];

/// Changes what is given; Stripe sends no event about it.
pub(crate) fn update(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    use Status::{RequiresAction, RequiresConfirmation, RequiresPaymentMethod};
    let form = call.form;
    form.expands("latest_charge")?;
    let mut intent = store.intents.existing(call.id, "intent")?.clone();
    if let Some(amount) = form.integer("amount")? {
        if !matches!(
            intent.status,
            RequiresAction | RequiresConfirmation | RequiresPaymentMethod
        ) {
            let allowed = "requires_payment_method, requires_confirmation, requires_action";
            return Err(intent.unexpected_state("updated", allowed));
        }
        currency::check_amount(amount, &intent.currency)?;
        store.ledger.totals(&intent.currency).amount += amount - intent.amount;
        intent.amount = amount;
    }
    if form.has("description") {
        intent.description = validate::text(form, "description", validate::DESCRIPTION_LENGTH)?;
    }
    if form.has("receipt_email") {
        intent.receipt_email = validate::email(form, "receipt_email")?;
    }
    if form.has("statement_descriptor") {
        intent.statement_descriptor = validate::descriptor(form, "statement_descriptor")?;
        check_descriptor(&intent)?;
    }
    if form.has("statement_descriptor_suffix") {
        let suffix = validate::descriptor(form, "statement_descriptor_suffix")?;
        intent.statement_descriptor_suffix = suffix;
    }
    intent.metadata = form.metadata(intent.metadata)?;
    *store.intents.existing_mut(call.id, "intent")? = intent;
    answer(store, call.id, form)
}
