//! Every error of the auth service and the problem that the client gets.

use authz::code::{FORBIDDEN, UNAUTHENTICATED};
use authz::membership::MembershipError;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use infra::http::RequestError;
use infra::http::code::{NOT_FOUND, RATE_LIMITED};
use infra::http::problem::Problem;

use crate::code::{EMAIL_TAKEN, LAST_ADMIN};

/// The reason why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request itself is at fault.
    #[error(transparent)]
    Invalid(#[from] RequestError),
    /// No valid API key came with the request.
    #[error("no valid API key")]
    NoKey,
    /// The user or the password is wrong; the answer does not say which.
    #[error("wrong e-mail address or password")]
    WrongCredentials,
    /// The refresh token does not exist, was used, or its session is over; the answer does not say which.
    #[error("no valid refresh token")]
    WrongToken,
    /// The current password of a user who changes it is wrong.
    #[error("wrong password")]
    WrongPassword,
    /// The caller is unknown, or cannot be verified now.
    #[error(transparent)]
    Caller(#[from] authz::Error),
    /// The caller's role is too low.
    #[error("the role is too low")]
    Forbidden,
    /// The thing does not exist in the account.
    #[error("no such thing")]
    NotFound,
    /// The account would be left without an admin.
    #[error("the last admin")]
    LastAdmin,
    /// Too many requests of one client; the next may come after these seconds.
    #[error("too many requests")]
    RateLimited(u32),
    /// There is no key to sign tokens with, or none is known yet.
    #[error("no signing key is known")]
    NoSigningKey,
    /// A user with this address exists.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// Too many passwords wait to be hashed.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// The database refused or did not answer.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A password could not be hashed, whatever the password is.
    #[error("a password could not be hashed: {0}")]
    Hashing(argon2::password_hash::Error),
    /// A token could not be made.
    #[error("a token could not be signed")]
    Signing(#[from] jsonwebtoken::errors::Error),
    /// The system gave no random numbers, or no thread.
    #[error("the system refused: {0}")]
    System(String),
}

impl From<MembershipError> for Error {
    fn from(error: MembershipError) -> Self {
        match error {
            MembershipError::LastAdmin => Self::LastAdmin,
            MembershipError::NotAMember => Self::NotFound,
            MembershipError::Database(error) => Self::Database(error),
        }
    }
}

impl Error {
    fn problem(&self) -> Problem {
        match self {
            Self::Invalid(error) => error.clone().into(),
            Self::NoKey => Problem::new(UNAUTHENTICATED, "Send a valid API key as `X-API-Key`."),
            Self::WrongCredentials => Problem::new(
                UNAUTHENTICATED,
                "The e-mail address or the password is wrong.",
            ),
            Self::WrongToken => {
                Problem::new(UNAUTHENTICATED, "The refresh token is not valid: log in.")
            }
            Self::WrongPassword => Problem::new(UNAUTHENTICATED, "The current password is wrong."),
            Self::Caller(error) => (*error).into(),
            Self::Forbidden => Problem::new(FORBIDDEN, "This takes the role admin."),
            Self::NotFound => Problem::new(NOT_FOUND, "There is no such thing in this account."),
            Self::LastAdmin => Problem::new(
                LAST_ADMIN,
                "An account keeps at least one admin: make somebody else one first.",
            ),
            Self::RateLimited(seconds) => {
                Problem::new(RATE_LIMITED, "Too many requests from this address.")
                    .retry_after(*seconds)
            }
            Self::NoSigningKey => {
                Problem::unavailable("No signing key is known for the moment.", 1)
            }
            Self::EmailTaken => {
                Problem::new(EMAIL_TAKEN, "A user with this e-mail address exists.").param("email")
            }
            Self::Busy => Problem::unavailable("Too many logins at once.", 5),
            Self::Database(error) if infra::postgres::is_transient(error) => {
                Problem::unavailable("The database does not answer for the moment.", 1)
            }
            Self::Database(_) | Self::Hashing(_) | Self::Signing(_) | Self::System(_) => {
                Problem::internal()
            }
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let problem = self.problem();
        if problem.status >= 500 {
            let cause = std::error::Error::source(&self).map(ToString::to_string);
            tracing::error!(error = %self, cause, request_id = problem.request_id, status = problem.status, "request failed");
        }
        if problem.code == UNAUTHENTICATED {
            let challenge = HeaderValue::from_static(match self {
                Self::Caller(_) => "Bearer realm=\"pawl\"",
                _ => "ApiKey realm=\"pawl\"",
            });
            return ([(header::WWW_AUTHENTICATE, challenge)], problem).into_response();
        }
        problem.into_response()
    }
}
