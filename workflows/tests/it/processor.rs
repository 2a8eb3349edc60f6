//! A Stripe that keeps its own books and reports everything by webhook.

use uuid::Uuid;
use workflows::stream::{Event, RefundReport};
use workflows::stripe::{ChargeRef, ChargeStatus, Intent, IntentStatus, Refund, RefundStatus};
use workflows::{attempt, payment};

use crate::samples::{
    AMOUNT, charge, charge_ref, charged, decline, declined, id, intent, our_refund, refusal,
    stripe_refund, webhook,
};

/// What comes of a confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Paid,
    Declined,
    Action,
    Slow,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stripe {
    pub(crate) intent: Option<Intent>,
    pub(crate) refunds: Vec<Refund>,
    /// What is on its way to us.
    pub(crate) webhooks: Vec<Event>,
    manual: bool,
    charges: u32,
}

impl Stripe {
    pub(crate) fn of(manual: bool) -> Self {
        Self {
            manual,
            ..Self::default()
        }
    }

    pub(crate) fn create(&mut self) -> Intent {
        let created = intent(IntentStatus::RequiresPaymentMethod);
        self.set(created, payment::Kind::IntentCreated)
    }

    pub(crate) fn intent(&self) -> Intent {
        self.intent.clone().expect("the intent was created first")
    }

    fn set(&mut self, now: Intent, kind: payment::Kind) -> Intent {
        self.webhooks.push(webhook(kind, now.clone()));
        self.intent = Some(now.clone());
        now
    }

    fn send_charge(&mut self, reached: attempt::Status, status: ChargeStatus, captured: bool) {
        let id = format!("ch_{}", self.charges);
        self.webhooks
            .push(charged(reached, charge(&id, status, captured)));
    }

    pub(crate) fn confirm(&mut self, outcome: Outcome) -> Intent {
        let now = self.intent();
        let waits = matches!(
            now.status,
            IntentStatus::RequiresPaymentMethod | IntentStatus::RequiresAction
        );
        if !waits {
            return now;
        }
        match outcome {
            Outcome::Action => {
                let waiting = Intent {
                    latest_charge: now.latest_charge,
                    ..intent(IntentStatus::RequiresAction)
                };
                self.set(waiting, payment::Kind::ActionRequired)
            }
            Outcome::Paid => self.pay(),
            Outcome::Declined => self.decline(),
            Outcome::Slow => {
                self.charges += 1;
                self.send_charge(attempt::Status::Pending, ChargeStatus::Pending, false);
                let slow = self.charged_intent(IntentStatus::Processing);
                self.set(slow, payment::Kind::ProcessingStarted)
            }
        }
    }

    fn charged_intent(&self, status: IntentStatus) -> Intent {
        Intent {
            latest_charge: Some(ChargeRef {
                multicapture: Some(self.manual),
                ..charge_ref(&format!("ch_{}", self.charges))
            }),
            ..intent(status)
        }
    }

    fn pay(&mut self) -> Intent {
        if self.intent().status != IntentStatus::Processing {
            self.charges += 1;
        }
        if self.manual {
            self.send_charge(attempt::Status::Authorized, ChargeStatus::Succeeded, false);
            let held = self.charged_intent(IntentStatus::RequiresCapture);
            return self.set(held, payment::Kind::CapturableUpdated);
        }
        self.send_charge(attempt::Status::Captured, ChargeStatus::Succeeded, true);
        let paid = self.charged_intent(IntentStatus::Succeeded);
        self.set(paid, payment::Kind::Succeeded)
    }

    fn decline(&mut self) -> Intent {
        if self.intent().status != IntentStatus::Processing {
            self.charges += 1;
        }
        self.send_charge(attempt::Status::Failed, ChargeStatus::Failed, false);
        let refused = declined(&format!("ch_{}", self.charges));
        self.set(refused, payment::Kind::PaymentFailed)
    }

    /// What waits goes on: the customer acts, or the slow method comes to its end.
    pub(crate) fn go_on(&mut self, pick: usize) {
        match self.intent.as_ref().map(|now| now.status) {
            Some(IntentStatus::RequiresAction) if pick.is_multiple_of(3) => {
                // Not authenticated: no charge was made, and the intent still shows the one before.
                let refused = Intent {
                    last_payment_error: Some(decline(None)),
                    latest_charge: self.intent().latest_charge,
                    ..intent(IntentStatus::RequiresPaymentMethod)
                };
                self.set(refused, payment::Kind::PaymentFailed);
            }
            Some(IntentStatus::RequiresAction) if pick % 3 == 1 => drop(self.decline()),
            Some(IntentStatus::Processing) if pick.is_multiple_of(2) => drop(self.decline()),
            Some(IntentStatus::RequiresAction | IntentStatus::Processing) => drop(self.pay()),
            _ => self.refund_goes_on(pick),
        }
    }

