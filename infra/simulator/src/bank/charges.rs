//! The bank's answer about a charge, at once or later.

use serde_json::json;

use crate::bank::consequences;
use crate::faults::rule::Fault;
use crate::id;
use crate::objects::charge::Charge;
use crate::objects::failure::Failure;
use crate::objects::intent::{LastError, Status};
use crate::objects::payment_method::{Decline, Instrument, Outcome};
use crate::objects::{charge, failure};
use crate::refusal::Refusal;
use crate::store::{Call, Store};
use crate::timers::Task;

/// How long an authorization is valid: seven days, as for most cards.
const AUTHORIZATION_SECONDS: i64 = 7 * 24 * 3600;

/// Requests the money of a confirmed intent from the bank.
pub(crate) fn charge(store: &mut Store, id: &str, call: &Call<'_>) -> Result<(), Refusal> {
    let Some(method) = store.behaviour(id) else {
        return Err(Refusal::missing("payment_intent", id, "intent"));
    };
    let charge = create(store, id, call)?;
    match method.outcome {
        Outcome::Succeeds => {
            succeed(store, id, &charge, call);
            Ok(())
        }
        Outcome::Declines(decline) => Err(fail(store, id, Some(&charge), decline, call)),
        Outcome::SucceedsLater | Outcome::FailsLater(_) | Outcome::Processes => {
            store.enter(id, Status::Processing);
            store.emit_charge("charge.pending", &charge, None, call);
            store.emit_intent("payment_intent.processing", id, call);
            if !matches!(method.outcome, Outcome::Processes) {
                store.schedule(Task::SettleIntent(id.to_owned()));
            }
            Ok(())
        }
    }
}

/// Applies the bank's late answer about a processing intent: `outcome`, or that of its payment method.
pub(crate) fn settle(
    store: &mut Store,
    id: &str,
    outcome: Option<Outcome>,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    let intent = store.intents.existing(id, "intent")?;
    let Some(charge) = intent.latest_charge().map(str::to_owned) else {
        return Err(intent.unexpected_state("settled", "processing"));
    };
    if intent.status != Status::Processing {
        return Err(intent.unexpected_state("settled", "processing"));
    }
    let method = store.charges.find(&charge).and_then(Charge::behaviour);
    match outcome.or(method.map(|method| method.outcome)) {
        Some(Outcome::FailsLater(decline) | Outcome::Declines(decline)) => {
            fail(store, id, Some(&charge), decline, call);
        }
        _ => succeed(store, id, &charge, call),
    }
    Ok(())
}

/// Creates a pending charge for an intent and returns its id.
fn create(store: &mut Store, id: &str, call: &Call<'_>) -> Result<String, Refusal> {
    let intent = store.intents.existing(id, "intent")?;
    let behaves_as = store.forced_method(intent).map(Into::into);
    let charge = Charge {
        id: id::new("ch"),
        amount: intent.amount,
        amount_captured: 0,
        amount_refunded: 0,
        amount_released: 0,
        behaves_as,
        capture_before: None,
        captured: false,
        created: call.now,
        currency: intent.currency.clone(),
        customer: intent.customer.clone(),
        description: intent.description.clone(),
        dispute: None,
        failure: None,
        metadata: intent.metadata.clone(),
        multicapture: intent.multicapture && intent.is_manual(),
        payment_intent: id.to_owned(),
        payment_method: intent.payment_method.clone().unwrap_or_default(),
        receipt_email: intent.receipt_email.clone(),
        refunds: Vec::new(),
        review: None,
        status: charge::Status::Pending,
        warning: None,
    };
    let charge_id = charge.id.clone();
    store.charges.insert(charge);
    store
        .intents
        .existing_mut(id, "intent")?
        .charges
        .push(charge_id.clone());
    Ok(charge_id)
}

