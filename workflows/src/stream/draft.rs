//! A step while it is decided: every move goes through here, so that each is an edge, has a version, and keeps the sums.

mod disputes;

use uuid::Uuid;

use super::{Effect, Refusal, Step, Stream, Transition};
use crate::attempt::Attempt;
use crate::capture::Capture;
use crate::edges::{Edge, NONE};
use crate::effect::Call;
use crate::payment::Status;
use crate::refund::Refund;
use crate::stripe::Intent;
use crate::{attempt, capture, payment, refund};

/// The stream as decided so far, with its transitions and effects.
pub(super) struct Draft {
    pub(super) stream: Stream,
    transitions: Vec<Transition>,
    effects: Vec<Effect>,
    /// Whether the captured sum is certainly Stripe's, so that the captures are compared with it at the end of the step.
    pub(super) compares_captures: bool,
    /// The id of a capture that this comparison adds, should it add one.
    pub(super) fresh_capture: Option<Uuid>,
}

impl Draft {
    pub(super) fn new(stream: &Stream) -> Self {
        Self {
            stream: stream.clone(),
            transitions: Vec::new(),
            effects: Vec::new(),
            compares_captures: false,
            fresh_capture: None,
        }
    }

    /// Compares the captures with the captured sum at the end of the step, when it is known which calls are open.
    pub(super) fn compare_captures(&mut self, fresh: Option<Uuid>) {
        self.compares_captures = true;
        self.fresh_capture = fresh;
    }

    /// Asks for `effect`, once.
    pub(super) fn effect(&mut self, effect: Effect) {
        if !self.effects.contains(&effect) {
            self.effects.push(effect);
        }
    }

    /// Asks for a resync: a read of the intent and its refunds at Stripe.
    #[expect(clippy::unnecessary_wraps, reason = "most callers end with it")]
    pub(super) fn resync(&mut self) -> Result<(), Refusal> {
        self.effect(Effect::Resync);
        Ok(())
    }

    /// Asks for a call and notes it as the open one. The caller has checked that none is open.
    pub(super) fn call(&mut self, effect: Effect) {
        self.stream.payment.open_call = effect.call();
        self.effect(effect);
    }

    /// Closes the open call if it is this one: its outcome is known.
    pub(super) fn close(&mut self, call: Call) {
        let open = &mut self.stream.payment.open_call;
        if *open == Some(call) {
            *open = None;
        }
    }

    /// Drops the request to cancel: Stripe refused it, or the payment ended otherwise.
    pub(super) fn give_up_cancel(&mut self) {
        self.stream.payment.cancel_requested = false;
        self.stream.payment.cancellation_reason = None;
    }

    /// Moves the payment.
    pub(super) fn payment(&mut self, kind: payment::Kind, to: Status) -> Result<(), Refusal> {
        let from = self.stream.payment.status;
        let edge = payment::edge(Some(from), kind, to);
        self.record(
            self.stream.payment.id,
            edge,
            [from.as_str(), kind.as_str(), to.as_str()],
        )?;
        self.stream.payment.status = to;
        Ok(())
    }

    /// Starts the first transition of a payment that does not exist yet.
    pub(super) fn accept(&mut self) -> Result<(), Refusal> {
        let to = Status::LocalCreated;
        let kind = payment::Kind::Accepted;
        let edge = payment::edge(None, kind, to);
        self.record(
            self.stream.payment.id,
            edge,
            [NONE, kind.as_str(), to.as_str()],
        )?;
        self.stream.payment.status = to;
        Ok(())
    }

    /// Moves the newest attempt; nothing happens where there is none, or where it has that status.
    pub(super) fn attempt(
        &mut self,
        kind: attempt::Kind,
        to: attempt::Status,
    ) -> Result<(), Refusal> {
        let Some(attempt) = self.stream.attempts.last_mut() else {
            return Ok(());
        };
        let (id, from) = (attempt.id, attempt.status);
        if from == to {
            return Ok(());
        }
        attempt.status = to;
        let edge = attempt::edge(Some(from), kind, to);
        self.record(id, edge, [from.as_str(), kind.as_str(), to.as_str()])
    }

