//! Reports about the intent: fresh or stale, and what a fresh one changes.

use uuid::Uuid;

use super::attempts::Outcome;
use super::draft::Draft;
use super::{Refusal, attempts};
use crate::payment::{Call, Kind, Payment, Status};
use crate::stripe::{Intent, PAYMENT_ID, StripeError, id_of};
use crate::{attempt, payment};

/// An intent as Stripe showed it, with what the report means.
pub(super) struct Report<'a> {
    pub(super) intent: &'a Intent,
    pub(super) kind: Kind,
    pub(super) answers: Option<Call>,
    pub(super) attempt: Option<Uuid>,
    pub(super) fresh_attempt: Uuid,
}

/// What a report is to the stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The stream shows it already, or has provably gone past it.
    Known,
    /// It is news, by this edge.
    News(Kind),
    /// It cannot be told whether it is old: look.
    Unclear,
}

impl Report<'_> {
    pub(super) fn apply(&self, draft: &mut Draft) -> Result<(), Refusal> {
        let answers_create = self.answers == Some(Call::CreateIntent);
        check_ours(&draft.stream.payment, self.intent, answers_create)?;
        let status = Status::of_intent(self.intent.status).ok_or(Refusal::UnknownStatus)?;
        if draft.stream.payment.status == Status::LocalCreated {
            return self.adopt(draft, status);
        }
        let verdict = self.judge(draft, status);
        self.close_answered(draft, status);
        draft.learn(self.intent);
        match verdict {
            Verdict::Known => {}
            Verdict::News(kind) => self.advance(draft, kind, status)?,
            Verdict::Unclear => draft.look(),
        }
        Ok(())
    }

    /// The intent of a payment that Stripe had not answered for yet, whoever tells us of it (P1, P2, P4).
    pub(super) fn adopt(&self, draft: &mut Draft, status: Status) -> Result<(), Refusal> {
        let waits = matches!(
            status,
            Status::RequiresPaymentMethod | Status::RequiresConfirmation
        );
        let kind = if waits {
            Kind::IntentCreated
        } else {
            Kind::IntentAdopted
        };
        draft.close(Call::CreateIntent);
        draft.absorb(self.intent)?;
        draft.payment(kind, status)?;
        self.carry_attempt(draft, status)?;
        let payment = &draft.stream.payment;
        let confirms = payment.confirm && payment.payment_method.is_some();
        if waits && confirms && payment.attempts == 0 && !payment.cancel_requested {
            draft.start_attempt(self.fresh_attempt)?;
        }
        Ok(())
    }

    /// Fresh or stale (design.md): known, certain news, or a reason to look.
    fn judge(&self, draft: &Draft, status: Status) -> Verdict {
        let payment = &draft.stream.payment;
        let newest = draft.stream.newest_attempt();
        let same = status == payment.status && self.same_sums(payment);
        if payment.status.is_final() {
            // Stripe never leaves its two ends, so what says otherwise is older. A rejected payment has no intent.
            let known = payment.status != Status::LocalRejected && (same || !status.is_final());
            return if known {
                Verdict::Known
            } else {
                Verdict::Unclear
            };
        }
        if status == Status::Succeeded {
            return Verdict::News(Kind::Succeeded);
        }
        if status == Status::Canceled {
            return Verdict::News(Kind::Canceled);
        }
        // That the intent was created is known since its id is, and the rest of that snapshot is old.
        if self.kind == Kind::IntentCreated && self.answers.is_none() {
            return Verdict::Known;
        }
        let goal = self.goal(status);
        let named = self.names(newest, status);
        if same && self.reached(payment, newest, goal, named) {
            return Verdict::Known;
        }
        let certain = match newest {
            // Nothing was confirmed before, so nothing older can be meant; P5 is told by answers alone.
            None => {
                let attached = status == Status::RequiresConfirmation && self.answers.is_some();
                goal.is_some() || attached
            }
            Some(newest) => named && goal.is_some_and(|goal| self.forward(newest, goal)),
        };
        match self.kind_towards(status, payment) {
            Some(kind) if certain => Verdict::News(kind),
            _ => Verdict::Unclear,
        }
    }

    /// Where the report says that the newest attempt stands; nothing where it speaks of none.
    fn goal(&self, status: Status) -> Option<attempt::Status> {
        match status {
            Status::RequiresAction => Some(attempt::Status::RequiresAction),
            Status::Processing => Some(attempt::Status::Pending),
            Status::RequiresCapture => Some(attempt::Status::Authorized),
            Status::Succeeded => Some(attempt::Status::Captured),
            Status::RequiresPaymentMethod | Status::RequiresConfirmation => {
                // An intent that still waits, in answer to a confirm, says that nothing came of it.
                let failed =
                    self.kind == Kind::PaymentFailed || self.answers == Some(Call::ConfirmIntent);
                failed.then_some(attempt::Status::Failed)
            }
            Status::Canceled | Status::LocalCreated | Status::LocalRejected => None,
        }
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
            (Some(known), Some(told)) => known == told,
            // There has been no other attempt that it could be about.
            (None, _) => newest.number == 1 && newest.status.is_open(),
            (Some(_), None) => false,
        }
    }

    /// Whether the newest attempt may go on to `goal`; where it stands there already, the payment follows it.
    fn forward(&self, newest: &attempt::Attempt, goal: attempt::Status) -> bool {
        use attempt::Status::{
            Authorized, Captured, Expired, Failed, Pending, RequiresAction, Started, Voided,
        };
        match (newest.status, goal) {
            (from, to) if from == to => true,
            (Started, RequiresAction | Pending | Authorized)
            | (RequiresAction, Pending | Authorized)
            | (Pending, Authorized) => true,
            // A report from before the method went to work cannot show the charge that this work made.
            (Pending, RequiresAction) => {
                newest.charge_id.is_some() && newest.charge_id.as_deref() == self.intent.charge_id()
            }
            // Only the answer of a capture tells a capture under way from an old report.
            (Authorized, Pending) => self.answers == Some(Call::CaptureIntent),
            (from, Failed) => from.is_open(),
            (
                Started | RequiresAction | Pending | Authorized | Captured | Failed | Expired
                | Voided,
                _,
            ) => false,
        }
    }

    /// Whether the stream shows what the report says about the attempt.
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
        // The charge may have told of the failure before the intent told why.
        let told = goal != attempt::Status::Failed
            || !named
            || self.intent.last_payment_error.is_none()
            || payment.last_error == self.intent.last_payment_error;
        // A customer may have to act twice, in different ways.
        let shown = goal != attempt::Status::RequiresAction
            || self.intent.next_action.is_none()
            || payment.next_action == self.intent.next_action;
        stands && told && shown
    }

    fn same_sums(&self, payment: &Payment) -> bool {
        payment.captured == self.intent.amount_received
            && payment.capturable == self.intent.amount_capturable
    }

    /// The edge by which the payment follows, if it has one and the sums do not go back.
    fn kind_towards(&self, status: Status, payment: &Payment) -> Option<Kind> {
        let kind = match status {
            Status::RequiresPaymentMethod => Kind::PaymentFailed,
            Status::RequiresConfirmation => Kind::MethodAttached,
            Status::RequiresAction => Kind::ActionRequired,
            Status::Processing => Kind::ProcessingStarted,
            Status::RequiresCapture => Kind::CapturableUpdated,
            Status::Succeeded => Kind::Succeeded,
            Status::Canceled => Kind::Canceled,
            Status::LocalCreated | Status::LocalRejected => return None,
        };
        let total = self
            .intent
            .amount_received
            .checked_add(self.intent.amount_capturable)?;
        let backwards = status == Status::RequiresCapture
            && (self.intent.amount_received < payment.captured || total < payment.authorized);
        let edge = payment::edge(Some(payment.status), kind, status);
        (edge.is_some() && !backwards).then_some(kind)
    }

    fn advance(&self, draft: &mut Draft, kind: Kind, status: Status) -> Result<(), Refusal> {
        let from = draft.stream.payment.status;
        draft.absorb(self.intent)?;
        draft.payment(kind, status)?;
        self.carry_attempt(draft, status)?;
        close_proved(draft, from);
        Ok(())
    }

    fn carry_attempt(&self, draft: &mut Draft, status: Status) -> Result<(), Refusal> {
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
        attempts::carry(
            draft,
            &Outcome {
                status: goal,
                charge: self.charge(status),
                error,
                fresh: self.fresh_attempt,
            },
        )
    }

    /// The charge of the attempt that the report speaks of, where it is certain.
    fn charge(&self, status: Status) -> Option<&str> {
        match status {
            Status::RequiresPaymentMethod | Status::RequiresConfirmation => {
                failed_charge(self.intent)
            }
            Status::RequiresAction | Status::LocalCreated | Status::LocalRejected => None,
            _ => self.intent.charge_id(),
        }
    }

    /// Closes the open call that this is the answer of.
    fn close_answered(&self, draft: &mut Draft, status: Status) {
        let Some(call) = self.answers else {
            return;
        };
        let newest = draft.stream.newest_attempt().map(|newest| newest.id);
        let another = self.attempt.is_some() && self.attempt != newest;
        if draft.stream.payment.open_call != Some(call) || another {
            return;
        }
        draft.close(call);
        if call == Call::CancelIntent && status != Status::Canceled {
            draft.give_up_cancel();
        }
    }
}

