//! A small world: jobs that speak with Stripe, answers that get lost, and webhooks on their way.

use std::fmt::Debug;

use uuid::Uuid;
use workflows::capture::Capture;
use workflows::payment::{Call, CaptureMethod, Status};
use workflows::stream::{CaptureRequest, ConfirmRequest, Effect, Event, RefundRequest, Refusal};
use workflows::stripe::RefundStatus;
use workflows::{attempt, capture};

use crate::played::Played;
use crate::processor::{Outcome, Stripe, outcome};
use crate::samples::{AMOUNT, answered, id, resynced};

/// A job of ours, with the answer that Stripe saved under its key.
#[derive(Clone)]
struct Job {
    effect: Effect,
    saved: Option<Event>,
}

pub(crate) struct World {
    pub(crate) played: Played,
    pub(crate) stripe: Stripe,
    next_outcome: Outcome,
    jobs: Vec<Job>,
    ids: u128,
    last_refusal: Option<Refusal>,
}

impl World {
    pub(crate) fn of(played: Played, manual: bool) -> Self {
        Self {
            played,
            stripe: Stripe::of(manual),
            next_outcome: Outcome::Paid,
            jobs: vec![Job {
                effect: Effect::CreateIntent,
                saved: None,
            }],
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
                self.ask(&Event::ConfirmRequested(ConfirmRequest {
                    attempt,
                    payment_method: None,
                    return_url: None,
                }));
            }
            10 => self.ask(&Event::CancelRequested { reason: None }),
            11 => {
                let amount = (pick.is_multiple_of(2)).then_some(AMOUNT / 4);
                let capture = self.mint();
                self.ask(&Event::CaptureRequested(CaptureRequest {
                    capture,
                    amount,
                    is_final: !pick.is_multiple_of(3),
                }));
            }
            12 => {
                let refund = self.mint();
                let amount = (pick.is_multiple_of(2)).then_some(AMOUNT / 4);
                self.ask(&Event::RefundRequested(RefundRequest {
                    refund,
                    amount,
                    reason: None,
                }));
            }
            13 => self.stripe.go_on(pick),
            14 => self.stripe.confirm_in_browser(pick),
            _ if pick.is_multiple_of(5) => {
                self.stripe.capture_in_dashboard(pick);
            }
            _ => self.stripe.refund_in_dashboard(pick),
        }
    }

    /// Everything that is on its way arrives, and a payment that has not ended is resynced, until nothing is left to be done.
    pub(crate) fn drain(&mut self) {
        for _ in 0..200 {
            if !self.jobs.is_empty() {
                self.work(0, false);
            } else if !self.stripe.webhooks.is_empty() {
                self.deliver(0, false);
            } else if self.resync() {
                return;
            }
        }
        panic!("the world does not come to rest: {:?}", self.played.stream);
    }

    /// A client asks; a refusal is an answer too.
    fn ask(&mut self, event: &Event) {
        let _ = self.apply(event);
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
        if unknown && matches!(event, Event::RefundSeen(_)) {
            // The inbox keeps what names no intent that we know of.
            self.stripe.webhooks.push(event);
            return;
        }
        if again {
            self.stripe.webhooks.push(event.clone());
        }
        let applied = self.apply(&event);
        assert!(applied, "{:?} for {event:?}", self.last_refusal);
    }

    fn take_webhook(&mut self, pick: usize) -> Option<Event> {
        let many = self.stripe.webhooks.len();
        (many > 0).then(|| self.stripe.webhooks.remove(pick % many))
    }

    /// Resyncs; returns whether nothing changed.
    fn resync(&mut self) -> bool {
        self.played.resync = false;
        let Some(intent) = self.stripe.intent.clone() else {
            return true;
        };
        let event = resynced(intent, self.stripe.refunds.clone());
        let before = self.played.stream.clone();
        let applied = self.apply(&event);
        assert!(applied, "{:?} for {event:?}", self.last_refusal);
        self.played.stream == before && self.jobs.is_empty()
    }

    fn perform(&mut self, effect: &Effect) -> Event {
        match effect {
            Effect::CreateIntent => {
                let created = self.stripe.create();
                answered(Call::CreateIntent, None, created)
            }
            Effect::ConfirmIntent { attempt } => {
                let now = self.stripe.confirm(self.next_outcome);
                answered(Call::ConfirmIntent, Some(*attempt), now)
            }
            Effect::CaptureIntent {
                amount, is_final, ..
            } => {
                let now = self.stripe.capture(*amount, *is_final);
                answered(Call::CaptureIntent, None, now)
            }
            Effect::CancelIntent { .. } => {
                let now = self.stripe.cancel();
                answered(Call::CancelIntent, None, now)
            }
            Effect::CreateRefund { refund } => {
                let ours = &self.played.stream.refunds;
                let amount = ours.iter().find(|it| it.id == *refund).unwrap().amount;
                self.stripe.create_refund(*refund, amount)
            }
            Effect::UpdateDispute { .. } | Effect::CloseDispute { .. } | Effect::Resync => {
                unreachable!("the world has no disputes, and `resync` handles the rest")
            }
        }
    }

    fn mint(&mut self) -> Uuid {
        self.ids += 1;
        id(self.ids)
    }

    /// Both sides say the same.
    pub(crate) fn agree(&self) {
        assert_eq!(
            differences(&self.played, &self.stripe),
            Vec::<String>::new()
        );
    }
}

