//! Captures: what a client asks for, and how the captured sum that Stripe shows ends them.
//!
//! Stripe has no object for a capture. It shows the sum of all of them (`amount_received`), so that a capture of ours has
//! succeeded when the sum has grown by its amount.

use uuid::Uuid;

use super::commands::{allowed_in, no_call_open};
use super::draft::Draft;
use super::{CaptureRequest, Effect, Refusal};
use crate::capture::{Capture, Kind, Multicapture, Status, find_kind};
use crate::payment;
use crate::payment::CaptureMethod;
use crate::stripe::StripeError;

impl CaptureRequest {
    pub(super) fn apply(&self, draft: &mut Draft) -> Result<(), Refusal> {
        allowed_in(draft, &[payment::Status::RequiresCapture])?;
        no_call_open(draft)?;
        if position_of_open(draft).is_some() {
            // Its call is answered, but only a resync shows what came of it.
            return Err(Refusal::CallOpen {
                call: payment::Call::CaptureIntent,
            });
        }
        let payment = &draft.stream.payment;
        let capturable = payment.capturable;
        let amount = self.amount.unwrap_or(capturable);
        payment.money.currency().check(amount)?;
        if amount > capturable {
            return Err(Refusal::CaptureExceeds { capturable });
        }
        if !self.is_final && payment.multicapture != Some(Multicapture::Available) {
            return Err(Refusal::MulticaptureUnavailable);
        }
        draft.payment(
            payment::Kind::CaptureRequested,
            payment::Status::RequiresCapture,
        )?;
        draft.add_capture(
            Capture {
                id: self.capture,
                status: Status::Requested,
                amount,
                is_final: self.is_final,
                error: None,
            },
            Kind::Requested,
        )?;
        draft.call(Effect::CaptureIntent {
            capture: self.capture,
            amount,
            is_final: self.is_final,
        });
        Ok(())
    }
}

/// Fails the open capture, if there is one.
pub(super) fn fail(draft: &mut Draft, error: Option<&StripeError>) -> Result<(), Refusal> {
    let Some(open) = position_of_open(draft) else {
        return Ok(());
    };
    draft.stream.captures[open].error = error.cloned();
    draft.capture(open, Kind::Failed, Status::Failed)
}

/// Compares the captures with the captured sum, which is Stripe's now: the open capture ends, unless it takes its time;
/// money of no known capture becomes a capture of its own.
///
/// A capture whose call is open is left alone, since the same money may have been taken by another hand: only the answer
/// tells.
pub(super) fn compare(draft: &mut Draft, fresh: Option<Uuid>) -> Result<(), Refusal> {
    let payment = &draft.stream.payment;
    let has_captures = payment.capture_method == CaptureMethod::Manual || payment.captures > 0;
    if !has_captures || payment.open_call == Some(payment::Call::CaptureIntent) {
        return Ok(());
    }
    let known = sum_of_succeeded(draft).ok_or(Refusal::BrokenSums)?;
    let mut unknown = payment
        .captured
        .checked_sub(known)
        .ok_or(Refusal::BrokenSums)?;
    if let Some(open) = position_of_open(draft) {
        unknown = end_open(draft, open, unknown)?;
    }
    // Stripe took a captured sum back: the newest captures have failed after all.
    while unknown < 0 {
        let Some(newest) = newest_succeeded(draft) else {
            return Ok(());
        };
        let amount = draft.stream.captures[newest].amount;
        draft.capture(newest, Kind::Resync, Status::Failed)?;
        unknown = unknown.checked_add(amount).ok_or(Refusal::BrokenSums)?;
    }
    match fresh {
        Some(id) if unknown > 0 => draft.add_capture(
            Capture {
                id,
                status: Status::Succeeded,
                amount: unknown,
                is_final: draft.stream.payment.status.is_final(),
                error: None,
            },
            Kind::Observed,
        ),
        _ => Ok(()),
    }
}

/// Ends the open capture, or leaves it under way while the intent is processing; returns what is left of the sum that no
/// capture accounts for.
fn end_open(draft: &mut Draft, open: usize, unknown: i64) -> Result<i64, Refusal> {
    let Capture { status, amount, .. } = draft.stream.captures[open];
    let (to, left) = if unknown >= amount {
        (
            Status::Succeeded,
            unknown.checked_sub(amount).ok_or(Refusal::BrokenSums)?,
        )
    } else if draft.stream.payment.status == payment::Status::Processing {
        (Status::Submitted, unknown)
    } else {
        (Status::Failed, unknown)
    };
    if status != to {
        let kind = find_kind(Some(status), to).unwrap_or(Kind::Resync);
        draft.capture(open, kind, to)?;
    }
    Ok(left)
}

fn position_of_open(draft: &Draft) -> Option<usize> {
    let mut captures = draft.stream.captures.iter();
    captures.position(|capture| capture.status.is_open())
}

fn newest_succeeded(draft: &Draft) -> Option<usize> {
    let mut captures = draft.stream.captures.iter();
    captures.rposition(|capture| capture.status == Status::Succeeded)
}

fn sum_of_succeeded(draft: &Draft) -> Option<i64> {
    let captures = draft.stream.captures.iter();
    captures
        .filter(|capture| capture.status == Status::Succeeded)
        .try_fold(0_i64, |sum, capture| sum.checked_add(capture.amount))
}
