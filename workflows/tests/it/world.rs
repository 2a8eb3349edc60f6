//! A small world: a Stripe that keeps its own books, the jobs that speak with it, and webhooks on their way.

use uuid::Uuid;
use workflows::attempt;
use workflows::payment::{self, Call, Status};
use workflows::stream::{Effect, Event, Refusal};
use workflows::stripe::{ChargeStatus, Intent, IntentStatus, Refund, RefundStatus};

use crate::played::Played;
use crate::samples::{
    AMOUNT, answered, charge, charge_ref, charged, decline, declined, id, intent, looked,
    our_refund, refusal, stripe_refund, told,
};

/// What comes of a confirm.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Paid,
    Declined,
    Action,
    Slow,
}

/// A job of ours, with the answer that Stripe saved under its key.
#[derive(Clone)]
struct Job {
    effect: Effect,
    saved: Option<Event>,
}

pub(crate) struct World {
    pub(crate) played: Played,
    /// Stripe's own books.
    pub(crate) intent: Option<Intent>,
    pub(crate) refunds: Vec<Refund>,
    charges: u32,
    manual: bool,
    next_outcome: Outcome,
    jobs: Vec<Job>,
    webhooks: Vec<Event>,
    ids: u128,
    last_refusal: Option<Refusal>,
}

impl World {
    pub(crate) fn of(played: Played, manual: bool) -> Self {
        Self {
            played,
            intent: None,
            refunds: Vec::new(),
            charges: 0,
            manual,
            next_outcome: Outcome::Paid,
            jobs: vec![Job {
                effect: Effect::CreateIntent,
                saved: None,
            }],
            webhooks: Vec::new(),
            ids: 1_000,
            last_refusal: None,
        }
    }

    /// Does one thing; `pick` chooses among what is there.
    pub(crate) fn act(&mut self, act: u8, pick: usize) {
        match act % 16 {
            0..=2 => self.work(pick, false),
            3 => self.work(pick, true),
            4..=6 => self.deliver(pick, false),
            7 => self.deliver(pick, true),
            8 => drop(self.take_webhook(pick)),
            9 => {
                self.next_outcome = outcome(pick);
                let attempt = self.mint();
                self.ask(Event::ConfirmRequested {
                    attempt,
                    payment_method: None,
                    return_url: None,
                });
            }
            10 => self.ask(Event::CancelRequested { reason: None }),
            11 => {
                let amount = (pick % 2 == 0).then_some(AMOUNT / 2);
                self.ask(Event::CaptureRequested { amount });
            }
            12 => {
                let refund = self.mint();
                let amount = (pick % 2 == 0).then_some(AMOUNT / 4);
                self.ask(Event::RefundRequested {
                    refund,
                    amount,
                    reason: None,
                });
            }
            13 => self.go_on(pick),
            14 => self.confirm_in_browser(pick),
            _ => self.refund_in_dashboard(pick),
        }
    }

    /// Everything that is on its way arrives, and what has not ended is looked up, until nothing is left to be done.
    pub(crate) fn drain(&mut self) {
        for _ in 0..200 {
            if !self.jobs.is_empty() {
                self.work(0, false);
            } else if !self.webhooks.is_empty() {
                self.deliver(0, false);
            } else if self.look() {
                return;
            }
        }
        panic!("the world does not come to rest: {:?}", self.played.stream);
    }

    /// A client asks; a refusal is an answer too.
    fn ask(&mut self, event: Event) {
        let _ = self.apply(&event);
    }

    fn apply(&mut self, event: &Event) -> bool {
        let before = self.played.stream.payment.open_call;
        if let Err(refusal) = self.played.play(event) {
            self.last_refusal = Some(refusal);
            return false;
        }
        let payment = &self.played.stream.payment;
        if before != payment.open_call {
            // The engine ends the job of a call that is no longer open.
            self.jobs
                .retain(|job| matches!(job.effect, Effect::CreateRefund { .. }));
        }
        for effect in self.played.asked.clone() {
            if effect != Effect::Resync {
                self.jobs.push(Job {
                    effect,
                    saved: None,
                });
            }
        }
        true
    }

    /// One job asks Stripe. Where the answer gets lost, the job stays and asks again with the same key.
    fn work(&mut self, pick: usize, lost: bool) {
        if self.jobs.is_empty() {
            return;
        }
        let at = pick % self.jobs.len();
        if self.jobs[at].saved.is_none() {
            let effect = self.jobs[at].effect.clone();
            let answer = self.perform(&effect);
            self.jobs[at].saved = Some(answer);
        }
        if lost {
            return;
        }
        let job = self.jobs.remove(at);
        let answer = job.saved.unwrap();
        let applied = self.apply(&answer);
        assert!(applied, "{:?} for {answer:?}", self.last_refusal);
    }

