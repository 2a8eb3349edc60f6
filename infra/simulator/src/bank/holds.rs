//! What holds a charge without moving it: an early warning of fraud by its bank, and a review.

use serde_json::json;

use crate::id;
use crate::objects::charge;
use crate::objects::charge::Charge;
use crate::objects::fraud_warning::FraudWarning;
use crate::objects::review::Review;
use crate::refusal::Refusal;
use crate::store::{Call, Store};

/// The bank warns of fraud; returns the id of the warning.
pub(crate) fn warn(
    store: &mut Store,
    charge: &str,
    fraud_type: &str,
    call: &Call<'_>,
) -> Result<String, Refusal> {
    let charge = paid(store, charge)?;
    if charge.warning.is_some() {
        let message = format!("The charge {} has a warning already.", charge.id);
        return Err(Refusal::invalid(message).at("charge"));
    }
    let warning = FraudWarning {
        id: id::new("issfr"),
        actionable: charge.dispute.is_none() && !charge.is_refunded(),
        charge: charge.id.clone(),
        created: call.now,
        fraud_type: fraud_type.to_owned(),
        payment_intent: charge.payment_intent.clone(),
    };
    charge.warning = Some(warning.id.clone());
    let (id, shown) = (warning.id.clone(), warning.render());
    store.fraud_warnings.insert(warning);
    store.emit("radar.early_fraud_warning.created", &shown, None, call);
    Ok(id)
}

/// Somebody (`manual`) or Radar (`rule`) asks for a review of a charge; returns the id of the review.
pub(crate) fn review(
    store: &mut Store,
    charge: &str,
    opened_by: &str,
    call: &Call<'_>,
) -> Result<String, Refusal> {
    let charge = paid(store, charge)?;
    if charge.review.is_some() {
        let message = format!("The charge {} has a review already.", charge.id);
        return Err(Refusal::invalid(message).at("charge"));
    }
    let review = Review {
        id: id::new("prv"),
        charge: charge.id.clone(),
        closed_reason: None,
        created: call.now,
        opened_reason: opened_by.to_owned(),
        payment_intent: charge.payment_intent.clone(),
    };
    charge.review = Some(review.id.clone());
    let (id, shown) = (review.id.clone(), review.render());
    store.reviews.insert(review);
    store.emit("review.opened", &shown, None, call);
    Ok(id)
}

/// Closes a review that is open.
pub(crate) fn close_review(
    store: &mut Store,
    id: &str,
    why: &str,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    let review = store.reviews.existing_mut(id, "review")?;
    if review.closed_reason.is_some() {
        let message = format!("The review {id} is already closed.");
        return Err(Refusal::invalid(message).at("review"));
    }
    review.closed_reason = Some(why.to_owned());
    let shown = review.render();
    let previous = json!({"open": true, "closed_reason": null});
    store.emit("review.closed", &shown, Some(previous), call);
    Ok(())
}

/// Ends what holds a charge that was disputed or refunded in full.
pub(crate) fn end(store: &mut Store, charge: &str, why: &str, call: &Call<'_>) {
    let Some(charge) = store.charges.find(charge) else {
        return;
    };
    let (warning, review) = (charge.warning.clone(), charge.review.clone());
    let warning = warning.and_then(|id| store.fraud_warnings.find_mut(&id));
    if let Some(warning) = warning.filter(|warning| warning.actionable) {
        warning.actionable = false;
        let shown = warning.render();
        let previous = json!({"actionable": true});
        store.emit(
            "radar.early_fraud_warning.updated",
            &shown,
            Some(previous),
            call,
        );
    }
    let open = review.filter(|id| store.reviews.find(id).is_some_and(Review::is_open));
    if let Some(id) = open
        && close_review(store, &id, why, call).is_err()
    {
        tracing::debug!(review = id, "a review was closed already");
    }
}

fn paid<'a>(store: &'a mut Store, id: &str) -> Result<&'a mut Charge, Refusal> {
    let charge = store.charges.existing_mut(id, "charge")?;
    if charge.status != charge::Status::Succeeded {
        let message = format!("The charge {id} has not succeeded.");
        return Err(Refusal::invalid(message).at("charge"));
    }
    Ok(charge)
}
