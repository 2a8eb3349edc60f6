//! The types of the events that report transitions to merchants. A type names the outcome, so that it does not matter
//! which edge led to it: an answer, a webhook, a resync or an operator.

use crate::edge::{Machine, NONE};
use crate::{attempt, capture, dispute, payment, refund};

/// The status that each type reports, machine by machine. A type may report more than one status.
pub const OUTCOMES: &[(Machine, &str, &str)] = &[
    (
        Machine::Payment,
        payment::Status::LocalCreated.as_str(),
        "payment.created",
    ),
    (
        Machine::Payment,
        payment::Status::RequiresPaymentMethod.as_str(),
        WAITS_FOR_METHOD,
    ),
    (
        Machine::Payment,
        payment::Status::RequiresConfirmation.as_str(),
        "payment.requires_confirmation",
    ),
    (
        Machine::Payment,
        payment::Status::RequiresAction.as_str(),
        "payment.requires_action",
    ),
    (
        Machine::Payment,
        payment::Status::Processing.as_str(),
        "payment.processing",
    ),
    (
        Machine::Payment,
        payment::Status::RequiresCapture.as_str(),
        "payment.capturable",
    ),
    (
        Machine::Payment,
        payment::Status::Succeeded.as_str(),
        "payment.succeeded",
    ),
    (
        Machine::Payment,
        payment::Status::Canceled.as_str(),
        "payment.canceled",
    ),
    (
        Machine::Payment,
        payment::Status::LocalRejected.as_str(),
        PAYMENT_FAILED,
    ),
    (
        Machine::Attempt,
        attempt::Status::Started.as_str(),
        "attempt.started",
    ),
    (
        Machine::Attempt,
        attempt::Status::RequiresAction.as_str(),
        "attempt.requires_action",
    ),
    (
        Machine::Attempt,
        attempt::Status::Pending.as_str(),
        "attempt.pending",
    ),
    (
        Machine::Attempt,
        attempt::Status::Authorized.as_str(),
        "attempt.authorized",
    ),
    (
        Machine::Attempt,
        attempt::Status::Captured.as_str(),
        "attempt.captured",
    ),
    (
        Machine::Attempt,
        attempt::Status::Failed.as_str(),
        "attempt.failed",
    ),
    (
        Machine::Attempt,
        attempt::Status::Expired.as_str(),
        "attempt.expired",
    ),
    (
        Machine::Attempt,
        attempt::Status::Voided.as_str(),
        "attempt.voided",
    ),
    (
        Machine::Capture,
        capture::Status::Requested.as_str(),
        "capture.created",
    ),
    (
        Machine::Capture,
        capture::Status::Submitted.as_str(),
        "capture.submitted",
    ),
    (
        Machine::Capture,
        capture::Status::Succeeded.as_str(),
        "capture.succeeded",
    ),
    (
        Machine::Capture,
        capture::Status::Failed.as_str(),
        "capture.failed",
    ),
    (
        Machine::Refund,
        refund::Status::LocalRequested.as_str(),
        "refund.created",
    ),
    (
        Machine::Refund,
        refund::Status::Pending.as_str(),
        "refund.pending",
    ),
    (
        Machine::Refund,
        refund::Status::RequiresAction.as_str(),
        "refund.requires_action",
    ),
    (
        Machine::Refund,
        refund::Status::Succeeded.as_str(),
        "refund.succeeded",
    ),
    (
        Machine::Refund,
        refund::Status::Failed.as_str(),
        "refund.failed",
    ),
    (
        Machine::Refund,
        refund::Status::Canceled.as_str(),
        "refund.canceled",
    ),
    (
        Machine::Refund,
        refund::Status::LocalRejected.as_str(),
        "refund.failed",
    ),
    (
        Machine::Dispute,
        dispute::Status::WarningNeedsResponse.as_str(),
        "dispute.inquiry_needs_response",
    ),
    (
        Machine::Dispute,
        dispute::Status::WarningUnderReview.as_str(),
        "dispute.inquiry_under_review",
    ),
    (
        Machine::Dispute,
        dispute::Status::WarningClosed.as_str(),
        "dispute.inquiry_closed",
    ),
    (
        Machine::Dispute,
        dispute::Status::NeedsResponse.as_str(),
        "dispute.needs_response",
    ),
    (
        Machine::Dispute,
        dispute::Status::UnderReview.as_str(),
        "dispute.under_review",
    ),
    (
        Machine::Dispute,
        dispute::Status::Won.as_str(),
        "dispute.won",
    ),
    (
        Machine::Dispute,
        dispute::Status::Lost.as_str(),
        "dispute.lost",
    ),
    (
        Machine::Dispute,
        dispute::Status::Prevented.as_str(),
        "dispute.prevented",
    ),
    (
        Machine::DisputeFunds,
        dispute::Funds::Withdrawn.as_str(),
        "dispute.funds_withdrawn",
    ),
    (
        Machine::DisputeFunds,
        dispute::Funds::Reinstated.as_str(),
        "dispute.funds_reinstated",
    ),
    (
        Machine::DisputeEvidence,
        dispute::Evidence::Staged.as_str(),
        "dispute.evidence_staged",
    ),
    (
        Machine::DisputeEvidence,
        dispute::Evidence::Submitted.as_str(),
        "dispute.evidence_submitted",
    ),
];