    fn deliver(&mut self, pick: usize, again: bool) {
        let Some(event) = self.take_webhook(pick) else {
            return;
        };
        let unknown = self.played.stream.payment.intent_id.is_none();
        if unknown && matches!(event, Event::RefundSeen { .. }) {
            // The inbox keeps what names no intent that we know of.
            self.webhooks.push(event);
            return;
        }
        if again {
            self.webhooks.push(event.clone());
        }
        let applied = self.apply(&event);
        assert!(applied, "{:?} for {event:?}", self.last_refusal);
    }

    fn take_webhook(&mut self, pick: usize) -> Option<Event> {
        let many = self.webhooks.len();
        (many > 0).then(|| self.webhooks.remove(pick % many))
    }

    /// Looks at Stripe; says whether nothing came of it.
    fn look(&mut self) -> bool {
        self.played.look = false;
        let Some(intent) = self.intent.clone() else {
            return true;
        };
        let event = looked(intent, self.refunds.clone());
        let before = self.played.stream.clone();
        let applied = self.apply(&event);
        assert!(applied, "{:?} for {event:?}", self.last_refusal);
        self.played.stream == before && self.jobs.is_empty()
    }

    fn perform(&mut self, effect: &Effect) -> Event {
        match effect {
            Effect::CreateIntent => {
                let created = intent(IntentStatus::RequiresPaymentMethod);
                self.intent = Some(created.clone());
                self.webhooks
                    .push(told(payment::Kind::IntentCreated, created.clone()));
                answered(Call::CreateIntent, None, created)
            }
            Effect::ConfirmIntent { attempt } => {
                let now = self.confirm(self.next_outcome);
                answered(Call::ConfirmIntent, Some(*attempt), now)
            }
            Effect::CaptureIntent { amount } => {
                let now = self.capture(*amount);
                answered(Call::CaptureIntent, None, now)
            }
            Effect::CancelIntent { .. } => {
                let now = self.cancel();
                answered(Call::CancelIntent, None, now)
            }
            Effect::CreateRefund { refund } => self.create_refund(*refund),
            Effect::Resync => unreachable!("looks are taken by `look`"),
        }
    }

    fn intent(&self) -> Intent {
        self.intent.clone().expect("the intent was created first")
    }

    fn set(&mut self, now: Intent, kind: payment::Kind) -> Intent {
        self.webhooks.push(told(kind, now.clone()));
        self.intent = Some(now.clone());
        now
    }

    fn tell_charge(&mut self, kind: attempt::Kind, status: ChargeStatus, captured: bool) {
        let id = format!("ch_{}", self.charges);
        self.webhooks
            .push(charged(kind, charge(&id, status, captured)));
    }