/// Closes the open call if the way from `from` to where the payment stands now shows what came of it.
pub(super) fn close_proved(draft: &mut Draft, from: Status) {
    let payment = &draft.stream.payment;
    let moved = payment.status != from;
    let proved = match payment.open_call {
        None => return,
        Some(Call::CreateIntent) => true,
        Some(Call::ConfirmIntent) => {
            moved
                && matches!(
                    payment.status,
                    Status::RequiresAction | Status::Processing | Status::RequiresCapture
                )
        }
        Some(Call::CaptureIntent) => moved && payment.status == Status::Processing,
        // A payment that has ended has no open call: the step sees to that where it ends.
        Some(Call::CancelIntent | Call::CreateRefund) => false,
    };
    if proved {
        draft.stream.payment.open_call = None;
    }
}

/// The charge whose failure the intent tells of.
pub(super) fn failed_charge(intent: &Intent) -> Option<&str> {
    match &intent.last_payment_error {
        Some(StripeError { charge, .. }) => charge.as_deref(),
        None => intent.charge_id(),
    }
}

/// Refuses an intent that is another payment's.
pub(super) fn check_ours(
    payment: &Payment,
    intent: &Intent,
    answers_create: bool,
) -> Result<(), Refusal> {
    let told = intent.metadata.get(PAYMENT_ID);
    let named = told.map(|text| id_of(text) == Some(payment.id));
    let known = payment.intent_id.as_ref().map(|id| *id == intent.id);
    let ours = match (known, named) {
        (Some(false), _) | (_, Some(false)) => false,
        (Some(true), _) | (None, Some(true)) => true,
        (None, None) => answers_create,
    };
    if !ours {
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
