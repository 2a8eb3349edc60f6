//! The two ways a caller is turned away.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use infra::http::problem::{Code, Problem};

/// Why there is no [`Caller`](crate::Caller).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No token and no key, or one that is not valid; which of the many reasons it was is nobody's business.
    #[error("no valid token or API key")]
    Unauthenticated,
    /// What is needed to tell (Postgres, the auth service's public keys) does not answer.
    #[error("callers cannot be verified for the moment")]
    Unavailable,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let problem = match error {
            Error::Unauthenticated => Self::new(
                Code::Unauthenticated,
                "Send a valid token as `Authorization: Bearer …` or an API key as `X-API-Key`.",
            ),
            Error::Unavailable => Self::new(
                Code::Unavailable,
                "Callers cannot be verified for the moment.",
            )
            .retry_after(1),
        };
        match infra::http::request_id() {
            Some(id) => problem.request_id(id.as_str()),
            None => problem,
        }
    }
}

impl IntoResponse for Error {
    /// A 401 that is the same for every cause but for the request's id, or a 503 with `Retry-After`.
    fn into_response(self) -> Response {
        let problem = Problem::from(self);
        match self {
            Self::Unauthenticated => {
                let challenge = HeaderValue::from_static("Bearer realm=\"pawl\"");
                ([(header::WWW_AUTHENTICATE, challenge)], problem).into_response()
            }
            Self::Unavailable => problem.into_response(),
        }
    }
}
