//! `/v1/refunds`.

use std::collections::BTreeMap;

use serde_json::json;
use serde_json::value::RawValue;

use crate::form::Form;
use crate::objects::charge;
use crate::objects::payment_method::Refunds;
use crate::objects::refund::{Refund, Status};
use crate::refusal::Refusal;
use crate::store::{Call, Store};
use crate::timers::Task;
use crate::{bank, id, table, validate};

/// Parameters of `POST /v1/refunds`.
pub(crate) const CREATE: &[&str] = &[
    "amount",
    "charge",
    "expand[]",
    "metadata[*]",
    "payment_intent",
    "reason",
];
/// Parameters of `GET /v1/refunds/{id}`.
pub(crate) const RETRIEVE: &[&str] = &["expand[]"];
/// Parameters of `GET /v1/refunds`.
pub(crate) const LIST: &[&str] = &[
    "charge",
    "created",
    "created[gt]",
    "created[gte]",
    "created[lt]",
    "created[lte]",
    "ending_before",
    "expand[]",
    "limit",
    "payment_intent",
    "starting_after",
];

/// Parameters of `POST /v1/refunds/{id}`.
pub(crate) const UPDATE: &[&str] = &["expand[]", "metadata[*]"];
/// Parameters of `POST /v1/refunds/{id}/cancel`.
pub(crate) const CANCEL: &[&str] = &["expand[]"];

const REASONS: &[&str] = &["duplicate", "fraudulent", "requested_by_customer"];

/// `POST /v1/refunds`: refunds the rest of a charge, or a part of it.
pub(crate) fn create(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("")?;
    let asked = call.form.integer("amount")?;
    let reason = validate::choice(call.form, "reason", REASONS)?;
    let is_fraud = reason.as_deref() == Some("fraudulent");
    let metadata = call.form.metadata(BTreeMap::new())?;
    let charge_id = find_charge(store, call.form)?;
    check_dispute(store, &charge_id)?;
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
        Status::Pending | Status::Failed | Status::Canceled => totals.refund_pending += amount,
    }
    let (id, shown) = (refund.id.clone(), refund.render());
    store.refunds.insert(refund);
    if behaviour != Refunds::Succeed {
        store.schedule(Task::SettleRefund(id));
    }
    store.emit("refund.created", &shown, None, call);
    let previous = json!({"amount_refunded": refunded_before});
    store.emit_charge("charge.refunded", &charge_id, Some(previous), call);
    let charge = store.charges.existing(&charge_id, "charge")?;
    if charge.is_refunded() {
        let why = if is_fraud {
            "refunded_as_fraud"
        } else {
            "refunded"
        };
        bank::holds::end(store, &charge_id, why, call);
    }
    Ok(shown)
}

/// `POST /v1/refunds/{id}`: changes the metadata.
pub(crate) fn update(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("")?;
    let refund = store.refunds.existing_mut(call.id, "refund")?;
    let metadata = call.form.metadata(refund.metadata.clone())?;
    let previous = json!({"metadata": refund.metadata});
    refund.metadata = metadata;
    let shown = refund.render();
    store.emit("refund.updated", &shown, Some(previous.clone()), call);
    store.emit("charge.refund.updated", &shown, Some(previous), call);
    Ok(shown)
}

/// `POST /v1/refunds/{id}/cancel`: cancels a refund that is pending.
pub(crate) fn cancel(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("")?;
    let refund = store.refunds.existing(call.id, "refund")?;
    if refund.status != Status::Pending {
        let message = format!(
            "The refund {} cannot be canceled: it is not pending.",
            refund.id
        );
        return Err(Refusal::state("refund_not_cancelable", message));
    }
    bank::refunds::settle(store, call.id, Some(Status::Canceled), call)?;
    let refund = store.refunds.existing(call.id, "refund")?;
    Ok(refund.render())
}

/// The charge that `charge` or `payment_intent` names.
fn find_charge(store: &Store, form: &Form) -> Result<String, Refusal> {
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

fn check_dispute(store: &Store, charge_id: &str) -> Result<(), Refusal> {
    let charge = store.charges.existing(charge_id, "charge")?;
    let dispute = charge.dispute.as_deref();
    match dispute.and_then(|id| store.disputes.find(id)) {
        Some(dispute) if dispute.status.blocks_refunds() => {
            let message =
                format!("Charge {charge_id} has been charged back; cannot issue a refund.");
            Err(Refusal::state("charge_disputed", message).charge(charge_id))
        }
        _ => Ok(()),
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
    if left <= 0 {
        let message = format!("Charge {} has already been refunded.", charge.id);
        return Err(Refusal::state("charge_already_refunded", message).charge(&charge.id));
    }
    match asked.unwrap_or(left) {
        amount if amount < 1 => Err(Refusal::integer(
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
    call.form.expands("")?;
    store
        .refunds
        .existing(call.id, "refund")
        .map(Refund::render)
}

/// `GET /v1/refunds`.
pub(crate) fn list(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    call.form.expands("")?;
    let exists = |id: &str| store.refunds.find(id).is_some();
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
            table::select(
                ids.filter_map(|id| store.refunds.find(id)),
                call.form,
                exists,
            )?
        }
        None => table::select(store.refunds.iter().rev(), call.form, exists)?,
    };
    Ok(page.render("/v1/refunds", Refund::render))
}