    fn confirm(&mut self, outcome: Outcome) -> Intent {
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
                self.tell_charge(attempt::Kind::Pended, ChargeStatus::Pending, false);
                let slow = self.charged_intent(IntentStatus::Processing);
                self.set(slow, payment::Kind::ProcessingStarted)
            }
        }
    }

    fn charged_intent(&self, status: IntentStatus) -> Intent {
        Intent {
            latest_charge: Some(charge_ref(&format!("ch_{}", self.charges))),
            ..intent(status)
        }
    }

    fn pay(&mut self) -> Intent {
        if self.intent().status != IntentStatus::Processing {
            self.charges += 1;
        }
        if self.manual {
            self.tell_charge(attempt::Kind::Authorized, ChargeStatus::Succeeded, false);
            let held = self.charged_intent(IntentStatus::RequiresCapture);
            return self.set(held, payment::Kind::CapturableUpdated);
        }
        self.tell_charge(attempt::Kind::Captured, ChargeStatus::Succeeded, true);
        let paid = self.charged_intent(IntentStatus::Succeeded);
        self.set(paid, payment::Kind::Succeeded)
    }

    fn decline(&mut self) -> Intent {
        if self.intent().status != IntentStatus::Processing {
            self.charges += 1;
        }
        self.tell_charge(attempt::Kind::Failed, ChargeStatus::Failed, false);
        let refused = declined(&format!("ch_{}", self.charges));
        self.set(refused, payment::Kind::PaymentFailed)
    }

    /// What waits goes on: the customer acts, or the slow method comes to its end.
    fn go_on(&mut self, pick: usize) {
        match self.intent.as_ref().map(|now| now.status) {
            Some(IntentStatus::RequiresAction) if pick % 3 == 0 => {
                // Not authenticated: no charge was made, and the intent still shows the one before.
                let refused = Intent {
                    last_payment_error: Some(decline(None)),
                    latest_charge: self.intent().latest_charge,
                    ..intent(IntentStatus::RequiresPaymentMethod)
                };
                self.set(refused, payment::Kind::PaymentFailed);
            }
            Some(IntentStatus::RequiresAction) if pick % 3 == 1 => drop(self.decline()),
            Some(IntentStatus::RequiresAction) => drop(self.pay()),
            Some(IntentStatus::Processing) if pick % 2 == 0 => drop(self.decline()),
            Some(IntentStatus::Processing) => drop(self.pay()),
            _ => self.refund_goes_on(pick),
        }
    }

    fn confirm_in_browser(&mut self, pick: usize) {
        if self.intent.is_some() {
            self.confirm(outcome(pick));
        }
    }

    fn capture(&mut self, amount: i64) -> Intent {
        let now = self.intent();
        if now.status != IntentStatus::RequiresCapture {
            return now;
        }
        self.tell_charge(attempt::Kind::Captured, ChargeStatus::Succeeded, true);
        let paid = Intent {
            amount_received: amount,
            ..self.charged_intent(IntentStatus::Succeeded)
        };
        self.set(paid, payment::Kind::Succeeded)
    }

    fn cancel(&mut self) -> Intent {
        let now = self.intent();
        let refuses = matches!(
            now.status,
            IntentStatus::Succeeded | IntentStatus::Canceled | IntentStatus::Processing
        );
        if refuses {
            return now;
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

    fn create_refund(&mut self, ours: Uuid) -> Event {
        let known = self.played.stream.refunds.iter();
        let amount = known.clone().find(|it| it.id == ours).unwrap().amount;
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
        self.tell_refund(&made);
        self.refunds.push(made.clone());
        Event::RefundSeen {
            refund: made,
            answers: Some(ours),
            fresh_refund: id(0),
        }
    }

    fn refund_in_dashboard(&mut self, pick: usize) {
        let captured = self.intent.as_ref().map_or(0, |now| now.amount_received);
        if captured == 0 || self.left() < AMOUNT / 10 {
            return;
        }
        let status = [RefundStatus::Pending, RefundStatus::Succeeded][pick % 2];
        let stripe_id = format!("re_{}", self.refunds.len());
        let made = stripe_refund(&stripe_id, status, AMOUNT / 10);
        self.tell_refund(&made);
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
        self.tell_refund(&now);
    }

    fn tell_refund(&mut self, refund: &Refund) {
        self.webhooks.push(Event::RefundSeen {
            refund: refund.clone(),
            answers: None,
            fresh_refund: id(0),
        });
    }

    fn mint(&mut self) -> Uuid {
        self.ids += 1;
        id(self.ids)
    }

    /// Both sides say the same.
    pub(crate) fn agree(&self) {
        let payment = &self.played.stream.payment;
        let intent = self.intent();
        let theirs = Status::of_intent(intent.status).unwrap();
        assert_eq!(payment.status, theirs);
        assert_eq!(payment.captured, intent.amount_received);
        assert_eq!(payment.capturable, intent.amount_capturable);
        assert_eq!(payment.open_call, None, "no call is open");
        assert!(!payment.cancel_requested, "no wish is left");
        let sum = |statuses: &[RefundStatus]| -> i64 {
            let those = self
                .refunds
                .iter()
                .filter(|it| statuses.contains(&it.status));
            those.map(|it| it.amount).sum()
        };
        assert_eq!(payment.refunded, sum(&[RefundStatus::Succeeded]));
        let open = sum(&[RefundStatus::Pending, RefundStatus::RequiresAction]);
        assert_eq!(payment.reserved, open);
        let newest = self.played.stream.attempt.as_ref().map(|it| it.status);
        let expected = match theirs {
            Status::RequiresAction => Some(attempt::Status::RequiresAction),
            Status::Processing => Some(attempt::Status::Pending),
            Status::RequiresCapture => Some(attempt::Status::Authorized),
            Status::Succeeded => Some(attempt::Status::Captured),
            _ => newest.filter(|status| !status.is_open()),
        };
        assert_eq!(newest, expected, "{theirs}");
        let captured = self.played.attempts.values();
        let captured = captured.filter(|it| it.status == attempt::Status::Captured);
        assert!(captured.count() <= 1, "one attempt takes the money");
    }
}

fn outcome(pick: usize) -> Outcome {
    [
        Outcome::Paid,
        Outcome::Declined,
        Outcome::Action,
        Outcome::Slow,
    ][pick % 4]
}
