//! What the test payment method of a charge leads to a while after it: a dispute, an early warning of fraud, a review.

use crate::bank::disputes::Claim;
use crate::bank::{disputes, holds};
use crate::objects::charge;
use crate::objects::charge::Charge;
use crate::objects::dispute;
use crate::objects::payment_method::Consequence;
use crate::refusal::Refusal;
use crate::store::{Call, Store};
use crate::timers::Task;

/// Schedules what follows a charge that was authorized or captured just now.
pub(crate) fn schedule(store: &mut Store, charge: &str) {
    if store.charges.find(charge).and_then(is_due).is_some() {
        store.schedule(Task::FollowUp(charge.to_owned()));
    }
}

/// What is still to follow the charge. A review also follows money that is only authorized.
pub(crate) fn is_due(charge: &Charge) -> Option<Consequence> {
    let consequence = charge.behaviour()?.consequence?;
    let open = match consequence {
        Consequence::Dispute(_) | Consequence::Inquiry => {
            charge.captured && charge.dispute.is_none()
        }
        Consequence::FraudWarning => charge.captured && charge.warning.is_none(),
        Consequence::Review => charge.review.is_none(),
    };
    (open && charge.status == charge::Status::Succeeded).then_some(consequence)
}

/// Does what is still to follow the charge.
pub(crate) fn happen(store: &mut Store, id: &str, call: &Call<'_>) -> Result<(), Refusal> {
    let charge = store.charges.existing(id, "charge")?;
    let claim = |reason: &str, status| Claim {
        charge: id.to_owned(),
        amount: None,
        reason: reason.to_owned(),
        status,
    };
    match is_due(charge) {
        None => {}
        Some(Consequence::Dispute(reason)) => {
            let claim = claim(reason, dispute::Status::NeedsResponse);
            disputes::open(store, claim, call)?;
        }
        Some(Consequence::Inquiry) => {
            let claim = claim("fraudulent", dispute::Status::WarningNeedsResponse);
            disputes::open(store, claim, call)?;
        }
        Some(Consequence::FraudWarning) => {
            holds::warn(store, id, "misc", call)?;
        }
        Some(Consequence::Review) => {
            holds::review(store, id, "rule", call)?;
        }
    }
    Ok(())
}
