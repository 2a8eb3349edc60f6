//! What can happen next, and what it changes.

use workflows::payment::Call;
use workflows::stream::{CaptureRequest, ConfirmRequest, Effect, Event, RefundRequest};
use workflows::stripe::IntentStatus;

use super::system::{Fault, Job, System, Work};
use crate::processor::Outcome;
use crate::samples::{AMOUNT, answered, id, resynced};

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Action {
    /// The client asks to confirm.
    Confirm,
    /// The client asks to cancel.
    Cancel,
    /// The client asks to capture a part.
    Capture,
    /// The client asks for a refund.
    Refund,
    /// A worker claims the job with this number.
    Claim(usize, u8),
    /// A worker calls Stripe; what comes of a confirmation is Stripe's choice.
    Call(usize, Outcome),
    /// A worker writes the answer that it got.
    Finish(usize),
    /// The answer is lost: the worker puts the job back.
    LoseAnswer(usize),
    /// A worker's process dies.
    Crash(usize),
    /// The lease of the job with this number ends.
    EndLease(u8),
    /// A webhook arrives and is applied. The inbox between the two changes no order: it keeps what it has.
    Apply(usize),
    /// A webhook arrives and is applied, and will arrive once more.
    ApplyOfTwo(usize),
    /// A webhook is lost for good.
    LoseWebhook(usize),
    /// The process dies while it applies a webhook that it has acknowledged.
    CrashApplying(usize),
    /// Stripe or the customer moves on; the number chooses how.
    Progress(usize),
    /// A resync reads Stripe's objects.
    Read,
    /// A resync writes what it read.
    Resync,
}

pub(super) fn possible(it: &System, actions: &mut Vec<Action>) {
    let left = &it.left;
    let mut when = |allowed: bool, action: Action| {
        if allowed {
            actions.push(action);
        }
    };
    when(left.confirms > 0, Action::Confirm);
    when(left.cancels > 0, Action::Cancel);
    when(
        left.captures > 0 && it.is("requires_capture"),
        Action::Capture,
    );
    when(left.refunds > 0 && it.is("succeeded"), Action::Refund);
    for (worker, work) in it.workers.iter().enumerate() {
        let free = it.jobs.iter().filter(|job| job.lease.is_none());
        match work {
            Work::Idle => free.for_each(|job| when(true, Action::Claim(worker, job.number))),
            Work::Claimed { .. } => {
                for outcome in outcomes(it, work) {
                    when(true, Action::Call(worker, *outcome));
                }
                when(left.crashes > 0, Action::Crash(worker));
            }
            Work::Answered { .. } => {
                when(true, Action::Finish(worker));
                when(left.losses > 0, Action::LoseAnswer(worker));
                when(left.crashes > 0, Action::Crash(worker));
            }
        }
    }
    for job in it.jobs.iter().filter(|job| job.lease.is_some()) {
        when(
            left.pauses > 0 || !is_held(it, job),
            Action::EndLease(job.number),
        );
    }
    for (at, event) in it.stripe.webhooks.iter().enumerate() {
        let known = it.can_apply(event);
        when(known, Action::Apply(at));
        when(known && left.duplicates > 0, Action::ApplyOfTwo(at));
        when(left.losses > 0, Action::LoseWebhook(at));
        when(known && left.crashes > 0, Action::CrashApplying(at));
    }
    let waits = it.stripe.intent.as_ref().is_some_and(|intent| {
        let moving = [IntentStatus::RequiresAction, IntentStatus::Processing];
        moving.contains(&intent.status) || !it.stripe.refunds.is_empty()
    });
    for pick in 0..3 {
        when(left.progress > 0 && waits, Action::Progress(pick));
    }
    let read = it.played.resync && it.snapshot.is_none() && it.stripe.intent.is_some();
    when(read, Action::Read);
    when(it.snapshot.is_some(), Action::Resync);
}