    /// Adds an attempt as the newest. The one before it must be closed.
    pub(super) fn add_attempt(
        &mut self,
        id: Uuid,
        kind: attempt::Kind,
        status: attempt::Status,
    ) -> Result<(), Refusal> {
        let payment = &mut self.stream.payment;
        payment.attempts = payment.attempts.checked_add(1).ok_or(Refusal::BrokenSums)?;
        let added = Attempt {
            id,
            number: payment.attempts,
            status,
            charge_id: None,
            payment_method: payment.payment_method.clone(),
            error: None,
        };
        if let Some(before) = self.stream.attempts.last() {
            if before.id == id {
                return Err(Refusal::IdInUse);
            }
            if before.status.is_open() {
                return Err(Refusal::AttemptOpen);
            }
        }
        let edge = attempt::edge(None, kind, status);
        self.record(id, edge, [NONE, kind.as_str(), status.as_str()])?;
        self.stream.attempts.push(added);
        Ok(())
    }

    /// Starts an attempt of ours: Stripe is asked to confirm.
    pub(super) fn start_attempt(&mut self, id: Uuid) -> Result<(), Refusal> {
        self.add_attempt(id, attempt::Kind::Started, attempt::Status::Started)?;
        self.call(Effect::ConfirmIntent { attempt: id });
        Ok(())
    }

    /// Adds a capture.
    pub(super) fn add_capture(
        &mut self,
        capture: Capture,
        kind: capture::Kind,
    ) -> Result<(), Refusal> {
        let mut known = self.stream.captures.iter();
        if known.any(|known| known.id == capture.id) {
            return Err(Refusal::IdInUse);
        }
        let captures = &mut self.stream.payment.captures;
        *captures = captures.checked_add(1).ok_or(Refusal::BrokenSums)?;
        let to = capture.status;
        let edge = capture::edge(None, kind, to);
        self.record(capture.id, edge, [NONE, kind.as_str(), to.as_str()])?;
        self.stream.captures.push(capture);
        Ok(())
    }

    /// Moves the capture at `index`. The captured sum is Stripe's and stays as it is.
    pub(super) fn capture(
        &mut self,
        index: usize,
        kind: capture::Kind,
        to: capture::Status,
    ) -> Result<(), Refusal> {
        let capture = &mut self.stream.captures[index];
        let (id, from) = (capture.id, capture.status);
        capture.status = to;
        let edge = capture::edge(Some(from), kind, to);
        self.record(id, edge, [from.as_str(), kind.as_str(), to.as_str()])
    }

    /// Adds a refund; its amount counts from now on.
    pub(super) fn add_refund(&mut self, refund: Refund, kind: refund::Kind) -> Result<(), Refusal> {
        if self
            .stream
            .refunds
            .iter()
            .any(|known| known.id == refund.id)
        {
            return Err(Refusal::IdInUse);
        }
        let edge = refund::edge(None, kind, refund.status);
        self.record(
            refund.id,
            edge,
            [NONE, kind.as_str(), refund.status.as_str()],
        )?;
        self.count((0, 0), refund.contribution())?;
        self.stream.refunds.push(refund);
        Ok(())
    }

    /// Moves the refund at `index`; the difference between its two contributions is applied to the payment's sums.
    pub(super) fn refund(
        &mut self,
        index: usize,
        kind: refund::Kind,
        to: refund::Status,
    ) -> Result<(), Refusal> {
        let refund = self
            .stream
            .refunds
            .get_mut(index)
            .ok_or(Refusal::UnknownRefund)?;
        let (id, from, before) = (refund.id, refund.status, refund.contribution());
        refund.status = to;
        let after = refund.contribution();
        let edge = refund::edge(Some(from), kind, to);
        self.record(id, edge, [from.as_str(), kind.as_str(), to.as_str()])?;
        self.count(before, after)
    }

