//! What can go wrong for a caller of the engine, by what the caller can do about it.

use std::time::Duration;

use uuid::Uuid;
use workflows::stream::Refusal;

pub(crate) use infra::postgres::is_transient;

/// Why the engine did not do what it was asked. Nothing was written, unless a variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such object, or it belongs to another account: the two cannot be told apart from outside.
    #[error("no such object")]
    NotFound,
    /// The machine does not allow this now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The idempotency key was used before with another body.
    #[error("the idempotency key was used with another body")]
    KeyReused,
    /// An equal request is still being written; its answer will be there in a moment.
    #[error("an equal request is in flight")]
    InFlight,
    /// Another payment of the account bears this reference.
    #[error("the reference is taken by payment {payment}")]
    ReferenceTaken {
        /// The payment that bears it.
        payment: Uuid,
    },
    /// No new payments are taken for the moment: a person has switched that off.
    #[error("no new payments are taken")]
    IntakePaused,
    /// The account has as many webhook endpoints as it may have.
    #[error("an account has at most {most} webhook endpoints")]
    TooManyEndpoints {
        /// How many that is.
        most: usize,
    },
    /// The webhook endpoint is disabled.
    #[error("the webhook endpoint is disabled")]
    EndpointDisabled,
    /// An operator's or a resync's expected version is not the current one.
    #[error("the payment has moved on to version {current}")]
    VersionMoved {
        /// The version it has now.
        current: i64,
    },
    /// Postgres cannot be reached or does not answer in time. Whether the work was written is known: it was not.
    #[error("the database is away: {cause}")]
    Unavailable {
        /// When it makes sense to ask again.
        retry_after: Duration,
        /// For the log, never for a client.
        cause: String,
    },
    /// A fault of this program or its data; never the client's.
    #[error("internal: {0}")]
    Internal(String),
}

impl Error {
    /// The caller may ask again, unchanged, and it may then work.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::InFlight | Self::Unavailable { .. })
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_transient(&error) {
            Self::Unavailable {
                retry_after: Duration::from_secs(1),
                cause: error.to_string(),
            }
        } else {
            Self::Internal(error.to_string())
        }
    }
}