/// What Stripe may make of the call; only a confirmation that it has not answered yet has more than one outcome.
fn outcomes(it: &System, work: &Work) -> &'static [Outcome] {
    let Work::Claimed { job: number, .. } = work else {
        return &[];
    };
    let job = it.jobs.iter().find(|job| job.number == *number);
    let confirms = job.is_some_and(|job| matches!(job.effect, Effect::ConfirmIntent { .. }));
    if confirms {
        &[
            Outcome::Paid,
            Outcome::Declined,
            Outcome::Action,
            Outcome::Slow,
        ]
    } else {
        &[Outcome::Paid]
    }
}

/// Whether a living worker has this job under its present lease.
fn is_held(it: &System, job: &Job) -> bool {
    it.workers.iter().any(|work| match work {
        Work::Idle => false,
        Work::Claimed { job: number, lease }
        | Work::Answered {
            job: number, lease, ..
        } => *number == job.number && Some(*lease) == job.lease,
    })
}

impl System {
    /// Does one thing.
    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Confirm | Action::Cancel | Action::Capture | Action::Refund => self.ask(action),
            Action::Claim(worker, number) => self.claim(worker, number),
            Action::Call(worker, outcome) => self.call(worker, outcome),
            Action::Finish(worker) => self.finish(worker),
            Action::LoseAnswer(worker) => {
                self.left.losses -= 1;
                self.put_back(worker);
            }
            Action::Crash(worker) => {
                self.left.crashes -= 1;
                self.workers[worker] = Work::Idle;
            }
            Action::EndLease(number) => self.end_lease(number),
            Action::Apply(at) => {
                let event = self.stripe.webhooks.remove(at);
                self.report(&event);
            }
            Action::ApplyOfTwo(at) => {
                self.left.duplicates -= 1;
                let event = self.stripe.webhooks[at].clone();
                self.report(&event);
            }
            Action::LoseWebhook(at) => {
                self.left.losses -= 1;
                self.stripe.webhooks.remove(at);
            }
            Action::CrashApplying(at) => {
                self.left.crashes -= 1;
                let event = self.stripe.webhooks[at].clone();
                // The transaction is rolled back. Only a mark that was committed before it would stay.
                if self.fault == Some(Fault::MarkedBeforeApplied) {
                    self.stripe.webhooks.remove(at);
                }
                self.forgotten |= !self.stripe.webhooks.contains(&event);
            }
            Action::Progress(pick) => {
                self.left.progress -= 1;
                self.stripe.go_on(pick);
            }
            Action::Read => {
                self.played.resync = false;
                let objects = resynced(self.stripe.intent(), self.stripe.refunds.clone());
                self.snapshot = Some((objects, false));
            }
            Action::Resync => {
                if let Some((objects, moved)) = self.snapshot.take() {
                    // What was read before the stream moved may be old: it is read again.
                    self.played.resync |= moved || !self.apply(&objects);
                }
            }
        }
    }

    /// A client asks; a refusal is an answer too.
    fn ask(&mut self, action: Action) {
        match action {
            Action::Confirm => {
                self.left.confirms -= 1;
                let attempt = id(10 + u128::from(self.left.confirms));
                let request = ConfirmRequest {
                    attempt,
                    payment_method: None,
                    return_url: None,
                };
                self.apply(&Event::ConfirmRequested(request));
            }
            Action::Cancel => {
                self.left.cancels -= 1;
                self.apply(&Event::CancelRequested { reason: None });
            }
            Action::Capture => {
                self.left.captures -= 1;
                self.apply(&Event::CaptureRequested(CaptureRequest {
                    capture: id(30 + u128::from(self.left.captures)),
                    amount: Some(AMOUNT / 2),
                    is_final: true,
                }));
            }
            Action::Refund => {
                self.left.refunds -= 1;
                let refund = id(20 + u128::from(self.left.refunds));
                let amount = Some(AMOUNT / 4);
                self.apply(&Event::RefundRequested(RefundRequest {
                    refund,
                    amount,
                    reason: None,
                }));
            }
            _ => {}
        }
    }

    fn job(&mut self, number: u8) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.number == number)
    }

    fn claim(&mut self, worker: usize, number: u8) {
        // A lease is named after its worker: no worker has two, so that each is told from the one before it.
        let lease = u8::try_from(worker).unwrap();
        if let Some(job) = self.job(number) {
            job.lease = Some(lease);
            self.workers[worker] = Work::Claimed { job: number, lease };
        }
    }

    fn call(&mut self, worker: usize, outcome: Outcome) {
        let Work::Claimed { job: number, lease } = self.workers[worker] else {
            return;
        };
        let Some(job) = self.job(number) else {
            // Superseded before it was sent: the worker reads the state before it calls.
            self.workers[worker] = Work::Idle;
            return;
        };
        let (effect, key) = (job.effect.clone(), job.key);
        let saved = self.saved.get(&key).cloned();
        let answer = saved.unwrap_or_else(|| self.perform(&effect, outcome));
        self.saved.insert(key, answer.clone());
        let answer = Box::new(answer);
        self.workers[worker] = Work::Answered {
            job: number,
            lease,
            answer,
        };
    }

    fn finish(&mut self, worker: usize) {
        let work = std::mem::replace(&mut self.workers[worker], Work::Idle);
        let Work::Answered {
            job: number,
            lease,
            answer,
        } = work
        else {
            return;
        };
        let held = self.job(number).is_some_and(|job| job.lease == Some(lease));
        if held || self.fault == Some(Fault::NoLeaseCheck) {
            let before = self.played.stream.clone();
            self.jobs.retain(|job| job.number != number);
            self.report(&answer);
            self.unfenced |= !held && self.played.stream != before;
        }
    }

    fn put_back(&mut self, worker: usize) {
        let work = std::mem::replace(&mut self.workers[worker], Work::Idle);
        let Work::Answered {
            job: number, lease, ..
        } = work
        else {
            return;
        };
        let fault = self.fault;
        let key = self.numbers + 1;
        let Some(job) = self.job(number).filter(|job| job.lease == Some(lease)) else {
            return;
        };
        job.lease = None;
        if fault == Some(Fault::NewKeyOnRetry) {
            job.key = key;
            self.numbers = key;
        }
    }

    fn end_lease(&mut self, number: u8) {
        let Some(at) = self.jobs.iter().position(|job| job.number == number) else {
            return;
        };
        if is_held(self, &self.jobs[at]) {
            self.left.pauses -= 1;
        }
        self.jobs[at].lease = None;
    }

    fn perform(&mut self, effect: &Effect, outcome: Outcome) -> Event {
        match effect {
            Effect::CreateIntent => {
                self.intents += 1;
                answered(Call::CreateIntent, None, self.stripe.create())
            }
            Effect::ConfirmIntent { attempt } => {
                let before = self.stripe.intent().status;
                let now = self.stripe.confirm(outcome);
                let holds = [IntentStatus::RequiresCapture, IntentStatus::Succeeded];
                if holds.contains(&now.status) && !holds.contains(&before) {
                    self.took.push(*attempt);
                }
                answered(Call::ConfirmIntent, Some(*attempt), now)
            }
            Effect::CaptureIntent {
                amount, is_final, ..
            } => {
                let now = self.stripe.capture(*amount, *is_final);
                answered(Call::CaptureIntent, None, now)
            }
            Effect::CancelIntent { .. } => answered(Call::CancelIntent, None, self.stripe.cancel()),
            Effect::CreateRefund { refund } => {
                let ours = &self.played.stream.refunds;
                let amount = ours.iter().find(|it| it.id == *refund).unwrap().amount;
                self.stripe.create_refund(*refund, amount)
            }
            Effect::Resync | Effect::UpdateDispute { .. } | Effect::CloseDispute { .. } => {
                unreachable!("no job of this model")
            }
        }
    }
}
