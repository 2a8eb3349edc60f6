//! A payment with its attempts, captures, refunds and disputes, and the one function that decides how they move: [`step`].

mod attempts;
mod authorization;
mod calls;
mod captures;
mod charges;
mod commands;
mod disputes;
mod draft;
mod event;
mod holds;
mod identity;
mod intents;
mod refunds;
mod resync;

use draft::Draft;
use uuid::Uuid;

use crate::attempt::Attempt;
use crate::capture::Capture;
use crate::dispute;
use crate::dispute::Dispute;
use crate::edges::Machine;
use crate::payment::Payment;
use crate::refund::Refund;

pub use crate::effect::Effect;
pub use event::{
    CaptureRequest, ChargeReport, ConfirmRequest, DisputeReport, Event, EvidenceRequest,
    HoldReport, IntentReport, Needs, RefundReport, RefundRequest, Snapshot, VoidCall,
};
pub use identity::Identity;

/// A payment with its attempts, captures, refunds and disputes, as they stand under the lock of the payment's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The payment.
    pub payment: Payment,
    /// Its attempts, oldest first. Of those that are stored only the newest is needed, so that after a step they are this
    /// one and the attempts that the step added.
    pub attempts: Vec<Attempt>,
    /// Its captures, oldest first, all of them.
    pub captures: Vec<Capture>,
    /// Its refunds, where the event needs them; see [`Event::needs`].
    pub refunds: Vec<Refund>,
    /// Its disputes, where the event needs them.
    pub disputes: Vec<Dispute>,
}

impl Stream {
    /// The newest attempt, if the payment has any.
    #[must_use]
    pub fn newest_attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The attempts before the newest one, oldest first: of a stored payment those that a step has followed by another.
    #[must_use]
    pub fn earlier_attempts(&self) -> &[Attempt] {
        self.attempts
            .split_last()
            .map_or(&[], |(_, earlier)| earlier)
    }
}

/// The decision of [`step`]: the stream as it is to be stored, its transitions, and the work that they ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The stream afterwards.
    pub stream: Stream,
    /// The transitions in order, at most one of each machine and subject. Their versions continue the stream's without a gap.
    pub transitions: Vec<Transition>,
    /// The work that must be done now.
    pub effects: Vec<Effect>,
    changed: bool,
}

impl Step {
    /// Whether the event was no news: nothing moved, nothing is to be done, nothing is to be stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.changed && self.transitions.is_empty() && self.effects.is_empty()
    }
}

/// One move of one subject along one edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The machine of the subject.
    pub machine: Machine,
    /// The id of the payment, attempt, capture, refund or dispute that moved.
    pub subject: Uuid,
    /// The edge's kind.
    pub kind: &'static str,
    /// The status it left, or `none`.
    pub from: &'static str,
    /// The status it reached.
    pub to: &'static str,
    /// Its number within the stream.
    pub version: i64,
}

