//! `/v1/refunds`.

use serde_json::json;
use serde_json::value::RawValue;

use crate::form::Form;
use crate::intents::{expands, metadata};
use crate::payment_method::Refunds;
use crate::refund::{Refund, Status};
use crate::refusal::Refusal;
use crate::store::{Call, Store, Task};
use crate::{charge, id, table};

/// Parameters of `POST /v1/refunds`.
pub(crate) const CREATE: &[&str] = &[
    "amount",
    "charge",
    "expand",
    "metadata",
    "payment_intent",
    "reason",
];
/// Parameters of `GET /v1/refunds/{id}`.
pub(crate) const RETRIEVE: &[&str] = &["expand"];
/// Parameters of `GET /v1/refunds`.
pub(crate) const LIST: &[&str] = &[
    "charge",
    "created",
    "ending_before",
    "expand",
    "limit",
    "payment_intent",
    "starting_after",
];

const REASONS: &[&str] = &["duplicate", "fraudulent", "requested_by_customer"];

/// `POST /v1/refunds`: gives back all that is left of a charge, or a part of it.
pub(crate) fn create(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    expands(call.form, "")?;
    let asked = call.form.integer("amount")?;
    let reason = reason(call.form)?;
    let metadata = metadata(call.form)?;
    let charge_id = charge_of(store, call.form)?;
    let charge = store.charges.existing_mut(&charge_id, "charge")?;
    let amount = refundable(charge, asked)?;
    let behaviour = charge
        .behaviour()
        .map_or(Refunds::Succeed, |method| method.refunds);
    let refund = Refund {
        id: id::new("re"),
        amount,
        charge: charge_id.clone(),
        created: call.now,
        currency: charge.currency.clone(),
        failure_reason: None,
        metadata,
        payment_intent: charge.payment_intent.clone(),
        reason,
        status: match behaviour {
            Refunds::SucceedLater => Status::Pending,
            Refunds::Succeed | Refunds::FailLater => Status::Succeeded,
        },
    };
    let refunded_before = charge.amount_refunded;
    charge.amount_refunded += amount;
    charge.refunds.push(refund.id.clone());
    let totals = store.ledger.totals(&refund.currency);
    match refund.status {
        Status::Succeeded => totals.refunded += amount,
        Status::Pending | Status::Failed => totals.refund_pending += amount,
    }
    let (id, shown) = (refund.id.clone(), refund.render());
    store.refunds.insert(refund);
    if behaviour != Refunds::Succeed {
        store.later(Task::SettleRefund(id));
    }
    store.emit("refund.created", &shown, None, call);
    let previous = json!({"amount_refunded": refunded_before});
    store.emit_charge("charge.refunded", &charge_id, Some(previous), call);
    Ok(shown)
}

fn reason(form: &Form) -> Result<Option<String>, Refusal> {
    let reason = form.owned("reason");
    match &reason {
        Some(other) if !REASONS.contains(&other.as_str()) => {
            let message = format!(
                "Invalid reason: must be one of {}, not {other}",
                REASONS.join(", ")
            );
            Err(Refusal::invalid(message).at("reason"))
        }
        _ => Ok(reason),
    }
}

/// The charge that `charge` or `payment_intent` names.
fn charge_of(store: &Store, form: &Form) -> Result<String, Refusal> {
    match (form.text("charge"), form.text("payment_intent")) {
        (Some(charge), intent) => {
            let charge = store.charges.existing(charge, "charge")?;
            if intent.is_some_and(|intent| intent != charge.payment_intent) {
                let message = "The charge does not belong to the payment_intent.";
                return Err(Refusal::invalid(message).at("payment_intent"));
            }
            Ok(charge.id.clone())
        }
        (None, Some(intent)) => {
            let intent = store.intents.existing(intent, "payment_intent")?;
            let charge = intent.latest_charge().and_then(|id| store.charges.find(id));
            let charge = charge.filter(|charge| charge.status == charge::Status::Succeeded);
            charge.map(|charge| charge.id.clone()).ok_or_else(|| {
                let message = format!(
                    "This PaymentIntent ({}) does not have a successful charge to refund.",
                    intent.id
                );
                Refusal::state("payment_intent_unexpected_state", message)
            })
        }
        (None, None) => Err(Refusal::parameter(
            "parameter_missing",
            "payment_intent",
            "One of the following params should be provided for this request: payment_intent or charge.",
        )),
    }
}

