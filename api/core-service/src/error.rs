//! The one error of this service, and what an operator hears of it. Causes are logged here, once, and never sent.

use axum::response::{IntoResponse, Response};
use infra::http::problem::{Code, Problem};

/// Why a request was not answered with what it asked for.
#[derive(Debug)]
pub(crate) enum Error {
    /// Nobody, or nobody known, is calling.
    Caller(authz::Error),
    /// The caller's role is too low.
    Forbidden,
    /// This parameter is wrong.
    Parameter(&'static str),
    /// The body is not what the route takes.
    Body(Code, &'static str),
    /// The engine did not do it.
    Engine(engine::Error),
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
        let problem = match self {
            Self::Caller(error) => return error.into_response(),
            Self::Forbidden => {
                Problem::new(Code::Forbidden, "This takes another role in the account.")
            }
            Self::Parameter(name) => {
                Problem::new(Code::InvalidParameter, "This parameter cannot be used.").param(name)
            }
            Self::Body(code, detail) => Problem::new(code, detail),
            Self::Engine(error) => of_engine(error),
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
    match error {
        engine::Error::NotFound => {
            Problem::new(Code::NotFound, "There is no such job in that state.")
        }
        engine::Error::Unavailable { retry_after, cause } => {
            tracing::error!(cause, "a request could not be answered: Postgres is away");
            let seconds = u32::try_from(retry_after.as_secs()).unwrap_or(1).max(1);
            Problem::new(Code::Unavailable, "Postgres is away. Nothing was done.")
                .retry_after(seconds)
        }
        other => {
            tracing::error!(cause = %other, "a request met a fault of ours");
            Problem::new(
                Code::InternalError,
                "Something went wrong here; the request id names it in our logs.",
            )
        }
    }
}
