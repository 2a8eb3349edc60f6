//! Every error of the gateway and the problem that the client gets. Causes are logged here, once, and never sent.

use axum::response::{IntoResponse, Response};
use engine::webhook::signature::SignatureError;
use infra::http::problem::Problem;
use infra::http::{LongBodyError, RequestError};

use crate::code::WEBHOOK_INVALID;

/// The reason why a request failed.
#[derive(Debug)]
pub(crate) enum Error {
    /// The request itself is at fault.
    Request(RequestError),
    /// The caller is unknown, or cannot be verified now.
    Caller(authz::Error),
    /// The caller's role does not allow the request; this text names a role that does.
    Forbidden(&'static str),
    /// The engine refused or failed.
    Engine(engine::Error),
    /// The webhook is not signed by Stripe.
    Signature(SignatureError),
    /// Too many long bodies are in memory.
    LongBodies,
}

impl Error {
    /// The same answer for a thing that does not exist and for a thing of another account.
    pub(crate) fn not_found() -> Self {
        Self::Engine(engine::Error::NotFound)
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
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

impl From<LongBodyError> for Error {
    fn from(error: LongBodyError) -> Self {
        match error {
            LongBodyError::Request(error) => Self::Request(error),
            LongBodyError::Busy => Self::LongBodies,
        }
    }
}

impl From<SignatureError> for Error {
    fn from(error: SignatureError) -> Self {
        Self::Signature(error)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let problem = match self {
            Self::Request(error) => error.into(),
            Self::Caller(error) => return error.into_response(),
            Self::Forbidden(needed) => {
                Problem::new(authz::code::FORBIDDEN, format!("This takes {needed}."))
            }
            Self::Engine(error) => engine::problem::of(error),
            Self::Signature(error) => invalid_webhook(&error),
            Self::LongBodies => long_bodies(),
        };
        problem.into_response()
    }
}

fn invalid_webhook(error: &dyn std::error::Error) -> Problem {
    tracing::warn!(%error, "webhook refused; answering 400");
    Problem::new(
        WEBHOOK_INVALID,
        "The body is not an event that was signed by Stripe.",
    )
    .param("Stripe-Signature")
}

fn long_bodies() -> Problem {
    tracing::warn!(
        "request refused: too many bodies over 64 KiB are in memory; answering 503, and Stripe or the client sends it again"
    );
    Problem::unavailable(
        "Too many long bodies are being stored. Nothing was done: send this again.",
        1,
    )
}
