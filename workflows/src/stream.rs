//! A payment with its attempts and refunds, and the one function that decides what it becomes: [`step`].

mod attempts;
mod calls;
mod charges;
mod commands;
mod draft;
mod event;
mod intents;
mod refunds;
mod resync;

use draft::Draft;
use uuid::Uuid;

use crate::attempt::Attempt;
use crate::edges::Machine;
use crate::payment::Payment;
use crate::refund::Refund;

pub use event::{Event, Needs};

/// A payment with what hangs on it, as it stands under its row lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The payment.
    pub payment: Payment,
    /// Its attempts, oldest first. Of those that are stored only the newest is needed, so that after a step they are this
    /// one and the attempts that the step added.
    pub attempts: Vec<Attempt>,
    /// Its refunds, where the event needs them; see [`Event::needs`].
    pub refunds: Vec<Refund>,
}

impl Stream {
    /// The newest attempt, if the payment has any.
    #[must_use]
    pub fn newest_attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }
}

/// What [`step`] decided: the stream as it is to be stored, with the history and the work that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The stream afterwards.
    pub stream: Stream,
    /// What moved, in order; each subject at most once. Versions count on without a gap.
    pub transitions: Vec<Transition>,
    /// What must be done now.
    pub effects: Vec<Effect>,
    changed: bool,
}

impl Step {
    /// Whether everything the event says was known: nothing moved, nothing is to be done, nothing is to be stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.changed && self.transitions.is_empty() && self.effects.is_empty()
    }
}

/// One thing that moved along one edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What moved.
    pub machine: Machine,
    /// The id of the payment, attempt or refund that moved.
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

/// Something that must be done because of a step: a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask Stripe to create the intent.
    CreateIntent,
    /// Ask Stripe to confirm it, as this attempt.
    ConfirmIntent {
        /// The attempt.
        attempt: Uuid,
    },
    /// Ask Stripe to capture.
    CaptureIntent {
        /// How much, in the currency's unit.
        amount: i64,
    },
    /// Ask Stripe to cancel the intent.
    CancelIntent {
        /// Why, in one of Stripe's words.
        reason: Option<String>,
    },
    /// Ask Stripe to make a refund.
    CreateRefund {
        /// Ours.
        refund: Uuid,
    },
    /// Read the intent and its refunds at Stripe and come back with [`Event::Resynced`]; one per payment is enough.
    Resync,
}

/// Why an event was refused. Nothing is to be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The status does not allow what was asked.
    #[error("a payment in status {status} does not allow this")]
    WrongStatus {
        /// Where the payment stands.
        status: crate::payment::Status,
    },
    /// A call to Stripe is under way whose outcome must be known first.
    #[error("the call {call} is still under way")]
    CallOpen {
        /// The call.
        call: crate::payment::Call,
    },
    /// A cancel is asked for already.
    #[error("a cancel has been requested")]
    CancelPending,
    /// An attempt is under way at the bank, or has taken the money.
    #[error("an attempt is under way")]
    AttemptOpen,
    /// There is nothing to confirm with.
    #[error("a payment method is missing")]
    PaymentMethodMissing,
    /// The amount cannot be moved in this currency.
    #[error(transparent)]
    Amount(#[from] crate::money::MoneyError),
    /// More than what can be captured was asked for.
    #[error("at most {capturable} can be captured")]
    CaptureExceeds {
        /// What can be captured, in the currency's unit.
        capturable: i64,
    },
    /// More than what is left of the captured money was asked back.
    #[error("at most {left} can be refunded")]
    RefundExceeds {
        /// What is left, in the currency's unit.
        left: i64,
    },
    /// The id of a new thing is taken.
    #[error("the id is in use")]
    IdInUse,
    /// The event is about a refund that is not of this stream, or was not loaded.
    #[error("the refund is not of this payment")]
    UnknownRefund,
    /// The report is about another payment's object.
    #[error("the report is about another payment")]
    NotOurs,
    /// The report's currency is not the payment's.
    #[error("the report is in another currency")]
    WrongCurrency,
    /// The report's amount is not the refund's.
    #[error("the report is of another amount")]
    WrongAmount,
    /// The report carries a status that this version does not know.
    #[error("the report carries an unknown status")]
    UnknownStatus,
    /// Applying it would break the rules of money: captured at most authorized, refunded at most captured, no overflow.
    #[error("the sums would no longer add up")]
    BrokenSums,
    /// No edge leads there; a fault of this crate, since every report is checked before it is applied.
    #[error("no edge from {from} by {kind} to {to}")]
    NoEdge {
        /// Where it stands.
        from: &'static str,
        /// What was tried.
        kind: &'static str,
        /// Where it should have led.
        to: &'static str,
    },
}

