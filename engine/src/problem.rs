//! The problem that a client gets for each error of the engine. Causes are logged here, once, and never sent.

use std::time::Duration;

use infra::http::code::{MISSING_FIELD, NOT_FOUND, UNEXPECTED_STATE, VERSION_CONFLICT};
use infra::http::problem::Problem;
use workflows::stream::Refusal;

use crate::Error;
use crate::code::{
    CALL_IN_FLIGHT, DISPUTED, IDEMPOTENCY_IN_FLIGHT, IDEMPOTENCY_KEY_REUSED, INTAKE_PAUSED,
    INVALID_AMOUNT, MULTICAPTURE_UNAVAILABLE, REFERENCE_TAKEN,
};

/// The `Retry-After` of a pause, which an operator ends after minutes.
const INTAKE_PAUSE_SECONDS: u32 = 30;

/// The problem of an error: its code, and what the client can do about it. A fault of Pawl or of a dependency is logged.
#[must_use]
pub fn of(error: Error) -> Problem {
    use Error as E;
    match error {
        E::NotFound => Problem::new(NOT_FOUND, "There is no such thing in this account."),
        E::Refused(refusal) => refusal_problem(&refusal),
        E::Moved { version } => Problem::new(
            VERSION_CONFLICT,
            format!("The payment has version {version} by now. Nothing was done."),
        ),
        E::KeyReused => Problem::new(
            IDEMPOTENCY_KEY_REUSED,
            "This Idempotency-Key was used with another body. A new intention needs a new key.",
        )
        .param("Idempotency-Key"),
        E::InFlight => Problem::new(
            IDEMPOTENCY_IN_FLIGHT,
            "An equal request is being answered. Send it again in a moment.",
        )
        .param("Idempotency-Key")
        .retry_after(1),
        E::ReferenceTaken { .. } => Problem::new(
            REFERENCE_TAKEN,
            "A payment of this account has this reference.",
        )
        .param("reference"),
        E::IntakePaused => Problem::new(
            INTAKE_PAUSED,
            "No new payments are taken for the moment. Nothing was kept of this request: send it again later.",
        )
        .retry_after(INTAKE_PAUSE_SECONDS),
        E::TooManyEndpoints { most } => Problem::new(
            UNEXPECTED_STATE,
            format!("The account has {most} webhook endpoints already: delete one."),
        ),
        E::EndpointDisabled => Problem::new(
            UNEXPECTED_STATE,
            "The webhook endpoint is disabled: enable it first.",
        ),
        E::Unavailable { retry_after, cause } => {
            tracing::error!(cause, "request failed: Postgres does not answer; answering 503");
            unavailable(retry_after)
        }
        E::Busy { waited } => {
            tracing::warn!(
                seconds = waited.as_secs(),
                "request failed: its payment stayed locked, or too many requests waited; answering 503"
            );
            Problem::unavailable(
                "This payment is being changed, or too many requests wait. Nothing was done: send this again.",
                1,
            )
        }
        E::NotRetried(explanation) | E::NotCanceled(explanation) => {
            Problem::new(UNEXPECTED_STATE, explanation)
        }
        E::Changed => Problem::new(UNEXPECTED_STATE, "It has changed meanwhile. Read it again."),
        E::Internal(cause) => internal(&cause),
    }
}

fn refusal_problem(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::WrongStatus { status } => Problem::new(
            UNEXPECTED_STATE,
            format!("A payment in status {status} does not allow this."),
        ),
        Refusal::CallOpen { .. } => Problem::new(
            CALL_IN_FLIGHT,
            "Another call to Stripe about this payment or dispute is under way. Send this again when its outcome is known.",
        )
        .retry_after(1),
        Refusal::CancelPending => {
            Problem::new(UNEXPECTED_STATE, "The payment is being canceled.")
        }
        Refusal::AttemptOpen => Problem::new(
            UNEXPECTED_STATE,
            "A confirmation is under way at the bank.",
        ),
        Refusal::PaymentMethodMissing => Problem::new(
            MISSING_FIELD,
            "The payment has no payment method yet: give one.",
        )
        .param("payment_method"),
        Refusal::Amount(error) => amount(format!("This amount is not possible: {error}.")),
        Refusal::CaptureExceeds { capturable } => {
            amount(format!("At most {capturable} can be captured."))
        }
        Refusal::MulticaptureUnavailable => Problem::new(
            MULTICAPTURE_UNAVAILABLE,
            "This payment can be captured once: leave out `final`, and the rest is released.",
        )
        .param("final"),
        Refusal::Disputed => Problem::new(
            DISPUTED,
            "The payment has a dispute that is open or lost: the bank pays the customer back. Answer or accept the dispute instead.",
        ),
        Refusal::WrongDisputeStatus { status } => Problem::new(
            UNEXPECTED_STATE,
            format!("A dispute in status {status} takes no answer."),
        ),
        Refusal::RefundExceeds { left } => amount(format!("At most {left} can be refunded.")),
        // Only reports of Stripe and faults of Pawl cause the others; no request does.
        other => internal(&other.to_string()),
    }
}

fn amount(detail: String) -> Problem {
    Problem::new(INVALID_AMOUNT, detail).param("amount")
}

fn unavailable(retry_after: Duration) -> Problem {
    Problem::unavailable(
        "Pawl cannot take requests for the moment. Nothing was done.",
        u32::try_from(retry_after.as_secs()).unwrap_or(1).max(1),
    )
}

fn internal(cause: &str) -> Problem {
    tracing::error!(cause, "request failed: internal error; answering 500");
    Problem::internal()
}
