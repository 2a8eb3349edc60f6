//! Resyncs: whatever differs from Stripe's objects is corrected, and nothing else moves.

use super::attempts::AttemptReport;
use super::calls::close_proved;
use super::draft::Draft;
use super::intents::{check_ours, failed_charge};
use super::{IntentReport, Refusal, Snapshot, attempts, disputes, refunds};
use crate::attempt;
use crate::effect::Call;
use crate::payment::{Kind, Status};
use crate::stripe::Charge;

impl Snapshot {
    pub(super) fn apply(&self, draft: &mut Draft) -> Result<(), Refusal> {
        check_ours(draft, &self.intent, false)?;
        match Status::of_intent(self.intent.status) {
            // This version does not know the status: the payment stays as it is, and is compared again later.
            None => draft.stream.payment.identify(&self.intent),
            Some(status) if draft.stream.payment.status == Status::LocalCreated => {
                self.adopt(draft, status)?;
            }
            Some(status) => self.correct(draft, status)?,
        }
        for (shown, fresh) in self.refunds.iter().zip(&self.fresh_refunds) {
            refunds::resynced(draft, shown, *fresh)?;
        }
        for (shown, fresh) in self.disputes.iter().zip(&self.fresh_disputes) {
            disputes::resynced(draft, shown, *fresh)?;
        }
        Ok(())
    }

    /// Adopts an intent that was not known, as any other first report of it does.
    fn adopt(&self, draft: &mut Draft, status: Status) -> Result<(), Refusal> {
        let report = IntentReport {
            intent: self.intent.clone(),
            kind: Kind::Resync,
            answers: None,
            attempt: None,
            fresh_attempt: self.fresh_attempt,
            fresh_capture: self.fresh_capture,
        };
        report.adopt(draft, status)
    }

    fn correct(&self, draft: &mut Draft, status: Status) -> Result<(), Refusal> {
        draft.stream.payment.identify(&self.intent);
        let before = draft.stream.payment.clone();
        // The intent may have been read before Stripe got the confirm that is under way: then it waits as it did, perhaps with
        // the failure of an earlier attempt that was not reported until now. Only the answer tells; it is compared with what
        // the intent showed when the confirm was asked for.
        let waits = matches!(
            status,
            Status::RequiresPaymentMethod | Status::RequiresConfirmation
        );
        let confirming = before.open_call == Some(Call::ConfirmIntent);
        draft.absorb(&self.intent)?;
        if confirming && waits {
            draft
                .stream
                .payment
                .shown_error
                .clone_from(&before.shown_error);
        }
        if draft.stream.payment != before || status != before.status {
            draft.payment(Kind::Resync, status)?;
        }
        if !(confirming && (waits || status == before.status)) {
            self.correct_attempt(draft, status)?;
        }
        close_proved(draft, before.status);
        draft.compare_captures(Some(self.fresh_capture));
        Ok(())
    }

    fn correct_attempt(&self, draft: &mut Draft, status: Status) -> Result<(), Refusal> {
        if status == Status::Canceled {
            let reason = self.intent.cancellation_reason.as_deref();
            return attempts::end_by_cancel(draft, reason);
        }
        let (status, charge) = match (status, attempt::Status::of_intent(status)) {
            (Status::RequiresAction, Some(status)) => (status, None),
            (_, Some(status)) => (status, self.intent.charge_id()),
            (_, None) if self.shows_failure(draft) => {
                (attempt::Status::Failed, failed_charge(&self.intent))
            }
            (_, None) => return Ok(()),
        };
        let failed = status == attempt::Status::Failed;
        let of_charge = self.charge.as_ref().and_then(Charge::error);
        let error = self.intent.last_payment_error.as_ref();
        attempts::apply(
            draft,
            &AttemptReport {
                status,
                charge,
                error: error.or(of_charge.as_ref()).filter(|_| failed),
                fresh: self.fresh_attempt,
            },
        )
    }

    /// Whether an intent that waits for a confirm shows a failed attempt: the open one, or one that is not known.
    fn shows_failure(&self, draft: &Draft) -> bool {
        let charge = failed_charge(&self.intent);
        let Some(newest) = draft.stream.newest_attempt() else {
            return charge.is_some();
        };
        let unseen = newest.charge_id.is_some() && charge.is_some();
        newest.status.is_open() || (unseen && newest.charge_id.as_deref() != charge)
    }
}