/// The first step of a new payment (edge P0): it is stored, and Stripe is asked to create its intent.
///
/// Whatever `new` says about its status, its sums, its calls and its version is set to how a payment begins.
///
/// # Errors
/// Never for a payment as a client can ask for it.
pub fn start(new: Payment) -> Result<Step, Refusal> {
    commands::start(new)
}

/// What the event makes of the stream.
///
/// What a client asks for is done or refused. What Stripe reports is applied where it is certain to be news; where the
/// stream shows it already, the step is empty; where it cannot be told apart from an old report, the step asks to look
/// ([`Effect::Resync`]). So every order in which the reports arrive ends in the same state.
///
/// # Errors
/// Says why the event was refused; the stream stays as it is.
pub fn step(stream: &Stream, event: &Event) -> Result<Step, Refusal> {
    let mut draft = Draft::of(stream);
    apply(&mut draft, event)?;
    draft.finish(stream)
}

#[expect(
    clippy::too_many_lines,
    reason = "one arm for each event, and nothing else"
)]
fn apply(draft: &mut Draft, event: &Event) -> Result<(), Refusal> {
    match event {
        Event::ConfirmRequested {
            attempt,
            payment_method,
            return_url,
        } => commands::confirm(
            draft,
            *attempt,
            payment_method.as_ref(),
            return_url.as_ref(),
        ),
        Event::CaptureRequested { amount } => commands::capture(draft, *amount),
        Event::CancelRequested { reason } => commands::cancel(draft, reason.as_ref()),
        Event::RefundRequested {
            refund,
            amount,
            reason,
        } => commands::refund(draft, *refund, *amount, reason.clone()),
        Event::Forced { to, reason: _ } => commands::force(draft, *to),
        Event::IntentSeen {
            intent,
            kind,
            answers,
            attempt,
            fresh_attempt,
        } => intents::Report {
            intent,
            kind: *kind,
            answers: *answers,
            attempt: *attempt,
            fresh_attempt: *fresh_attempt,
        }
        .apply(draft),
        Event::IntentRejected { error } => calls::intent_rejected(draft, error),
        Event::ConfirmRefused { attempt, error } => calls::confirm_refused(draft, *attempt, error),
        Event::CallRefused { call, error } => calls::refused(draft, *call, error),
        Event::CallProvedVoid {
            call,
            refund,
            amount,
            fresh_attempt,
        } => calls::proved_void(draft, *call, *refund, *amount, *fresh_attempt),
        Event::ChargeSeen {
            charge,
            kind,
            fresh_attempt,
        } => charges::seen(draft, charge, *kind, *fresh_attempt),
        Event::RefundSeen {
            refund,
            answers,
            fresh_refund,
        } => refunds::seen(draft, refund, *answers, *fresh_refund),
        Event::RefundRejected { refund, error } => refunds::rejected(draft, *refund, error),
        Event::Hinted => {
            draft.look();
            Ok(())
        }
        Event::Resynced {
            intent,
            charge,
            refunds,
            fresh_attempt,
            fresh_refunds,
        } => resync::Look {
            intent,
            charge: charge.as_ref(),
            refunds,
            fresh_attempt: *fresh_attempt,
            fresh_refunds,
        }
        .apply(draft),
    }
}
