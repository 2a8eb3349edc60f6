//! Calls that ended without a snapshot: refused for good, or proved to have had no effect.
//!
//! A report about a call that is no longer open comes from a second run of the same job and changes nothing.

use uuid::Uuid;

use super::draft::Draft;
use super::{Effect, Refusal, VoidCall, captures, disputes};
use crate::effect::Call;
use crate::payment::{Kind, Status};
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
        Call::CaptureIntent => {
            captures::fail(draft, Some(error))?;
            // What could be captured before may have run out.
            draft.resync()?;
        }
        // The open call of a payment is none of these.
        Call::CreateRefund | Call::UpdateDispute | Call::CloseDispute => {}
    }
    draft.stream.payment.last_error = Some(error.clone());
    draft.close(call);
    Ok(())
}

impl VoidCall {
    /// Makes the call anew, unless it is no longer wanted.
    pub(super) fn apply(&self, draft: &mut Draft) -> Result<(), Refusal> {
        if let Effect::CreateRefund { refund } = self.effect {
            return refund_proved_void(draft, refund);
        }
        if let Effect::UpdateDispute { dispute, .. } | Effect::CloseDispute { dispute } =
            self.effect
        {
            return disputes::proved_void(draft, dispute, &self.effect);
        }
        let payment = &draft.stream.payment;
        let Some(call) = self
            .effect
            .call()
            .filter(|call| payment.open_call == Some(*call))
        else {
            return Ok(());
        };
        let canceling = payment.cancel_requested;
        draft.close(call);
        match call {
            Call::ConfirmIntent => {
                let failed = fail_attempt(draft, None)?;
                if failed && !canceling {
                    draft.start_attempt(self.fresh_attempt)?;
                }
            }
            Call::CaptureIntent if canceling => captures::fail(draft, None)?,
            // The request to cancel still stands: the end of the step makes the call anew.
            Call::CancelIntent => {}
            _ => draft.call(self.effect.clone()),
        }
        Ok(())
    }
}

fn refund_proved_void(draft: &mut Draft, id: Uuid) -> Result<(), Refusal> {
    let mut refunds = draft.stream.refunds.iter();
    let known = refunds
        .find(|known| known.id == id)
        .ok_or(Refusal::UnknownRefund)?;
    if known.status == refund::Status::LocalRequested {
        draft.effect(Effect::CreateRefund { refund: id });
    }
    Ok(())
}

/// Fails the newest attempt if it is open; returns whether it was.
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

/// Closes the open call if the move from `from` to the payment's status shows its outcome.
pub(super) fn close_proved(draft: &mut Draft, from: Status) {
    let payment = &mut draft.stream.payment;
    let moved = payment.status != from;
    let proved = match payment.open_call {
        Some(Call::CreateIntent) => true,
        Some(Call::ConfirmIntent) => {
            let confirmed = matches!(
                payment.status,
                Status::RequiresAction | Status::Processing | Status::RequiresCapture
            );
            moved && confirmed
        }
        Some(Call::CaptureIntent) => moved && payment.status == Status::Processing,
        // The end of a payment closes its call: see `Draft::settle`.
        _ => false,
    };
    if proved {
        payment.open_call = None;
    }
}