/// Applies the bank's approval: the money is captured, or only authorized for a manual capture.
fn succeed(store: &mut Store, id: &str, charge_id: &str, call: &Call<'_>) {
    let (Some(intent), Some(charge)) = (
        store.intents.find_mut(id),
        store.charges.find_mut(charge_id),
    ) else {
        return;
    };
    charge.status = charge::Status::Succeeded;
    // Money on a bank account cannot be authorized: such a charge is captured at once with any `capture_method`.
    let is_card = charge
        .behaviour()
        .is_none_or(|method| matches!(method.instrument, Instrument::Card(..)));
    store
        .ledger
        .add_charge(intent.payment_id(), &intent.currency, intent.amount);
    if intent.is_manual() && is_card {
        charge.capture_before = Some(call.now + AUTHORIZATION_SECONDS);
        intent.amount_capturable = intent.amount;
        store.enter(id, Status::RequiresCapture);
        store.emit_charge("charge.succeeded", charge_id, None, call);
        store.emit_intent("payment_intent.amount_capturable_updated", id, call);
        consequences::schedule(store, charge_id);
        return;
    }
    charge.captured = true;
    charge.amount_captured = charge.amount;
    intent.amount_received = intent.amount;
    store.ledger.totals(&intent.currency).captured += intent.amount;
    let late = store
        .faults
        .draw_for_object(Fault::ChargeLate, "charge.succeeded");
    intent.hides_charge = late.is_some();
    store.enter(id, Status::Succeeded);
    match late {
        Some(rule) => store.schedule_after(rule.time(), Task::ShowCharge(id.to_owned())),
        None => store.emit_charge("charge.succeeded", charge_id, None, call),
    }
    store.emit_intent("payment_intent.succeeded", id, call);
    consequences::schedule(store, charge_id);
}

/// Shows the charge that [`Fault::ChargeLate`] hid.
pub(crate) fn show(store: &mut Store, id: &str, call: &Call<'_>) -> Result<(), Refusal> {
    let intent = store.intents.existing_mut(id, "intent")?;
    intent.hides_charge = false;
    if let Some(charge_id) = intent.latest_charge().map(str::to_owned) {
        store.emit_charge("charge.succeeded", &charge_id, None, call);
    }
    Ok(())
}

/// Applies a decline of the bank or a failed authentication: the intent needs another payment method.
pub(crate) fn fail(
    store: &mut Store,
    id: &str,
    charge_id: Option<&str>,
    decline: &Decline,
    call: &Call<'_>,
) -> Refusal {
    let intent = store.intents.find(id);
    let failure = intent.map_or_else(
        || Failure::from(decline),
        |intent| store.failure(intent, decline),
    );
    let mut refusal = Refusal::card(&failure);
    if let Some(charge) = charge_id.and_then(|id| store.charges.find_mut(id)) {
        charge.status = charge::Status::Failed;
        charge.failure = Some(Box::new(failure.clone()));
    }
    if let Some(intent) = store.intents.find_mut(id) {
        intent.payment_method = None;
        intent.page = None;
        intent.last_error = Some(Box::new(last_error(charge_id, failure)));
        if charge_id.is_some() {
            store.ledger.totals(&intent.currency).failed_charges += 1;
        }
    }
    store.enter(id, Status::RequiresPaymentMethod);
    if let Some(charge_id) = charge_id {
        refusal = refusal.charge(charge_id);
        let previous = json!({"status": "pending"});
        store.emit_charge("charge.failed", charge_id, Some(previous), call);
    }
    store.emit_intent("payment_intent.payment_failed", id, call);
    match store.intents.find(id) {
        Some(intent) => refusal.intent(intent.render(None)),
        None => refusal,
    }
}

fn last_error(charge_id: Option<&str>, failure: Failure) -> LastError {
    LastError {
        charge: charge_id.map(str::to_owned),
        doc_url: failure::doc_url(&failure.code),
        kind: match failure.code.as_str() {
            "payment_intent_authentication_failure" => "invalid_request_error",
            _ => "card_error",
        }
        .to_owned(),
        failure,
    }
}
