//! Reports about a charge: they move its attempt. The payment and its sums follow the intent.

use uuid::Uuid;

use super::attempts::Outcome;
use super::draft::Draft;
use super::intents::check_currency;
use super::{Refusal, attempts};
use crate::attempt::{Attempt, Kind, Status, edge};
use crate::payment;
use crate::stripe::{Charge, PAYMENT_ID, id_of};

pub(super) fn seen(
    draft: &mut Draft,
    charge: &Charge,
    kind: Kind,
    fresh: Uuid,
) -> Result<(), Refusal> {
    check_ours(&draft.stream.payment, charge)?;
    let payment = &mut draft.stream.payment;
    if payment.intent_id.is_none() {
        payment.intent_id.clone_from(&charge.payment_intent);
    }
    // Before its intent is known, a payment has no attempt that the charge could be told apart from.
    let known = !matches!(
        payment.status,
        payment::Status::LocalCreated | payment::Status::LocalRejected
    );
    let goal = match goal(kind) {
        Some(goal) if known => goal,
        _ => {
            draft.look();
            return Ok(());
        }
    };
    if payment.status.is_final() {
        // Nothing that a charge goes through can change a payment that has ended, but money after a cancel is strange.
        if payment.status == payment::Status::Canceled && goal == Status::Captured {
            draft.look();
        }
        return Ok(());
    }
    let error = charge.error();
    let outcome = Outcome {
        status: goal,
        charge: Some(&charge.id),
        error: error.as_ref().filter(|_| goal == Status::Failed),
        fresh,
    };
    let (from, kind) = match draft.stream.newest_attempt() {
        None => (None, Kind::Observed),
        Some(newest) if names(newest, charge, goal) => (Some(newest.status), kind),
        Some(_) => {
            draft.look();
            return Ok(());
        }
    };
    // A capture that takes its time shows in the intent: a charge that is pending was never authorized before.
    let backwards = (from, goal) == (Some(Status::Authorized), Status::Pending);
    if edge(from, kind, goal).is_some() && !backwards {
        return attempts::carry(draft, &outcome);
    }
    // One charge only ever goes forward, so what is no way forward is old, unless it says that an open one has ended.
    if from.is_none_or(Status::is_open) && !goal.is_open() {
        draft.look();
    }
    Ok(())
}

/// Where a charge's event says that its attempt stands; nothing for a hint.
fn goal(kind: Kind) -> Option<Status> {
    match kind {
        Kind::Pended => Some(Status::Pending),
        Kind::Authorized => Some(Status::Authorized),
        Kind::Captured => Some(Status::Captured),
        Kind::Failed => Some(Status::Failed),
        Kind::Expired => Some(Status::Expired),
        Kind::Started | Kind::Observed | Kind::ActionRequired | Kind::Voided | Kind::Resync => None,
    }
}

/// Whether the charge is certainly the newest attempt's.
fn names(newest: &Attempt, charge: &Charge, goal: Status) -> bool {
    if let Some(known) = &newest.charge_id {
        return *known == charge.id;
    }
    // An intent has one charge that succeeds at most, and the first attempt has none before it.
    let succeeded = matches!(goal, Status::Authorized | Status::Captured);
    newest.status.is_open() && (newest.number == 1 || succeeded)
}

fn check_ours(payment: &payment::Payment, charge: &Charge) -> Result<(), Refusal> {
    let told = charge.metadata.get(PAYMENT_ID);
    let named = told.map(|text| id_of(text) == Some(payment.id));
    let known = match (&payment.intent_id, &charge.payment_intent) {
        (Some(ours), Some(told)) => Some(ours == told),
        _ => None,
    };
    match (known, named) {
        (Some(false), _) | (_, Some(false)) | (None, None) => Err(Refusal::NotOurs),
        _ if charge.currency.is_empty() => Ok(()),
        _ => check_currency(payment, &charge.currency),
    }
}
