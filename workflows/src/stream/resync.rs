//! A look at Stripe: what differs is corrected, and nothing else moves.

use uuid::Uuid;

use super::attempts::Outcome;
use super::draft::Draft;
use super::intents::{Report, check_ours, close_proved, failed_charge};
use super::{Refusal, attempts, refunds};
use crate::attempt;
use crate::payment::{Call, Kind, Status};
use crate::stripe::{Charge, Intent, Refund};

/// What Stripe showed.
pub(super) struct Look<'a> {
    pub(super) intent: &'a Intent,
    pub(super) charge: Option<&'a Charge>,
    pub(super) refunds: &'a [Refund],
    pub(super) fresh_attempt: Uuid,
    pub(super) fresh_refunds: &'a [Uuid],
}

impl Look<'_> {
    pub(super) fn apply(&self, draft: &mut Draft) -> Result<(), Refusal> {
        let payment = &draft.stream.payment;
        check_ours(payment, self.intent, false)?;
        let status = Status::of_intent(self.intent.status).ok_or(Refusal::UnknownStatus)?;
        if payment.status == Status::LocalCreated {
            self.adopt(draft, status)?;
        } else {
            self.correct(draft, status)?;
        }
        for (seen, fresh) in self.refunds.iter().zip(self.fresh_refunds) {
            refunds::resynced(draft, seen, *fresh)?;
        }
        Ok(())
    }

    /// Nobody had told us of the intent: it is adopted as from any other report.
    fn adopt(&self, draft: &mut Draft, status: Status) -> Result<(), Refusal> {
        let report = Report {
            intent: self.intent,
            kind: Kind::Resync,
            answers: None,
            attempt: None,
            fresh_attempt: self.fresh_attempt,
        };
        report.adopt(draft, status)
    }

    fn correct(&self, draft: &mut Draft, status: Status) -> Result<(), Refusal> {
        draft.learn(self.intent);
        let before = draft.stream.payment.clone();
        draft.absorb(self.intent)?;
        if draft.stream.payment != before || status != before.status {
            draft.payment(Kind::Resync, status)?;
        }
        // A confirm that Stripe may not have seen yet leaves the intent as it was; only a change tells of its attempt.
        let waits = matches!(
            status,
            Status::RequiresPaymentMethod | Status::RequiresConfirmation
        );
        let confirming = before.open_call == Some(Call::ConfirmIntent);
        if !(confirming && (waits || status == before.status)) {
            self.correct_attempt(draft, status)?;
        }
        close_proved(draft, before.status);
        Ok(())
    }

    fn correct_attempt(&self, draft: &mut Draft, status: Status) -> Result<(), Refusal> {
        let charge = self.intent.charge_id();
        let (status, charge) = match status {
            Status::RequiresAction => (attempt::Status::RequiresAction, None),
            Status::Processing => (attempt::Status::Pending, charge),
            Status::RequiresCapture => (attempt::Status::Authorized, charge),
            Status::Succeeded => (attempt::Status::Captured, charge),
            Status::RequiresPaymentMethod | Status::RequiresConfirmation => {
                if !self.tells_of_failure(draft) {
                    return Ok(());
                }
                (attempt::Status::Failed, failed_charge(self.intent))
            }
            Status::Canceled => {
                let reason = self.intent.cancellation_reason.as_deref();
                return attempts::end_by_cancel(draft, reason);
            }
            Status::LocalCreated | Status::LocalRejected => return Ok(()),
        };
        let failed = status == attempt::Status::Failed;
        let of_charge = self.charge.and_then(Charge::error);
        let error = self.intent.last_payment_error.as_ref();
        attempts::carry(
            draft,
            &Outcome {
                status,
                charge,
                error: error.or(of_charge.as_ref()).filter(|_| failed),
                fresh: self.fresh_attempt,
            },
        )
    }

    /// Whether an intent that waits for a confirm tells of a failed attempt: the open one, or one that we never saw.
    fn tells_of_failure(&self, draft: &Draft) -> bool {
        let charge = failed_charge(self.intent);
        let Some(newest) = draft.stream.newest_attempt() else {
            return charge.is_some();
        };
        let unseen = newest.charge_id.is_some() && charge.is_some();
        newest.status.is_open() || (unseen && newest.charge_id.as_deref() != charge)
    }
}
