//! A look at Stripe: what differs is corrected, and nothing else moves.

use uuid::Uuid;

use super::attempts::{self, Outcome};
use super::draft::Draft;
use super::intents::{Report, check_ours, close_proved, failed_charge};
use super::{Refusal, refunds};
use crate::attempt;
use crate::payment::{Call, Kind, Status};
use crate::stripe::{Intent, Refund};

pub(super) fn apply(
    draft: &mut Draft,
    intent: &Intent,
    seen: &[Refund],
    fresh_attempt: Uuid,
    fresh_refunds: &[Uuid],
) -> Result<(), Refusal> {
    check_ours(&draft.stream.payment, intent, false)?;
    let status = Status::of_intent(intent.status).ok_or(Refusal::UnknownStatus)?;
    if draft.stream.payment.status == Status::LocalCreated {
        // Nobody had told us of the intent: it is adopted as from any other report.
        let report = Report {
            intent,
            kind: Kind::Resync,
            answers: None,
            attempt: None,
            fresh_attempt,
        };
        report.adopt(draft, status)?;
    } else {
        correct(draft, intent, status, fresh_attempt)?;
    }
    for (seen, fresh) in seen.iter().zip(fresh_refunds) {
        refunds::resynced(draft, seen, *fresh)?;
    }
    Ok(())
}

fn correct(
    draft: &mut Draft,
    intent: &Intent,
    status: Status,
    fresh_attempt: Uuid,
) -> Result<(), Refusal> {
    draft.learn(intent);
    let before = draft.stream.payment.clone();
    draft.absorb(intent)?;
    if draft.stream.payment != before || status != before.status {
        draft.payment(Kind::Resync, status)?;
    }
    // A confirm that Stripe may not have seen yet leaves the intent as it was; only a change tells of its attempt.
    let unseen = before.open_call == Some(Call::ConfirmIntent)
        && (status == before.status
            || matches!(
                status,
                Status::RequiresPaymentMethod | Status::RequiresConfirmation
            ));
    if !unseen {
        correct_attempt(draft, intent, status, fresh_attempt)?;
    }
    close_proved(draft, before.status);
    Ok(())
}

fn correct_attempt(
    draft: &mut Draft,
    intent: &Intent,
    status: Status,
    fresh: Uuid,
) -> Result<(), Refusal> {
    let (status, charge) = match status {
        Status::RequiresAction => (attempt::Status::RequiresAction, None),
        Status::Processing => (attempt::Status::Pending, intent.charge_id()),
        Status::RequiresCapture => (attempt::Status::Authorized, intent.charge_id()),
        Status::Succeeded => (attempt::Status::Captured, intent.charge_id()),
        Status::RequiresPaymentMethod | Status::RequiresConfirmation => {
            if !failed(draft, intent) {
                return Ok(());
            }
            (attempt::Status::Failed, failed_charge(intent))
        }
        Status::Canceled => {
            return attempts::end_by_cancel(draft, intent.cancellation_reason.as_deref());
        }
        Status::LocalCreated | Status::LocalRejected => return Ok(()),
    };
    let error = intent.last_payment_error.as_ref();
    attempts::carry(
        draft,
        &Outcome {
            status,
            charge,
            error: error.filter(|_| status == attempt::Status::Failed),
            fresh,
        },
    )
}

/// Whether an intent that waits for a confirm tells of a failed attempt: the open one, or one that we never saw.
fn failed(draft: &Draft, intent: &Intent) -> bool {
    let charge = failed_charge(intent);
    match &draft.stream.attempt {
        None => charge.is_some(),
        Some(newest) if newest.status.is_open() => true,
        Some(newest) => {
            newest.charge_id.is_some()
                && charge.is_some_and(|charge| newest.charge_id.as_deref() != Some(charge))
        }
    }
}