const WAITS_FOR_METHOD: &str = "payment.requires_payment_method";
const PAYMENT_FAILED: &str = "payment.failed";
const CANCEL_REQUESTED: &str = "payment.cancel_requested";
const CAPTURE_REQUESTED: &str = "payment.capture_requested";
const AUTHORIZATION_EXPIRING: &str = "payment.authorization_expiring";
const RELEASED: &str = "refund.released";
const HOLD_SET: &str = "payment.hold_set";
const HOLD_CLEARED: &str = "payment.hold_cleared";
const DISPUTED: &str = "dispute.created";
const EVIDENCE_REQUESTED: &str = "dispute.evidence_requested";
const ACCEPT_REQUESTED: &str = "dispute.accept_requested";
const EVIDENCE_DUE: &str = "dispute.evidence_due";
const REQUEST_REFUSED: &str = "dispute.request_refused";

/// Every type, in the order of the machines.
pub const ALL: [&str; 55] = [
    "payment.created",
    WAITS_FOR_METHOD,
    "payment.requires_confirmation",
    "payment.requires_action",
    "payment.processing",
    "payment.capturable",
    "payment.succeeded",
    "payment.canceled",
    PAYMENT_FAILED,
    CANCEL_REQUESTED,
    CAPTURE_REQUESTED,
    AUTHORIZATION_EXPIRING,
    HOLD_SET,
    HOLD_CLEARED,
    "payment.updated",
    "attempt.started",
    "attempt.requires_action",
    "attempt.pending",
    "attempt.authorized",
    "attempt.captured",
    "attempt.failed",
    "attempt.expired",
    "attempt.voided",
    "attempt.updated",
    "capture.created",
    "capture.submitted",
    "capture.succeeded",
    "capture.failed",
    "capture.updated",
    "refund.created",
    "refund.pending",
    "refund.requires_action",
    "refund.succeeded",
    "refund.failed",
    "refund.canceled",
    RELEASED,
    "refund.updated",
    DISPUTED,
    "dispute.inquiry_needs_response",
    "dispute.inquiry_under_review",
    "dispute.inquiry_closed",
    "dispute.needs_response",
    "dispute.under_review",
    "dispute.won",
    "dispute.lost",
    "dispute.prevented",
    EVIDENCE_REQUESTED,
    ACCEPT_REQUESTED,
    EVIDENCE_DUE,
    REQUEST_REFUSED,
    "dispute.funds_withdrawn",
    "dispute.funds_reinstated",
    "dispute.evidence_staged",
    "dispute.evidence_submitted",
    "dispute.updated",
];

