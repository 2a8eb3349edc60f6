//! Everything that can go wrong here, and what a client is told of it.

use authz::membership;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use infra::http::problem::{Code, Problem};

use crate::body::Invalid;

/// Why a request to the auth service was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body is not what the route takes.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No valid API key came with the request.
    #[error("no valid API key")]
    NoKey,
    /// No such user, or not this password: nobody learns which.
    #[error("wrong e-mail address or password")]
    WrongCredentials,
    /// The refresh token is none of ours, was used, or its session is over: nobody learns which.
    #[error("no valid refresh token")]
    WrongToken,
    /// Not the password of the person who wants another one.
    #[error("wrong password")]
    WrongPassword,
    /// Nobody, or nobody known, is calling.
    #[error(transparent)]
    Caller(#[from] authz::Error),
    /// The caller's role is too low.
    #[error("the role is too low")]
    Forbidden,
    /// The account has no such thing.
    #[error("no such thing")]
    NotFound,
    /// The account would be left without an admin.
    #[error("the last admin")]
    LastAdmin,
    /// Too many requests of one client; until the next one may come, seconds.
    #[error("too many requests")]
    RateLimited(u32),
    /// There is no key to sign tokens with, or none is known yet.
    #[error("no signing key is known")]
    NoSigningKey,
    /// Somebody registered with this address before.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// More passwords wait to be hashed than can be done in good time.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// The route does not exist.
    #[error("no such route")]
    NoRoute,
    /// The route exists, the method on it does not.
    #[error("no such method here")]
    NoMethod,
    /// The database refused or did not answer.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A password could not be hashed, which says nothing about the password.
    #[error("a password could not be hashed: {0}")]
    Hashing(argon2::password_hash::Error),
    /// A token could not be made.
    #[error("a token could not be signed")]
    Signing(#[from] jsonwebtoken::errors::Error),
    /// The system gave no random numbers, or no thread.
    #[error("the system refused: {0}")]
    System(String),
}

impl From<membership::Error> for Error {
    fn from(error: membership::Error) -> Self {
        match error {
            membership::Error::LastAdmin => Self::LastAdmin,
            membership::Error::NotAMember => Self::NotFound,
            membership::Error::Database(error) => Self::Database(error),
        }
    }
}

impl Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Invalid(invalid) => invalid.problem(),
            Self::NoKey => Problem::new(
                Code::Unauthenticated,
                "Send a valid API key as `X-API-Key`.",
            ),
            Self::WrongCredentials => Problem::new(
                Code::Unauthenticated,
                "The e-mail address or the password is wrong.",
            ),
            Self::WrongToken => Problem::new(
                Code::Unauthenticated,
                "The refresh token is not valid: log in.",
            ),
            Self::WrongPassword => {
                Problem::new(Code::Unauthenticated, "The current password is wrong.")
            }
            Self::Caller(error) => (*error).into(),
            Self::Forbidden => Problem::new(Code::Forbidden, "This takes the role admin."),
            Self::NotFound => {
                Problem::new(Code::NotFound, "There is no such thing in this account.")
            }
            Self::LastAdmin => Problem::new(
                Code::LastAdmin,
                "An account keeps at least one admin: make somebody else one first.",
            ),
            Self::RateLimited(seconds) => {
                Problem::new(Code::RateLimited, "Too many requests from this address.")
                    .retry_after(*seconds)
            }
            Self::NoSigningKey => unavailable("No signing key is known for the moment.", 1),
            Self::EmailTaken => {
                Problem::new(Code::EmailTaken, "A user with this e-mail address exists.")
                    .param("email")
            }
            Self::Busy => unavailable("Too many logins at once.", 5),
            Self::NoRoute => Problem::new(Code::RouteNotFound, "There is no such route."),
            Self::NoMethod => Problem::new(Code::MethodNotAllowed, "See the header `Allow`."),
            Self::Database(error) if infra::postgres::is_unavailable(error) => {
                unavailable("The database does not answer for the moment.", 1)
            }
            Self::Database(_) | Self::Hashing(_) | Self::Signing(_) | Self::System(_) => {
                Problem::new(
                    Code::InternalError,
                    "Something went wrong here; the request id names it in our logs.",
                )
            }
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut problem = self.problem();
        if let Some(id) = infra::http::request_id() {
            problem = problem.request_id(id.as_str());
        }
        if problem.status >= 500 {
            let cause = std::error::Error::source(&self).map(ToString::to_string);
            tracing::error!(error = %self, cause, request_id = problem.request_id, "a request failed");
        }
        if problem.code == Code::Unauthenticated {
            let challenge = HeaderValue::from_static(match self {
                Self::Caller(_) => "Bearer realm=\"pawl\"",
                _ => "ApiKey realm=\"pawl\"",
            });
            return ([(header::WWW_AUTHENTICATE, challenge)], problem).into_response();
        }
        problem.into_response()
    }
}

fn unavailable(detail: &str, seconds: u32) -> Problem {
    Problem::new(Code::Unavailable, detail).retry_after(seconds)
}