/// Why an event was refused. Nothing is to be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The status does not allow what was asked.
    #[error("a payment in status {status} does not allow this")]
    WrongStatus {
        /// The payment's status.
        status: crate::payment::Status,
    },
    /// A call to Stripe is under way, and its outcome must be known first.
    #[error("the call {call} is still under way")]
    CallOpen {
        /// The call.
        call: crate::effect::Call,
    },
    /// A cancel was requested already.
    #[error("a cancel has been requested")]
    CancelPending,
    /// An attempt is under way at the bank, or has taken the money.
    #[error("an attempt is under way")]
    AttemptOpen,
    /// The payment has no payment method to confirm with.
    #[error("a payment method is missing")]
    PaymentMethodMissing,
    /// The amount cannot be moved in this currency.
    #[error(transparent)]
    Amount(#[from] crate::money::MoneyError),
    /// The amount exceeds the sum that can be captured.
    #[error("at most {capturable} can be captured")]
    CaptureExceeds {
        /// The sum that can be captured, in the currency's unit.
        capturable: i64,
    },
    /// Only a part of the authorized sum is to be captured now and more later, which Stripe does not allow for this charge.
    #[error("the payment cannot be captured in several parts")]
    MulticaptureUnavailable,
    /// The amount exceeds the part of the captured sum that is left.
    #[error("at most {left} can be refunded")]
    RefundExceeds {
        /// The sum that is left, in the currency's unit.
        left: i64,
    },
    /// The payment is disputed: the customer gets the money back through the bank, and a refund would pay it twice.
    #[error("the payment has a dispute that is open or lost")]
    Disputed,
    /// The status of the dispute does not allow what was asked.
    #[error("a dispute in status {status} does not allow this")]
    WrongDisputeStatus {
        /// The dispute's status.
        status: dispute::Status,
    },
    /// The id of a new subject is in use.
    #[error("the id is in use")]
    IdInUse,
    /// The event is about a refund that is not of this stream, or was not loaded.
    #[error("the refund is not of this payment")]
    UnknownRefund,
    /// The event is about a dispute that is not of this stream, or was not loaded.
    #[error("the dispute is not of this payment")]
    UnknownDispute,
    /// The report is about another payment's object.
    #[error("the report is about another payment")]
    NotOurs,
    /// The report's currency is not the payment's.
    #[error("the report is in another currency")]
    WrongCurrency,
    /// The report's amount is not the refund's.
    #[error("the report is of another amount")]
    WrongAmount,
    /// Applying it would break the rules of money: captured at most authorized, refunded at most captured, no overflow.
    #[error("the sums would no longer add up")]
    BrokenSums,
    /// No edge leads there; a fault of this crate, since every report is checked before it is applied.
    #[error("no edge from {from} by {kind} to {to}")]
    NoEdge {
        /// The status of the subject.
        from: &'static str,
        /// The kind of the move.
        kind: &'static str,
        /// The status that was asked for.
        to: &'static str,
    },
}

/// The first step of a new payment (rule P0): it is stored, and Stripe is asked to create its intent.
///
/// # Errors
/// Never for a payment as [`Payment::new`] makes it.
pub fn start(payment: Payment) -> Result<Step, Refusal> {
    commands::start(payment)
}

/// Decides how an event moves the stream.
///
/// A client's command is executed or refused. A report of Stripe is applied where it is certain to be news; the step is
/// empty where the stream shows it already; and where a report cannot be told apart from an old one, the step asks for a
/// resync ([`Effect::Resync`]). So every order in which the reports arrive ends in the same state.
///
/// # Errors
/// Says why the event was refused; the stream stays as it is.
pub fn step(stream: &Stream, event: &Event) -> Result<Step, Refusal> {
    let mut draft = Draft::new(stream);
    apply(&mut draft, event)?;
    draft.settle();
    if draft.compares_captures {
        let fresh = draft.fresh_capture;
        captures::compare(&mut draft, fresh)?;
    }
    draft.finish(stream)
}

fn apply(draft: &mut Draft, event: &Event) -> Result<(), Refusal> {
    match event {
        Event::ConfirmRequested(request) => request.apply(draft),
        Event::CaptureRequested(request) => request.apply(draft),
        Event::CancelRequested { reason } => commands::cancel(draft, reason.as_ref()),
        Event::RefundRequested(request) => request.apply(draft),
        Event::EvidenceRequested(request) => request.apply(draft),
        Event::AcceptRequested { dispute } => disputes::accept(draft, *dispute),
        Event::EvidenceDue { now } => disputes::remind(draft, *now),
        Event::AuthorizationExpiring { now, capture } => {
            authorization::expiring(draft, *now, *capture)
        }
        Event::Forced { to, reason: _ } => commands::force(draft, *to),
        Event::IntentSeen(report) => report.apply(draft),
        Event::IntentRejected { error } => calls::intent_rejected(draft, error),
        Event::ConfirmRefused { attempt, error } => calls::confirm_refused(draft, *attempt, error),
        Event::CallRefused { call, error } => calls::refused(draft, *call, error),
        Event::CallProvedVoid(void) => void.apply(draft),
        Event::ChargeSeen(report) => report.apply(draft),
        Event::RefundSeen(report) => report.apply(draft),
        Event::RefundRejected { refund, error } => refunds::rejected(draft, *refund, error),
        Event::DisputeSeen(report) => report.apply(draft),
        Event::DisputeCallRefused {
            dispute,
            call,
            error,
        } => disputes::call_refused(draft, *dispute, *call, error),
        Event::HoldSeen(report) => report.apply(draft),
        Event::Hinted => draft.resync(),
        Event::Resynced(snapshot) => snapshot.apply(draft),
    }
}