/// What the two sides say differently once nothing is on its way any more.
pub(crate) fn differences(played: &Played, stripe: &Stripe) -> Vec<String> {
    let payment = &played.stream.payment;
    let intent = stripe.intent();
    let theirs = Status::of_intent(intent.status).unwrap();
    let sum = |statuses: &[RefundStatus]| -> i64 {
        let those = stripe.refunds.iter();
        let those = those.filter(|it| statuses.contains(&it.status));
        those.map(|it| it.amount).sum()
    };
    let newest = played.stream.newest_attempt().map(|it| it.status);
    let shown = match theirs {
        Status::RequiresAction => Some(attempt::Status::RequiresAction),
        Status::Processing => Some(attempt::Status::Pending),
        Status::RequiresCapture => Some(attempt::Status::Authorized),
        Status::Succeeded => Some(attempt::Status::Captured),
        _ => newest.filter(|status| !status.is_open()),
    };
    let paid = played.attempts.values();
    let paid = paid.filter(|it| it.status == attempt::Status::Captured);
    let open = [RefundStatus::Pending, RefundStatus::RequiresAction];
    let mut found = Vec::new();
    let mut compare = |what: &str, ours: &dyn Debug, theirs: &dyn Debug| {
        let (ours, theirs) = (format!("{ours:?}"), format!("{theirs:?}"));
        if ours != theirs {
            found.push(format!("{what}: {ours} here, {theirs} at Stripe"));
        }
    };
    compare("status", &payment.status, &theirs);
    compare("captured", &payment.captured, &intent.amount_received);
    compare("capturable", &payment.capturable, &intent.amount_capturable);
    compare(
        "refunded",
        &payment.refunded,
        &sum(&[RefundStatus::Succeeded]),
    );
    compare("reserved", &payment.reserved, &sum(&open));
    compare("newest attempt", &newest, &shown);
    let captures = &played.stream.captures;
    let open_capture = captures.iter().find(|it| it.status.is_open());
    compare("open capture", &open_capture, &None::<Capture>);
    if payment.capture_method == CaptureMethod::Manual {
        let taken = captures.iter();
        let taken = taken.filter(|it| it.status == capture::Status::Succeeded);
        let taken: i64 = taken.map(|it| it.amount).sum();
        compare("sum of captures", &taken, &intent.amount_received);
    }
    compare("open call", &payment.open_call, &None::<Call>);
    compare("cancel requested", &payment.cancel_requested, &false);
    compare(
        "more than one captured attempt",
        &(paid.count() > 1),
        &false,
    );
    found
}
