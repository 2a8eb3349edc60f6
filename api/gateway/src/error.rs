//! The one error of this service, and what a client hears of it. Causes are logged here, once, and never sent.

use axum::response::{IntoResponse, Response};
use engine::WebhookError;
use engine::webhook::signature::SignatureError;
use infra::http::problem::{Code, Problem};
use workflows::stream::Refusal;

use crate::body::FieldError;

/// When a client asks again while no new payments are taken: a person's pause lasts minutes.
const INTAKE_PAUSE_SECONDS: u32 = 30;

/// Why a request was not answered with what it asked for.
#[derive(Debug)]
pub(crate) enum Error {
    /// The request itself is at fault.
    Request(FieldError),
    /// Nobody, or nobody known, is calling.
    Caller(authz::Error),
    /// The caller's role does not allow it; this one would.
    Forbidden(&'static str),
    /// The engine did not do it.
    Engine(engine::Error),
    /// The webhook is not signed by Stripe.
    Signature(SignatureError),
    /// The webhook was not stored.
    Webhook(WebhookError),
}

impl Error {
    /// One answer for what does not exist and for what is somebody else's.
    pub(crate) fn not_found() -> Self {
        Self::Engine(engine::Error::NotFound)
    }
}

impl From<FieldError> for Error {
    fn from(error: FieldError) -> Self {
        Self::Request(error)
    }
}

impl From<authz::Error> for Error {
    fn from(error: authz::Error) -> Self {
        Self::Caller(error)
    }
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<SignatureError> for Error {
    fn from(error: SignatureError) -> Self {
        Self::Signature(error)
    }
}

impl From<WebhookError> for Error {
    fn from(error: WebhookError) -> Self {
        Self::Webhook(error)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let problem = match self {
            Self::Request(error) => error.into(),
            Self::Caller(error) => return error.into_response(),
            Self::Forbidden(needed) => {
                Problem::new(Code::Forbidden, format!("This takes {needed}."))
            }
            Self::Engine(error) | Self::Webhook(WebhookError::Engine(error)) => of_engine(error),
            Self::Signature(error) => invalid_webhook(&error),
            Self::Webhook(WebhookError::Body(error)) => invalid_webhook(&error),
        };
        named(problem).into_response()
    }
}

/// The problem with the id of the request that is being answered.
pub(crate) fn named(problem: Problem) -> Problem {
    match infra::http::request_id() {
        Some(id) => problem.request_id(id.as_str()),
        None => problem,
    }
}

fn of_engine(error: engine::Error) -> Problem {
    use engine::Error as E;
    match error {
        E::NotFound => Problem::new(Code::NotFound, "There is no such thing in this account."),
        E::Refused(refusal) => of_refusal(&refusal),
        E::KeyReused => Problem::new(
            Code::IdempotencyKeyReused,
            "This Idempotency-Key was used with another body. A new intention needs a new key.",
        )
        .param("Idempotency-Key"),
        E::InFlight => Problem::new(
            Code::IdempotencyInFlight,
            "An equal request is being answered. Send it again in a moment.",
        )
        .param("Idempotency-Key")
        .retry_after(1),
        E::ReferenceTaken { .. } => Problem::new(
            Code::ReferenceTaken,
            "A payment of this account has this reference.",
        )
        .param("reference"),
        E::IntakePaused => Problem::new(
            Code::IntakePaused,
            "No new payments are taken for the moment. Nothing was kept of this request: send it again later.",
        )
        .retry_after(INTAKE_PAUSE_SECONDS),
        E::TooManyEndpoints { most } => Problem::new(
            Code::UnexpectedState,
            format!("The account has {most} webhook endpoints already: delete one."),
        ),
        E::EndpointDisabled => Problem::new(
            Code::UnexpectedState,
            "The webhook endpoint is disabled: enable it first.",
        ),
        E::Unavailable { retry_after, cause } => {
            tracing::error!(cause, "a request could not be answered: Postgres is away");
            unavailable(retry_after.as_secs())
        }
        E::Internal(cause) => internal(&cause),
    }
}

fn of_refusal(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::WrongStatus { status } => Problem::new(
            Code::UnexpectedState,
            format!("A payment in status {status} does not allow this."),
        ),
        Refusal::CallOpen { .. } => Problem::new(
            Code::CallInFlight,
            "Another call to Stripe for this payment is under way. Send this again when its outcome is known.",
        )
        .retry_after(1),
        Refusal::CancelPending => {
            Problem::new(Code::UnexpectedState, "The payment is being canceled.")
        }
        Refusal::AttemptOpen => Problem::new(
            Code::UnexpectedState,
            "A confirmation is under way at the bank.",
        ),
        Refusal::PaymentMethodMissing => Problem::new(
            Code::MissingField,
            "The payment has no payment method yet: give one.",
        )
        .param("payment_method"),
        Refusal::Amount(error) => amount(format!("This amount is not possible: {error}.")),
        Refusal::CaptureExceeds { capturable } => {
            amount(format!("At most {capturable} can be captured."))
        }
        Refusal::RefundExceeds { left } => amount(format!("At most {left} can be refunded.")),
        // Reports of Stripe and faults of ours; no request can cause them.
        other => internal(&other.to_string()),
    }
}

fn invalid_webhook(error: &dyn std::error::Error) -> Problem {
    tracing::warn!(%error, "refused a webhook that is not Stripe's or no event");
    Problem::new(
        Code::WebhookInvalid,
        "The body is not an event that was signed by Stripe.",
    )
    .param("Stripe-Signature")
}

fn amount(detail: String) -> Problem {
    Problem::new(Code::InvalidAmount, detail).param("amount")
}

fn unavailable(seconds: u64) -> Problem {
    Problem::new(
        Code::Unavailable,
        "Pawl cannot take requests for the moment. Nothing was done.",
    )
    .retry_after(u32::try_from(seconds).unwrap_or(1).max(1))
}

fn internal(cause: &str) -> Problem {
    tracing::error!(cause, "a request met a fault of ours");
    Problem::new(
        Code::InternalError,
        "Something went wrong here; the request id names it in our logs.",
    )
}