    pub(crate) fn confirm_in_browser(&mut self, pick: usize) {
        if self.intent.is_some() {
            self.confirm(outcome(pick));
        }
    }

    pub(crate) fn capture(&mut self, amount: i64, is_final: bool) -> Intent {
        let now = self.intent();
        if now.status != IntentStatus::RequiresCapture || amount > now.amount_capturable {
            return now;
        }
        let amount_received = now.amount_received + amount;
        let rest = now.amount_capturable - amount;
        if !is_final && rest > 0 {
            let partly = Intent {
                amount_received,
                amount_capturable: rest,
                ..self.charged_intent(IntentStatus::RequiresCapture)
            };
            return self.set(partly, payment::Kind::CapturableUpdated);
        }
        self.send_charge(attempt::Status::Captured, ChargeStatus::Succeeded, true);
        let paid = Intent {
            amount_received,
            ..self.charged_intent(IntentStatus::Succeeded)
        };
        self.set(paid, payment::Kind::Succeeded)
    }

    pub(crate) fn capture_in_dashboard(&mut self, pick: usize) {
        if self.intent.is_some() {
            self.capture(AMOUNT / 10, pick.is_multiple_of(2));
        }
    }

    pub(crate) fn cancel(&mut self) -> Intent {
        let now = self.intent();
        let refuses = matches!(
            now.status,
            IntentStatus::Succeeded | IntentStatus::Canceled | IntentStatus::Processing
        );
        if refuses {
            return now;
        }
        if now.amount_received > 0 {
            // What was captured stays captured, and the rest is released.
            self.send_charge(attempt::Status::Captured, ChargeStatus::Succeeded, true);
            let paid = Intent {
                amount_received: now.amount_received,
                ..self.charged_intent(IntentStatus::Succeeded)
            };
            return self.set(paid, payment::Kind::Succeeded);
        }
        let canceled = Intent {
            latest_charge: now.latest_charge,
            cancellation_reason: Some("requested_by_customer".to_owned()),
            ..intent(IntentStatus::Canceled)
        };
        self.set(canceled, payment::Kind::Canceled)
    }

    fn left(&self) -> i64 {
        let lives = |it: &&Refund| !matches!(it.status, RefundStatus::Failed);
        let given: i64 = self.refunds.iter().filter(lives).map(|it| it.amount).sum();
        self.intent().amount_received - given
    }

    pub(crate) fn create_refund(&mut self, ours: Uuid, amount: i64) -> Event {
        if amount > self.left() {
            return Event::RefundRejected {
                refund: ours,
                error: refusal("charge_already_refunded"),
            };
        }
        let status = match amount % 3 {
            0 => RefundStatus::Pending,
            1 => RefundStatus::RequiresAction,
            _ => RefundStatus::Succeeded,
        };
        let stripe_id = format!("re_{}", self.refunds.len());
        let made = our_refund(ours, &stripe_id, status, amount);
        self.send_refund(&made);
        self.refunds.push(made.clone());
        Event::RefundSeen(RefundReport {
            refund: made,
            answers: Some(ours),
            fresh_refund: id(0),
        })
    }

    pub(crate) fn refund_in_dashboard(&mut self, pick: usize) {
        let captured = self.intent.as_ref().map_or(0, |now| now.amount_received);
        if captured == 0 || self.left() < AMOUNT / 10 {
            return;
        }
        let status = [RefundStatus::Pending, RefundStatus::Succeeded][pick % 2];
        let stripe_id = format!("re_{}", self.refunds.len());
        let made = stripe_refund(&stripe_id, status, AMOUNT / 10);
        self.send_refund(&made);
        self.refunds.push(made);
    }

    fn refund_goes_on(&mut self, pick: usize) {
        let Some(at) = pick.checked_rem(self.refunds.len()) else {
            return;
        };
        let refund = &mut self.refunds[at];
        refund.status = match (refund.status, pick % 3) {
            (RefundStatus::Pending, 0) => RefundStatus::RequiresAction,
            (RefundStatus::RequiresAction, 0) => RefundStatus::Pending,
            (RefundStatus::Pending | RefundStatus::RequiresAction, 1) => RefundStatus::Succeeded,
            (RefundStatus::Pending | RefundStatus::RequiresAction, _) => RefundStatus::Failed,
            (ended, _) => ended,
        };
        let now = refund.clone();
        self.send_refund(&now);
    }

    fn send_refund(&mut self, refund: &Refund) {
        self.webhooks.push(Event::RefundSeen(RefundReport {
            refund: refund.clone(),
            answers: None,
            fresh_refund: id(0),
        }));
    }
}

pub(crate) fn outcome(pick: usize) -> Outcome {
    [
        Outcome::Paid,
        Outcome::Declined,
        Outcome::Action,
        Outcome::Slow,
    ][pick % 4]
}
