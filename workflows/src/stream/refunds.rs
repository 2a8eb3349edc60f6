//! Reports about refunds: ours, and those that were made outside of Pawl.

use uuid::Uuid;

use super::draft::Draft;
use super::intents::check_currency;
use super::{Identity, RefundReport, Refusal};
use crate::refund::{Kind, Refund, Status, find_kind, is_release};
use crate::stripe;
use crate::stripe::{REFUND_ID, StripeError, id_of};

impl RefundReport {
    pub(super) fn apply(&self, draft: &mut Draft) -> Result<(), Refusal> {
        let shown = &self.refund;
        if self.answers.is_none() && !Identity::from(shown).is_of(&draft.stream) {
            return Err(Refusal::NotOurs);
        }
        let payment = &mut draft.stream.payment;
        if payment.intent_id.is_none() {
            // The intent is not known yet; a resync reads it together with its refunds.
            payment.intent_id.clone_from(&shown.payment_intent);
            return draft.resync();
        }
        check(draft, shown)?;
        let index = match self.answers {
            Some(id) => Some(position(draft, id)?),
            None => find(draft, shown),
        };
        let Some(status) = Status::of_refund(shown.status) else {
            return self.note_unknown(draft, index);
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

impl RefundReport {
    /// Takes a report of a status that this version does not know: the refund does not move, and its amount stays
    /// reserved. A webhook may be of a newer version of the API than ours, in which a read shows the refund.
    fn note_unknown(&self, draft: &mut Draft, index: Option<usize>) -> Result<(), Refusal> {
        if let Some(index) = index {
            identify(draft, index, &self.refund)?;
        }
        match self.answers {
            Some(_) => Ok(()),
            None => draft.resync(),
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
    check(draft, shown)?;
    let found = find(draft, shown);
    let Some(status) = Status::of_refund(shown.status) else {
        // This version does not know the status: the refund stays as it is.
        return match found {
            Some(index) => identify(draft, index, shown).map(drop),
            None => Ok(()),
        };
    };
    match found {
        Some(index) if identify(draft, index, shown)? == status => Ok(()),
        Some(index) => advance(draft, index, shown, status),
        None if covered(draft, shown, status) => import(draft, shown, status, fresh),
        // The intent was read before its capture; the next report or resync brings both.
        None => Ok(()),
    }
}

/// Refuses a refund that cannot be this payment's money.
fn check(draft: &Draft, shown: &stripe::Refund) -> Result<(), Refusal> {
    check_currency(&draft.stream.payment, &shown.currency)?;
    if shown.amount <= 0 {
        return Err(Refusal::WrongAmount);
    }
    Ok(())
}

/// Our refund that Stripe shows: by Stripe's id, or by our mark in its metadata while Stripe's id is not known. Another
/// tool may have copied the mark to a refund of its own, which is found out by its amount.
fn find(draft: &Draft, shown: &stripe::Refund) -> Option<usize> {
    let refunds = &draft.stream.refunds;
    let by_stripe_id = refunds
        .iter()
        .position(|known| known.stripe_id.as_deref() == Some(shown.id.as_str()));
    by_stripe_id.or_else(|| {
        let ours = id_of(shown.metadata.get(REFUND_ID)?)?;
        refunds.iter().position(|known| {
            known.id == ours && known.stripe_id.is_none() && known.amount == shown.amount
        })
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
    let nothing =
        matches!(status, Status::Failed | Status::Canceled) || is_release(shown.reason.as_deref());
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
    let kind = if is_release(refund.reason.as_deref()) {
        Kind::AuthRelease
    } else {
        Kind::Imported
    };
    draft.add_refund(refund, kind)
}

fn error(shown: &stripe::Refund) -> Option<StripeError> {
    let code = shown.failure_reason.clone()?;
    Some(StripeError {
        code: Some(code),
        ..StripeError::default()
    })
}