/// A transition, as far as its type depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The machine of the subject that moved.
    pub machine: Machine,
    /// The status it left, or [`crate::edges::NONE`].
    pub from: &'a str,
    /// The edge's kind.
    pub kind: &'a str,
    /// The status it reached.
    pub to: &'a str,
    /// Whether the subject shows an error afterwards.
    pub has_error: bool,
    /// The reason of a refund.
    pub reason: Option<&'a str>,
}

impl Change<'_> {
    /// The type of the event that reports the transition.
    ///
    /// A transition that leaves the status as it was has a type that says what was asked, or that something else than
    /// the status changed.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        match self.machine {
            Machine::Payment if self.kind == payment::Kind::CancelRequested.as_str() => {
                CANCEL_REQUESTED
            }
            Machine::Payment if self.kind == payment::Kind::CaptureRequested.as_str() => {
                CAPTURE_REQUESTED
            }
            Machine::Payment if self.kind == payment::Kind::AuthorizationExpiring.as_str() => {
                AUTHORIZATION_EXPIRING
            }
            Machine::Payment if self.kind == payment::Kind::HoldSet.as_str() => HOLD_SET,
            Machine::Payment if self.kind == payment::Kind::HoldCleared.as_str() => HOLD_CLEARED,
            Machine::Payment if self.is_failed_attempt() => PAYMENT_FAILED,
            // Money that was never captured: no event may report an outcome of a refund.
            Machine::Refund if refund::is_release(self.reason) => match self.outcome() {
                Some("refund.succeeded") => RELEASED,
                _ => "refund.updated",
            },
            Machine::Dispute if self.is_opened() => DISPUTED,
            Machine::Dispute if self.kind == dispute::Kind::EvidenceRequested.as_str() => {
                EVIDENCE_REQUESTED
            }
            Machine::Dispute if self.kind == dispute::Kind::AcceptRequested.as_str() => {
                ACCEPT_REQUESTED
            }
            Machine::Dispute if self.kind == dispute::Kind::EvidenceDue.as_str() => EVIDENCE_DUE,
            Machine::Dispute if self.kind == dispute::Kind::CallRefused.as_str() => REQUEST_REFUSED,
            machine => self.outcome().unwrap_or(match machine {
                Machine::Payment => "payment.updated",
                Machine::Attempt => "attempt.updated",
                Machine::Capture => "capture.updated",
                Machine::Refund => "refund.updated",
                Machine::Dispute | Machine::DisputeFunds | Machine::DisputeEvidence => {
                    "dispute.updated"
                }
            }),
        }
    }

    /// Whether a dispute is reported for the first time and waits for something. One that has ended already reports its end.
    fn is_opened(&self) -> bool {
        let to: Result<dispute::Status, _> = self.to.parse();
        self.from == NONE && to.is_ok_and(|to| !to.is_final())
    }

    /// Whether a payment waits for a method because an attempt failed. Otherwise it has not been attempted yet.
    fn is_failed_attempt(&self) -> bool {
        use payment::Status::{LocalCreated, LocalRejected, RequiresPaymentMethod};
        let unattempted = [LocalCreated, LocalRejected, RequiresPaymentMethod];
        self.to == RequiresPaymentMethod.as_str()
            && (self.has_error
                || self.kind == payment::Kind::PaymentFailed.as_str()
                || !unattempted
                    .iter()
                    .any(|status| status.as_str() == self.from))
    }

    /// The type of the status that is reached; nothing where the subject had it already.
    fn outcome(&self) -> Option<&'static str> {
        OUTCOMES
            .iter()
            .find(|(machine, status, _)| *machine == self.machine && *status == self.to)
            .filter(|_| self.from != self.to)
            .map(|(_, _, name)| *name)
    }
}
