//! Reports about the intent: whether one is fresh or stale, and what a fresh one changes.

use super::attempts::AttemptReport;
use super::calls::close_proved;
use super::draft::Draft;
use super::{Identity, IntentReport, Refusal, attempts};
use crate::effect::Call;
use crate::payment::{Kind, Payment, Status};
use crate::stripe::{Intent, StripeError};
use crate::{attempt, payment};

/// How a report relates to the stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The stream shows it already, or has provably moved past it.
    Known,
    /// It is news: the payment moves.
    News,
    /// It may be old or new: only a resync can tell.
    Unclear,
}

impl IntentReport {
    pub(super) fn apply(&self, draft: &mut Draft) -> Result<(), Refusal> {
        let answers_create = self.answers == Some(Call::CreateIntent);
        check_ours(draft, &self.intent, answers_create)?;
        let Some(status) = Status::of_intent(self.intent.status) else {
            return self.note_unknown(draft);
        };
        if draft.stream.payment.status == Status::LocalCreated {
            return self.adopt(draft, status);
        }
        let verdict = self.judge(draft, status);
        if let Some(call) = self.answers {
            self.close_answered(draft, call, Some(status));
        }
        draft.stream.payment.identify(&self.intent);
        match verdict {
            Verdict::Known => {
                self.learn_charge(draft, status);
                if self.answers == Some(Call::CaptureIntent) {
                    draft.compare_captures(None);
                }
            }
            Verdict::News => self.advance(draft, status)?,
            Verdict::Unclear => draft.resync()?,
        }
        Ok(())
    }

    /// Takes the first report of the payment's intent, from whatever source (P1, P2, P4).
    pub(super) fn adopt(&self, draft: &mut Draft, status: Status) -> Result<(), Refusal> {
        let waits = matches!(
            status,
            Status::RequiresPaymentMethod | Status::RequiresConfirmation
        );
        draft.close(Call::CreateIntent);
        draft.absorb(&self.intent)?;
        draft.report_payment(status)?;
        self.move_attempt(draft, status)?;
        let payment = &draft.stream.payment;
        let confirms = payment.confirm && payment.payment_method.is_some();
        if waits && confirms && payment.attempts == 0 && !payment.cancel_requested {
            draft.start_attempt(self.fresh_attempt)?;
        }
        draft.compare_captures(Some(self.fresh_capture));
        Ok(())
    }

    /// Takes a report of a status that this version does not know: the payment does not move. An answer ends its call,
    /// because it shows that Stripe executed it; a webhook may be of a newer version of the API than ours, in which a read
    /// shows the intent.
    fn note_unknown(&self, draft: &mut Draft) -> Result<(), Refusal> {
        draft.stream.payment.identify(&self.intent);
        match self.answers {
            Some(call) => {
                self.close_answered(draft, call, None);
                Ok(())
            }
            None => draft.resync(),
        }
    }

    /// Notes the charge of the newest attempt, where earlier reports did not name it yet.
    fn learn_charge(&self, draft: &mut Draft, status: Status) {
        if let (Some(goal), Some(charge)) = (self.goal(status), self.charge(status)) {
            attempts::learn_charge(draft, charge, goal);
        }
    }

    /// Decides whether the report is known, certain news, or unclear.
    fn judge(&self, draft: &Draft, status: Status) -> Verdict {
        let payment = &draft.stream.payment;
        let newest = draft.stream.newest_attempt();
        let same = status == payment.status && self.same_sums(payment);
        if payment.status.is_final() {
            // Stripe never leaves its two final statuses, so another report is older. A rejected payment has no intent.
            let known = payment.status != Status::LocalRejected && (same || !status.is_final());
            return if known {
                Verdict::Known
            } else {
                Verdict::Unclear
            };
        }
        if status.is_final() {
            return Verdict::News;
        }
        // The intent's id is known, so its creation is; the rest of that snapshot is old.
        if self.kind == Kind::IntentCreated && self.answers.is_none() {
            return Verdict::Known;
        }
        let goal = self.goal(status);
        let named = self.names(newest, status);
        if same && self.reached(payment, newest, goal, named) {
            return Verdict::Known;
        }
        let certain = match newest {
            // Nothing was confirmed before, so the report is not about an older attempt. Only an answer shows P5.
            None => {
                let attached = status == Status::RequiresConfirmation && self.answers.is_some();
                goal.is_some() || attached
            }
            Some(newest) => named && goal.is_some_and(|goal| self.forward(newest, goal)),
        };
        if certain && self.leads_forward(payment, status) {
            Verdict::News
        } else {
            Verdict::Unclear
        }
    }

    /// The status of the newest attempt that the report shows; nothing where it shows none.
    fn goal(&self, status: Status) -> Option<attempt::Status> {
        let waits = matches!(
            status,
            Status::RequiresPaymentMethod | Status::RequiresConfirmation
        );
        // An intent that still waits, in answer to a confirm, shows that the confirm failed.
        let failed = self.kind == Kind::PaymentFailed || self.answers == Some(Call::ConfirmIntent);
        if waits && failed {
            return Some(attempt::Status::Failed);
        }
        attempt::Status::of_intent(status)
    }

    /// Whether the report is certainly about the newest attempt.
    fn names(&self, newest: Option<&attempt::Attempt>, status: Status) -> bool {
        let Some(newest) = newest else {
            return false;
        };
        if let Some(confirmed) = self.attempt {
            return confirmed == newest.id;
        }
        let charge = match status {
            // Only a charge that was made before the customer had to act is in such a report.
            Status::RequiresAction if newest.status == attempt::Status::Pending => {
                self.intent.charge_id()
            }
            _ => self.charge(status),
        };
        match (&newest.charge_id, charge) {
            (Some(known), Some(shown)) => known == shown,
            // There has been no other attempt that it could be about.
            (None, _) => newest.number == 1 && newest.status.is_open(),
            (Some(_), None) => false,
        }
    }

