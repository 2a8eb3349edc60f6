//! The commands of clients and operators. Each is executed or refused with the reason; none waits.

use super::draft::Draft;
use super::{ConfirmRequest, Effect, RefundRequest, Refusal, Step, Stream};
use crate::payment::{Kind, Payment, Status};
use crate::refund::Refund;
use crate::{attempt, refund};

pub(super) fn start(payment: Payment) -> Result<Step, Refusal> {
    let before = Stream {
        payment,
        attempts: Vec::new(),
        captures: Vec::new(),
        refunds: Vec::new(),
        disputes: Vec::new(),
    };
    let mut draft = Draft::new(&before);
    draft.accept()?;
    draft.call(Effect::CreateIntent);
    draft.finish(&before)
}

impl ConfirmRequest {
    pub(super) fn apply(&self, draft: &mut Draft) -> Result<(), Refusal> {
        allowed_in(
            draft,
            &[
                Status::RequiresPaymentMethod,
                Status::RequiresConfirmation,
                Status::RequiresAction,
            ],
        )?;
        no_call_open(draft)?;
        let payment = &mut draft.stream.payment;
        if let Some(method) = &self.payment_method {
            payment.payment_method = Some(method.clone());
        }
        if let Some(url) = &self.return_url {
            payment.return_url = Some(url.clone());
        }
        if payment.payment_method.is_none() {
            return Err(Refusal::PaymentMethodMissing);
        }
        match draft.stream.newest_attempt().map(|newest| newest.status) {
            None
            | Some(attempt::Status::Failed | attempt::Status::Expired | attempt::Status::Voided) => {
            }
            // A customer who did not finish an action may try again: the new attempt takes the old one's place.
            Some(attempt::Status::Started | attempt::Status::RequiresAction) => {
                draft.report_attempt(attempt::Status::Voided)?;
            }
            // Its charge was seen before the intent that it belongs to: the payment has moved on at Stripe.
            Some(
                attempt::Status::Pending | attempt::Status::Authorized | attempt::Status::Captured,
            ) => return Err(Refusal::AttemptOpen),
        }
        draft.start_attempt(self.attempt)
    }
}

/// Notes the request; [`Draft::settle`] makes the call, in this step or in the one that closes the open call.
pub(super) fn cancel(draft: &mut Draft, reason: Option<&String>) -> Result<(), Refusal> {
    let payment = &mut draft.stream.payment;
    let status = payment.status;
    if status.is_final() {
        return Err(Refusal::WrongStatus { status });
    }
    if payment.cancel_requested {
        return Err(Refusal::CancelPending);
    }
    payment.cancel_requested = true;
    payment.cancellation_reason = reason.cloned();
    draft.payment(Kind::CancelRequested, status)
}

impl RefundRequest {
    pub(super) fn apply(&self, draft: &mut Draft) -> Result<(), Refusal> {
        let payment = &draft.stream.payment;
        let partly = payment.status == Status::RequiresCapture && payment.captured > 0;
        if payment.status != Status::Succeeded && !partly {
            return Err(Refusal::WrongStatus {
                status: payment.status,
            });
        }
        if payment.disputed {
            return Err(Refusal::Disputed);
        }
        // Only here do open refunds count; a refund that Stripe reports is never refused because of a reservation.
        let left = payment
            .captured
            .checked_sub(payment.refunded)
            .and_then(|left| left.checked_sub(payment.reserved))
            .ok_or(Refusal::BrokenSums)?
            .max(0);
        let amount = match self.amount {
            Some(amount) => {
                payment.money.currency().check(amount)?;
                amount
            }
            None => left,
        };
        if amount > left || left == 0 {
            return Err(Refusal::RefundExceeds { left });
        }
        draft.add_refund(
            Refund {
                id: self.refund,
                status: refund::Status::LocalRequested,
                amount,
                stripe_id: None,
                reason: self.reason.clone(),
                error: None,
            },
            refund::Kind::Requested,
        )?;
        draft.effect(Effect::CreateRefund {
            refund: self.refund,
        });
        Ok(())
    }
}

/// Moves the payment alone: its sums and attempts stay as Stripe reported them.
pub(super) fn force(draft: &mut Draft, to: Status) -> Result<(), Refusal> {
    draft.stream.payment.open_call = None;
    draft.compare_captures(None);
    draft.payment(Kind::Forced, to)
}

pub(super) fn allowed_in(draft: &Draft, statuses: &[Status]) -> Result<(), Refusal> {
    let status = draft.stream.payment.status;
    if statuses.contains(&status) {
        Ok(())
    } else {
        Err(Refusal::WrongStatus { status })
    }
}

pub(super) fn no_call_open(draft: &Draft) -> Result<(), Refusal> {
    match draft.stream.payment.open_call {
        Some(call) => Err(Refusal::CallOpen { call }),
        None => Ok(()),
    }
}
