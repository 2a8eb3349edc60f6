//! Reports about refunds, ours and those that somebody made outside of Pawl.

use uuid::Uuid;

use super::Refusal;
use super::draft::Draft;
use super::intents::check_currency;
use crate::refund::{Kind, Refund, Status, edge};
use crate::stripe;
use crate::stripe::{PAYMENT_ID, REFUND_ID, StripeError, id_of};

pub(super) fn seen(
    draft: &mut Draft,
    seen: &stripe::Refund,
    answers: Option<Uuid>,
    fresh: Uuid,
) -> Result<(), Refusal> {
    if names_payment(draft, seen) && draft.stream.payment.intent_id.is_none() {
        // Nobody has told us of the intent yet: look, which brings both.
        draft
            .stream
            .payment
            .intent_id
            .clone_from(&seen.payment_intent);
        draft.look();
        return Ok(());
    }
    let status = check(draft, seen)?;
    let index = match answers {
        Some(id) => Some(
            draft
                .stream
                .refunds
                .iter()
                .position(|known| known.id == id)
                .ok_or(Refusal::UnknownRefund)?,
        ),
        None => find(draft, seen),
    };
    let Some(index) = index else {
        if covered(draft, seen, status) {
            return import(draft, seen, status, fresh);
        }
        // Its capture has not been seen yet: look, which brings both.
        draft.look();
        return Ok(());
    };
    let known = identify(draft, index, seen)?;
    match (known, status) {
        (known, status) if known == status => Ok(()),
        (Status::LocalRequested | Status::Pending | Status::RequiresAction, _)
            if status.is_final() || known == Status::LocalRequested =>
        {
            advance(draft, index, seen, status)
        }
        // What Stripe calls ended never goes on by itself, so what says otherwise is older.
        (Status::Succeeded | Status::Failed | Status::Canceled, _) if !status.is_final() => Ok(()),
        // Between pending and requires_action it goes back and forth, and an end that changes is worth a look.
        _ => {
            draft.look();
            Ok(())
        }
    }
}

pub(super) fn rejected(
    draft: &mut Draft,
    refund: Uuid,
    error: &StripeError,
) -> Result<(), Refusal> {
    let (index, known) = draft
        .stream
        .refunds
        .iter_mut()
        .enumerate()
        .find(|(_, known)| known.id == refund)
        .ok_or(Refusal::UnknownRefund)?;
    // A webhook that came first has shown that Stripe made it after all.
    if known.status != Status::LocalRequested {
        return Ok(());
    }
    known.error = Some(error.clone());
    draft.refund(index, Kind::Rejected, Status::LocalRejected)?;
    if error.code.as_deref() == Some("charge_already_refunded") {
        // Something was given back that we have not seen.
        draft.look();
    }
    Ok(())
}

/// Brings a refund to where a look at Stripe found it, importing it if nobody told us of it.
pub(super) fn resynced(
    draft: &mut Draft,
    seen: &stripe::Refund,
    fresh: Uuid,
) -> Result<(), Refusal> {
    let status = check(draft, seen)?;
    match find(draft, seen) {
        Some(index) if identify(draft, index, seen)? == status => Ok(()),
        Some(index) => advance(draft, index, seen, status),
        None if covered(draft, seen, status) => import(draft, seen, status, fresh),
        // The intent was read before its capture: the next report or look brings both.
        None => Ok(()),
    }
}

/// Whether somebody wrote on the refund that it is of this payment.
fn names_payment(draft: &Draft, seen: &stripe::Refund) -> bool {
    let told = seen.metadata.get(PAYMENT_ID);
    told.is_some_and(|text| id_of(text) == Some(draft.stream.payment.id))
}

/// Refuses what is not of this payment, and says where the refund stands.
fn check(draft: &Draft, seen: &stripe::Refund) -> Result<Status, Refusal> {
    let payment = &draft.stream.payment;
    if seen.payment_intent.is_some() && seen.payment_intent != payment.intent_id {
        return Err(Refusal::NotOurs);
    }
    check_currency(payment, &seen.currency)?;
    if seen.amount <= 0 {
        return Err(Refusal::WrongAmount);
    }
    Status::of_refund(seen.status).ok_or(Refusal::UnknownStatus)
}

/// Our refund that Stripe shows: by Stripe's id, or by ours in the metadata while Stripe's is not known.
fn find(draft: &Draft, seen: &stripe::Refund) -> Option<usize> {
    let refunds = &draft.stream.refunds;
    let by_stripe_id = refunds
        .iter()
        .position(|known| known.stripe_id.as_deref() == Some(seen.id.as_str()));
    by_stripe_id.or_else(|| {
        let ours = id_of(seen.metadata.get(REFUND_ID)?)?;
        refunds
            .iter()
            .position(|known| known.id == ours && known.stripe_id.is_none())
    })
}

/// Notes Stripe's id, and says where the refund stood here.
fn identify(draft: &mut Draft, index: usize, seen: &stripe::Refund) -> Result<Status, Refusal> {
    let known = draft
        .stream
        .refunds
        .get_mut(index)
        .ok_or(Refusal::UnknownRefund)?;
    if known.amount != seen.amount {
        return Err(Refusal::WrongAmount);
    }
    match &known.stripe_id {
        Some(id) if *id != seen.id => return Err(Refusal::NotOurs),
        Some(_) => {}
        None => known.stripe_id = Some(seen.id.clone()),
    }
    Ok(known.status)
}

/// Moves a known refund by the ordinary edge, or by the correcting one where there is none.
fn advance(
    draft: &mut Draft,
    index: usize,
    seen: &stripe::Refund,
    to: Status,
) -> Result<(), Refusal> {
    let known = draft
        .stream
        .refunds
        .get_mut(index)
        .ok_or(Refusal::UnknownRefund)?;
    known.error = error(seen);
    let ordinary = match (known.status, to) {
        (Status::LocalRequested, _) => Kind::Created,
        (_, Status::Succeeded) => Kind::Succeeded,
        (_, Status::Failed) => Kind::Failed,
        (_, Status::Canceled) => Kind::Canceled,
        (_, Status::RequiresAction) => Kind::ActionRequired,
        _ => Kind::Pended,
    };
    let kind = match edge(Some(known.status), ordinary, to) {
        Some(_) => ordinary,
        None => Kind::Resync,
    };
    draft.refund(index, kind, to)
}

/// Whether what was captured, as far as we know, is enough for a refund that we did not ask for.
fn covered(draft: &Draft, seen: &stripe::Refund, status: Status) -> bool {
    let payment = &draft.stream.payment;
    let nothing = matches!(status, Status::Failed | Status::Canceled);
    let total = payment.refunded.checked_add(seen.amount);
    nothing || total.is_some_and(|total| total <= payment.captured)
}

fn import(
    draft: &mut Draft,
    seen: &stripe::Refund,
    status: Status,
    fresh: Uuid,
) -> Result<(), Refusal> {
    let refund = Refund {
        id: fresh,
        status,
        amount: seen.amount,
        stripe_id: Some(seen.id.clone()),
        reason: seen.reason.clone(),
        error: error(seen),
    };
    draft.add_refund(refund, Kind::Imported)
}

fn error(seen: &stripe::Refund) -> Option<StripeError> {
    let code = seen.failure_reason.clone()?;
    Some(StripeError {
        code: Some(code),
        ..StripeError::default()
    })
}
