//! Calls that ended without a snapshot: refused for good, or proved never to have happened.
//!
//! A report about a call that is no longer open comes from a second run of the same job and changes nothing.

use uuid::Uuid;

use super::draft::Draft;
use super::{Effect, Refusal};
use crate::payment::{Call, Kind, Status};
use crate::stripe::StripeError;
use crate::{attempt, refund};

pub(super) fn intent_rejected(draft: &mut Draft, error: &StripeError) -> Result<(), Refusal> {
    let payment = &mut draft.stream.payment;
    if payment.status != Status::LocalCreated {
        return Ok(());
    }
    payment.last_error = Some(error.clone());
    draft.payment(Kind::IntentRejected, Status::LocalRejected)
}

pub(super) fn confirm_refused(
    draft: &mut Draft,
    attempt: Uuid,
    error: &StripeError,
) -> Result<(), Refusal> {
    let newest = draft.stream.newest_attempt().map(|newest| newest.id);
    if newest != Some(attempt) {
        return Ok(());
    }
    refused(draft, Call::ConfirmIntent, error)
}

pub(super) fn refused(draft: &mut Draft, call: Call, error: &StripeError) -> Result<(), Refusal> {
    if draft.stream.payment.open_call != Some(call) {
        return Ok(());
    }
    match call {
        Call::CreateIntent => return intent_rejected(draft, error),
        Call::ConfirmIntent => {
            fail_attempt(draft, Some(error))?;
        }
        Call::CancelIntent => draft.give_up_cancel(),
        Call::CaptureIntent | Call::CreateRefund => {}
    }
    draft.stream.payment.last_error = Some(error.clone());
    draft.close(call);
    Ok(())
}

pub(super) fn proved_void(
    draft: &mut Draft,
    call: Call,
    refund: Option<Uuid>,
    amount: Option<i64>,
    fresh_attempt: Uuid,
) -> Result<(), Refusal> {
    if call == Call::CreateRefund {
        return refund_proved_void(draft, refund);
    }
    if draft.stream.payment.open_call != Some(call) {
        return Ok(());
    }
    draft.close(call);
    let canceling = draft.stream.payment.cancel_requested;
    match call {
        Call::CreateIntent => draft.call(call, Effect::CreateIntent),
        Call::ConfirmIntent => {
            let failed = fail_attempt(draft, None)?;
            if failed && !canceling {
                draft.start_attempt(fresh_attempt)?;
            }
        }
        Call::CaptureIntent if !canceling => {
            let amount = amount.unwrap_or(draft.stream.payment.capturable);
            draft.call(call, Effect::CaptureIntent { amount });
        }
        // The wish to cancel still stands, and goes out anew where every step ends.
        Call::CaptureIntent | Call::CancelIntent | Call::CreateRefund => {}
    }
    Ok(())
}

fn refund_proved_void(draft: &mut Draft, refund: Option<Uuid>) -> Result<(), Refusal> {
    let known = draft
        .stream
        .refunds
        .iter()
        .find(|known| Some(known.id) == refund)
        .ok_or(Refusal::UnknownRefund)?;
    if known.status == refund::Status::LocalRequested {
        let refund = known.id;
        draft.effect(Effect::CreateRefund { refund });
    }
    Ok(())
}

/// Fails the newest attempt if it is open, and says whether it was.
fn fail_attempt(draft: &mut Draft, error: Option<&StripeError>) -> Result<bool, Refusal> {
    let Some(attempt) = draft.stream.attempts.last_mut() else {
        return Ok(false);
    };
    if !attempt.status.is_open() {
        return Ok(false);
    }
    attempt.error = error.cloned();
    draft.attempt(attempt::Kind::Failed, attempt::Status::Failed)?;
    Ok(true)
}
