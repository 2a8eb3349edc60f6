//! Reports about refunds: ours, and those that were made outside of Pawl.

use uuid::Uuid;

use super::draft::Draft;
use super::intents::check_currency;
use super::{RefundReport, Refusal};
use crate::payment::Payment;
use crate::refund::{Kind, Refund, Status, find_kind};
use crate::stripe;
use crate::stripe::{PAYMENT_ID, REFUND_ID, StripeError, id_of};

impl RefundReport {
    pub(super) fn apply(&self, draft: &mut Draft) -> Result<(), Refusal> {
        let shown = &self.refund;
        let payment = &mut draft.stream.payment;
        if names_payment(payment, shown) && payment.intent_id.is_none() {
            // The intent is not known yet; a resync reads it together with its refunds.
            payment.intent_id.clone_from(&shown.payment_intent);
            return draft.resync();
        }
        let status = check(draft, shown)?;
        let index = match self.answers {
            Some(id) => Some(position(draft, id)?),
            None => find(draft, shown),
        };
        let Some(index) = index else {
            if covered(draft, shown, status) {
                return import(draft, shown, status, self.fresh_refund);
            }
            // Its capture is not known yet; a resync reads both.
            return draft.resync();
        };
        let known = identify(draft, index, shown)?;
        match (known, status) {
            (known, status) if known == status => Ok(()),
            (Status::LocalRequested | Status::Pending | Status::RequiresAction, _)
                if status.is_final() || known == Status::LocalRequested =>
            {
                advance(draft, index, shown, status)
            }
            // A refund that has ended at Stripe never opens again, so a report of an open one is older.
            (Status::Succeeded | Status::Failed | Status::Canceled, _) if !status.is_final() => {
                Ok(())
            }
            // It moves to and fro between pending and requires_action, and a changed end needs a resync.
            _ => draft.resync(),
        }
    }
}

fn position(draft: &Draft, id: Uuid) -> Result<usize, Refusal> {
    let mut refunds = draft.stream.refunds.iter();
    refunds
        .position(|known| known.id == id)
        .ok_or(Refusal::UnknownRefund)
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
        // Stripe has a refund that is not known here.
        return draft.resync();
    }
    Ok(())
}

/// Moves a refund to the status that a resync found, or imports it if it was not known.
pub(super) fn resynced(
    draft: &mut Draft,
    shown: &stripe::Refund,
    fresh: Uuid,
) -> Result<(), Refusal> {
    let status = check(draft, shown)?;
    match find(draft, shown) {
        Some(index) if identify(draft, index, shown)? == status => Ok(()),
        Some(index) => advance(draft, index, shown, status),
        None if covered(draft, shown, status) => import(draft, shown, status, fresh),
        // The intent was read before its capture; the next report or resync brings both.
        None => Ok(()),
    }
}

/// Whether the refund's metadata names this payment.
fn names_payment(payment: &Payment, shown: &stripe::Refund) -> bool {
    let marked = shown.metadata.get(PAYMENT_ID);
    marked.is_some_and(|text| id_of(text) == Some(payment.id))
}

/// Refuses a refund of another payment; returns its status.
fn check(draft: &Draft, shown: &stripe::Refund) -> Result<Status, Refusal> {
    let payment = &draft.stream.payment;
    if shown.payment_intent.is_some() && shown.payment_intent != payment.intent_id {
        return Err(Refusal::NotOurs);
    }
    check_currency(payment, &shown.currency)?;
    if shown.amount <= 0 {
        return Err(Refusal::WrongAmount);
    }
    Status::of_refund(shown.status).ok_or(Refusal::UnknownStatus)
}

/// Our refund that Stripe shows: by Stripe's id, or by ours in the metadata while Stripe's is not known.
fn find(draft: &Draft, shown: &stripe::Refund) -> Option<usize> {
    let refunds = &draft.stream.refunds;
    let by_stripe_id = refunds
        .iter()
        .position(|known| known.stripe_id.as_deref() == Some(shown.id.as_str()));
    by_stripe_id.or_else(|| {
        let ours = id_of(shown.metadata.get(REFUND_ID)?)?;
        refunds
            .iter()
            .position(|known| known.id == ours && known.stripe_id.is_none())
    })
}

/// Notes Stripe's id; returns the status that the refund has here.
fn identify(draft: &mut Draft, index: usize, shown: &stripe::Refund) -> Result<Status, Refusal> {
    let known = draft
        .stream
        .refunds
        .get_mut(index)
        .ok_or(Refusal::UnknownRefund)?;
    if known.amount != shown.amount {
        return Err(Refusal::WrongAmount);
    }
    match &known.stripe_id {
        Some(id) if *id != shown.id => return Err(Refusal::NotOurs),
        Some(_) => {}
        None => known.stripe_id = Some(shown.id.clone()),
    }
    Ok(known.status)
}

/// Moves a known refund by the ordinary edge, or by the correcting one where there is none.
fn advance(
    draft: &mut Draft,
    index: usize,
    shown: &stripe::Refund,
    to: Status,
) -> Result<(), Refusal> {
    let known = draft
        .stream
        .refunds
        .get_mut(index)
        .ok_or(Refusal::UnknownRefund)?;
    known.error = error(shown);
    let kind = find_kind(Some(known.status), to).unwrap_or(Kind::Resync);
    draft.refund(index, kind, to)
}

/// Whether the captured sum, as far as it is known, covers a refund that was made outside of Pawl.
fn covered(draft: &Draft, shown: &stripe::Refund, status: Status) -> bool {
    let payment = &draft.stream.payment;
    let nothing = matches!(status, Status::Failed | Status::Canceled);
    let total = payment.refunded.checked_add(shown.amount);
    nothing || total.is_some_and(|total| total <= payment.captured)
}

fn import(
    draft: &mut Draft,
    shown: &stripe::Refund,
    status: Status,
    fresh: Uuid,
) -> Result<(), Refusal> {
    let refund = Refund {
        id: fresh,
        status,
        amount: shown.amount,
        stripe_id: Some(shown.id.clone()),
        reason: shown.reason.clone(),
        error: error(shown),
    };
    draft.add_refund(refund, Kind::Imported)
}

fn error(shown: &stripe::Refund) -> Option<StripeError> {
    let code = shown.failure_reason.clone()?;
    Some(StripeError {
        code: Some(code),
        ..StripeError::default()
    })
}