    /// Whether the newest attempt may move to `goal`; where it has that status, the payment follows it.
    fn forward(&self, newest: &attempt::Attempt, goal: attempt::Status) -> bool {
        use attempt::Status::{Authorized, Failed, Pending, RequiresAction};
        match (newest.status, goal) {
            // A report from before the method went to work cannot show the charge that this work made.
            (Pending, RequiresAction) => {
                newest.charge_id.is_some() && newest.charge_id.as_deref() == self.intent.charge_id()
            }
            // Only the answer of a capture tells a capture under way from an old report.
            (Authorized, Pending) => self.answers == Some(Call::CaptureIntent),
            // Not along the ordinary course: the attempt is corrected.
            (Authorized, Failed) => true,
            (from, to) => from == to || attempt::find_kind(Some(from), to).is_some(),
        }
    }

    /// Whether the stream shows the attempt as the report does.
    fn reached(
        &self,
        payment: &Payment,
        newest: Option<&attempt::Attempt>,
        goal: Option<attempt::Status>,
        named: bool,
    ) -> bool {
        let Some(goal) = goal else {
            return true;
        };
        let stands = newest.is_some_and(|newest| newest.status == goal);
        // The charge may have reported the failure before the intent reports its error.
        let explained = goal != attempt::Status::Failed
            || !named
            || self.intent.last_payment_error.is_none()
            || payment.last_error == self.intent.last_payment_error;
        // A customer may have to act twice, in different ways.
        let shown = goal != attempt::Status::RequiresAction
            || self.intent.next_action.is_none()
            || payment.next_action == self.intent.next_action;
        stands && explained && shown
    }

    fn same_sums(&self, payment: &Payment) -> bool {
        payment.captured == self.intent.amount_received
            && payment.capturable == self.intent.amount_capturable
    }

    /// Whether an edge of the ordinary course leads the payment to `status`, and the sums do not decrease.
    fn leads_forward(&self, payment: &Payment, status: Status) -> bool {
        let received = self.intent.amount_received;
        let Some(total) = received.checked_add(self.intent.amount_capturable) else {
            return false;
        };
        let backwards = status == Status::RequiresCapture
            && (received < payment.captured || total < payment.authorized);
        payment::find_kind(Some(payment.status), status).is_some() && !backwards
    }

    fn advance(&self, draft: &mut Draft, status: Status) -> Result<(), Refusal> {
        let from = draft.stream.payment.status;
        draft.absorb(&self.intent)?;
        draft.report_payment(status)?;
        self.move_attempt(draft, status)?;
        close_proved(draft, from);
        draft.compare_captures(Some(self.fresh_capture));
        Ok(())
    }

    fn move_attempt(&self, draft: &mut Draft, status: Status) -> Result<(), Refusal> {
        if status == Status::Canceled {
            let reason = self.intent.cancellation_reason.as_deref();
            return attempts::end_by_cancel(draft, reason);
        }
        let Some(goal) = self.goal(status) else {
            return Ok(());
        };
        let error = match goal {
            attempt::Status::Failed => self.intent.last_payment_error.as_ref(),
            _ => None,
        };
        attempts::apply(
            draft,
            &AttemptReport {
                status: goal,
                charge: self.charge(status),
                error,
                fresh: self.fresh_attempt,
            },
        )
    }

    /// The charge of the attempt that the report shows, where it is certain.
    fn charge(&self, status: Status) -> Option<&str> {
        match status {
            Status::RequiresPaymentMethod | Status::RequiresConfirmation => {
                failed_charge(&self.intent)
            }
            Status::RequiresAction | Status::LocalCreated | Status::LocalRejected => None,
            _ => self.intent.charge_id(),
        }
    }

    /// Closes the open call that the report answers; `status` is the intent's, where this version knows it.
    fn close_answered(&self, draft: &mut Draft, call: Call, status: Option<Status>) {
        let newest = draft.stream.newest_attempt().map(|newest| newest.id);
        let another = self.attempt.is_some() && self.attempt != newest;
        if draft.stream.payment.open_call != Some(call) || another {
            return;
        }
        draft.close(call);
        if call == Call::CancelIntent && status != Some(Status::Canceled) {
            draft.give_up_cancel();
        }
    }
}

/// The charge whose failure the intent shows.
pub(super) fn failed_charge(intent: &Intent) -> Option<&str> {
    match &intent.last_payment_error {
        Some(StripeError { charge, .. }) => charge.as_deref(),
        None => intent.charge_id(),
    }
}

/// Refuses an intent that is not this payment's. The answer of the call that creates the intent shows its id, whatever
/// its metadata says by now.
pub(super) fn check_ours(
    draft: &Draft,
    intent: &Intent,
    answers_create: bool,
) -> Result<(), Refusal> {
    let payment = &draft.stream.payment;
    let introduced = answers_create && payment.intent_id.is_none();
    if !introduced && !Identity::from(intent).is_of(&draft.stream) {
        return Err(Refusal::NotOurs);
    }
    check_currency(payment, &intent.currency)
}

/// Refuses a report in another currency than the payment's.
pub(super) fn check_currency(payment: &Payment, code: &str) -> Result<(), Refusal> {
    if code.eq_ignore_ascii_case(&payment.money.currency().code()) {
        Ok(())
    } else {
        Err(Refusal::WrongCurrency)
    }
}
