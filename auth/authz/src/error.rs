//! The two reasons why there is no caller.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use infra::http::problem::Problem;

use crate::code::UNAUTHENTICATED;

/// Why there is no [`Caller`](crate::Caller).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No token and no key, or one that is not valid. The answer does not say which of the many reasons it was.
    #[error("no valid token or API key")]
    Unauthenticated,
    /// A dependency that verification needs (Postgres, the auth service's public keys) does not answer.
    #[error("callers cannot be verified for the moment")]
    Unavailable,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Unauthenticated => Self::new(
                UNAUTHENTICATED,
                "Send a valid token as `Authorization: Bearer …` or an API key as `X-API-Key`.",
            ),
            Error::Unavailable => {
                Self::unavailable("Callers cannot be verified for the moment.", 1)
            }
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