    /// Takes over the intent's facts. The status moves by [`Draft::payment`], afterwards.
    pub(super) fn absorb(&mut self, intent: &Intent) -> Result<(), Refusal> {
        let payment = &mut self.stream.payment;
        payment.absorb(intent).ok_or(Refusal::BrokenSums)
    }

    /// Moves the payment to the status that a report of Stripe shows, along the edge of the ordinary course.
    pub(super) fn report_payment(&mut self, to: Status) -> Result<(), Refusal> {
        let from = self.stream.payment.status;
        let kind = payment::find_kind(Some(from), to).unwrap_or(payment::Kind::Resync);
        self.payment(kind, to)
    }

    /// Moves the newest attempt to the status that a report of Stripe shows: along the edge of the ordinary course, or
    /// along the correcting one where there is none. Nothing happens where there is no attempt, or it has that status.
    pub(super) fn report_attempt(&mut self, to: attempt::Status) -> Result<(), Refusal> {
        let from = self.stream.newest_attempt().map(|newest| newest.status);
        let kind = attempt::find_kind(from, to).unwrap_or(attempt::Kind::Resync);
        self.attempt(kind, to)
    }

    /// Finishes the step: checks the sums.
    pub(super) fn finish(self, before: &Stream) -> Result<Step, Refusal> {
        let payment = &self.stream.payment;
        let sums = [
            payment.reserved,
            payment.refunded,
            payment.capturable,
            payment.captured,
            payment.authorized,
        ];
        let add_up = sums.iter().all(|sum| *sum >= 0)
            && payment.captured <= payment.authorized
            && payment.refunded <= payment.captured;
        if !add_up {
            return Err(Refusal::BrokenSums);
        }
        Ok(Step {
            changed: self.stream != *before,
            stream: self.stream,
            transitions: self.transitions,
            effects: self.effects,
        })
    }

    /// Applies the rules of every step: a payment that has ended has no open call, a confirm ends together with its attempt,
    /// and a requested cancel is called once no other call is open.
    pub(super) fn settle(&mut self) {
        let over = matches!(self.stream.newest_attempt(), Some(newest) if !newest.status.is_open());
        if over {
            self.close(Call::ConfirmIntent);
        }
        let payment = &mut self.stream.payment;
        if payment.status.is_final() {
            payment.open_call = None;
            payment.cancel_requested = false;
            if payment.status != Status::Canceled {
                payment.cancellation_reason = None;
            }
        } else if payment.cancel_requested
            && payment.open_call.is_none()
            && payment.intent_id.is_some()
        {
            let reason = payment.cancellation_reason.clone();
            self.call(Effect::CancelIntent { reason });
        }
    }

    fn count(&mut self, before: (i64, i64), after: (i64, i64)) -> Result<(), Refusal> {
        let payment = &mut self.stream.payment;
        let moved = |sum: i64, before: i64, after: i64| {
            sum.checked_sub(before)
                .and_then(|sum| sum.checked_add(after))
                .ok_or(Refusal::BrokenSums)
        };
        payment.reserved = moved(payment.reserved, before.0, after.0)?;
        payment.refunded = moved(payment.refunded, before.1, after.1)?;
        Ok(())
    }

    fn record(
        &mut self,
        subject: Uuid,
        edge: Option<Edge>,
        [from, kind, to]: [&'static str; 3],
    ) -> Result<(), Refusal> {
        let edge = edge.ok_or(Refusal::NoEdge { from, kind, to })?;
        let version = &mut self.stream.payment.version;
        *version = version.checked_add(1).ok_or(Refusal::BrokenSums)?;
        self.transitions.push(Transition {
            machine: edge.machine,
            subject,
            kind: edge.kind,
            from: edge.from,
            to: edge.to,
            version: *version,
        });
        Ok(())
    }
}