fn refundable(charge: &charge::Charge, asked: Option<i64>) -> Result<i64, Refusal> {
    if charge.status != charge::Status::Succeeded || !charge.captured {
        let message = format!(
            "Charge {} has not been captured and cannot be refunded.",
            charge.id
        );
        return Err(Refusal::state("charge_not_refundable", message));
    }
    let left = charge.refundable();
    if left == 0 {
        let message = format!("Charge {} has already been refunded.", charge.id);
        return Err(Refusal::state("charge_already_refunded", message).charge(&charge.id));
    }
    match asked.unwrap_or(left) {
        amount if amount < 1 => Err(Refusal::parameter(
            "parameter_invalid_integer",
            "amount",
            "This value must be greater than or equal to 1.",
        )),
        amount if amount > left => {
            let message = format!(
                "Refund amount ({amount}) is greater than unrefunded amount on charge ({left})."
            );
            Err(Refusal::state("amount_too_large", message).at("amount"))
        }
        amount => Ok(amount),
    }
}

/// `GET /v1/refunds/{id}`.
pub(crate) fn retrieve(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    expands(call.form, "")?;
    store
        .refunds
        .existing(call.id, "refund")
        .map(Refund::render)
}

/// `GET /v1/refunds`.
pub(crate) fn list(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    expands(call.form, "")?;
    let known = |id: &str| store.refunds.find(id).is_some();
    let charges = match (call.form.text("charge"), call.form.text("payment_intent")) {
        (Some(charge), _) => Some(vec![store.charges.existing(charge, "charge")?]),
        (None, Some(intent)) => {
            let ids = &store.intents.existing(intent, "payment_intent")?.charges;
            Some(
                ids.iter()
                    .rev()
                    .filter_map(|id| store.charges.find(id))
                    .collect(),
            )
        }
        (None, None) => None,
    };
    let page = match charges {
        Some(charges) => {
            let ids = charges
                .iter()
                .flat_map(|charge| charge.refunds.iter().rev());
            table::page(
                ids.filter_map(|id| store.refunds.find(id)),
                call.form,
                known,
            )?
        }
        None => table::page(store.refunds.iter().rev(), call.form, known)?,
    };
    Ok(page.render("/v1/refunds", Refund::render))
}

/// The bank's late answer about a refund: `outcome`, or what its charge's payment method is made for.
pub(crate) fn settle(
    store: &mut Store,
    id: &str,
    outcome: Option<Status>,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    let refund = store.refunds.existing_mut(id, "refund")?;
    let Some(charge) = store.charges.find_mut(&refund.charge) else {
        return Err(Refusal::missing("charge", &refund.charge, "charge"));
    };
    let outcome = outcome.unwrap_or(match charge.behaviour().map(|method| method.refunds) {
        Some(Refunds::FailLater) => Status::Failed,
        _ => Status::Succeeded,
    });
    let before = refund.status;
    if before == outcome || before == Status::Failed {
        return Ok(());
    }
    refund.status = outcome;
    let (amount, charge_id) = (refund.amount, charge.id.clone());
    let totals = store.ledger.totals(&refund.currency);
    match before {
        Status::Pending => totals.refund_pending -= amount,
        Status::Succeeded | Status::Failed => totals.refunded -= amount,
    }
    match outcome {
        Status::Succeeded => totals.refunded += amount,
        Status::Pending => totals.refund_pending += amount,
        Status::Failed => {
            refund.failure_reason = Some("expired_or_canceled_card".to_owned());
            charge.amount_refunded -= amount;
        }
    }
    let previous = json!({"status": before});
    store.emit_refund("refund.updated", id, Some(previous.clone()), call);
    store.emit_refund("charge.refund.updated", id, Some(previous), call);
    if outcome == Status::Failed {
        store.emit_refund("refund.failed", id, None, call);
        let previous = json!({"amount_refunded": amount});
        store.emit_charge("charge.updated", &charge_id, Some(previous), call);
    }
    Ok(())
}
