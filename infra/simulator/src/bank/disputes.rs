//! A customer disputes a charge, and the bank decides.

use std::collections::BTreeMap;

use serde_json::json;

use crate::bank::holds;
use crate::id;
use crate::objects::charge;
use crate::objects::dispute::{Dispute, Movement, Status};
use crate::refusal::Refusal;
use crate::store::{Call, Store};

/// How long a merchant has to answer: seven days.
const RESPONSE_SECONDS: i64 = 7 * 24 * 3600;

/// The claim of a customer.
#[derive(Debug)]
pub(crate) struct Claim {
    /// The disputed charge.
    pub(crate) charge: String,
    /// The disputed amount; all that was captured if absent.
    pub(crate) amount: Option<i64>,
    /// Stripe's reason, such as `fraudulent`.
    pub(crate) reason: String,
    /// The status in which it begins.
    pub(crate) status: Status,
}

/// Opens a dispute and returns its id; unless it is an inquiry, the amount is withdrawn.
pub(crate) fn open(store: &mut Store, claim: Claim, call: &Call<'_>) -> Result<String, Refusal> {
    let charge = store.charges.existing_mut(&claim.charge, "charge")?;
    if charge.status != charge::Status::Succeeded || !charge.captured || charge.dispute.is_some() {
        let message = format!("The charge {} cannot be disputed.", charge.id);
        return Err(Refusal::invalid(message).at("charge"));
    }
    let dispute = Dispute {
        id: id::new("du"),
        amount: claim.amount.unwrap_or(charge.amount_captured),
        charge: charge.id.clone(),
        created: call.now,
        currency: charge.currency.clone(),
        due_by: call.now + RESPONSE_SECONDS,
        evidence: BTreeMap::new(),
        metadata: BTreeMap::new(),
        movements: Vec::new(),
        past_due: false,
        payment_intent: charge.payment_intent.clone(),
        reason: claim.reason,
        status: claim.status,
        submissions: 0,
    };
    charge.dispute = Some(dispute.id.clone());
    let (id, shown) = (dispute.id.clone(), dispute.render());
    store.disputes.insert(dispute);
    store.emit("charge.dispute.created", &shown, None, call);
    let withdraws = !claim.status.is_inquiry() && claim.status != Status::Prevented;
    if withdraws {
        move_funds(store, &id, true, call);
    }
    holds::end(store, &claim.charge, "disputed", call);
    Ok(id)
}

/// Ends or escalates a dispute as the bank does; the amount of a won one is reinstated.
pub(crate) fn decide(
    store: &mut Store,
    id: &str,
    status: Status,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    let dispute = store.disputes.existing_mut(id, "dispute")?;
    if dispute.status.is_final() {
        let message = format!("The dispute {id} is already closed.");
        return Err(Refusal::state("dispute_closed", message));
    }
    let previous = json!({"status": dispute.status});
    dispute.status = status;
    let is_withdrawn = dispute.is_withdrawn();
    let kind = if status.is_final() {
        "charge.dispute.closed"
    } else {
        "charge.dispute.updated"
    };
    store.emit_dispute(kind, id, Some(previous), call);
    match status {
        Status::Won | Status::Prevented if is_withdrawn => move_funds(store, id, false, call),
        Status::NeedsResponse | Status::Lost if !is_withdrawn => move_funds(store, id, true, call),
        _ => {}
    }
    Ok(())
}

/// Decides a dispute as its evidence asks.
pub(crate) fn decide_as_asked(store: &mut Store, id: &str, call: &Call<'_>) -> Result<(), Refusal> {
    let dispute = store.disputes.existing(id, "dispute")?;
    match dispute.asked_decision() {
        Some(status) => decide(store, id, status, call),
        None => Ok(()),
    }
}

/// Ends a dispute for which no evidence was sent in time: it is lost, and an inquiry is closed. Evidence that was stored and
/// not submitted does not count.
pub(crate) fn lapse(store: &mut Store, id: &str, call: &Call<'_>) -> Result<(), Refusal> {
    let dispute = store.disputes.existing_mut(id, "dispute")?;
    let end = match dispute.status {
        Status::NeedsResponse => Status::Lost,
        Status::WarningNeedsResponse => Status::WarningClosed,
        _ => return Ok(()),
    };
    dispute.past_due = true;
    decide(store, id, end, call)
}

fn move_funds(store: &mut Store, dispute: &str, withdraw: bool, call: &Call<'_>) {
    let Some(row) = store.disputes.find_mut(dispute) else {
        return;
    };
    row.movements.push(Movement {
        id: id::new("txn"),
        created: call.now,
    });
    let kind = if withdraw {
        "charge.dispute.funds_withdrawn"
    } else {
        "charge.dispute.funds_reinstated"
    };
    store.emit_dispute(kind, dispute, None, call);
}
