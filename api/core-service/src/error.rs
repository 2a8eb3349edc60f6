//! Every error of the core service and the problem that the client gets. Causes are logged here, once, and never sent.

use axum::response::{IntoResponse, Response};
use infra::http::RequestError;
use infra::http::code::{NOT_FOUND, UNEXPECTED_STATE, VERSION_CONFLICT};
use infra::http::problem::Problem;

/// The reason why a request failed.
#[derive(Debug)]
pub(crate) enum Error {
    /// The request itself is at fault.
    Request(RequestError),
    /// The caller is unknown, or cannot be verified now.
    Caller(authz::Error),
    /// The caller's role is too low.
    Forbidden,
    /// Stripe's objects were never compared with the database.
    NotAudited,
    /// The engine refused or failed.
    Engine(engine::Error),
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

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match self {
            Self::Request(error) => error.into_response(),
            Self::Caller(error) => error.into_response(),
            Self::Forbidden => {
                let detail = "This takes another role.";
                Problem::new(authz::code::FORBIDDEN, detail).into_response()
            }
            Self::NotAudited => {
                let detail = "Nothing has been compared yet. A worker compares every day; `pawl audit` compares at once.";
                Problem::new(NOT_FOUND, detail).into_response()
            }
            Self::Engine(error) => engine_problem(&error).into_response(),
        }
    }
}

fn engine_problem(error: &engine::Error) -> Problem {
    match error {
        engine::Error::Moved { version } => {
            let detail = format!("The payment has version {version} by now. Nothing was done.");
            Problem::new(VERSION_CONFLICT, detail)
        }
        engine::Error::Changed => Problem::new(
            VERSION_CONFLICT,
            "It has changed since it was shown. Read it again.",
        ),
        engine::Error::NotFound => Problem::new(NOT_FOUND, "There is no such thing."),
        engine::Error::NotRetried(explanation) | engine::Error::NotCanceled(explanation) => {
            Problem::new(UNEXPECTED_STATE, explanation.clone())
        }
        engine::Error::EndpointDisabled => {
            Problem::new(UNEXPECTED_STATE, "The webhook endpoint is disabled.")
        }
        engine::Error::Unavailable { retry_after, cause } => {
            tracing::error!(
                cause,
                "request failed: Postgres does not answer; answering 503"
            );
            let seconds = u32::try_from(retry_after.as_secs()).unwrap_or(1).max(1);
            Problem::unavailable("Postgres is away. Nothing was done.", seconds)
        }
        engine::Error::Busy { .. } => {
            Problem::unavailable("The job's payment is being changed. Nothing was done.", 1)
        }
        other => {
            tracing::error!(cause = %other, "request failed: internal error; answering 500");
            Problem::internal()
        }
    }
}
