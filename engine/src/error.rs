//! The errors of the engine, one for each way in which a caller can react.

use std::time::Duration;

use uuid::Uuid;
use workflows::stream::Refusal;

/// Why the engine refused a request. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such object, or it belongs to another account; a caller cannot distinguish the two.
    #[error("no such object")]
    NotFound,
    /// The payment's status does not allow this now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The payment has another version than the request expects.
    #[error("the payment has version {version} by now")]
    Moved {
        /// Its version.
        version: i64,
    },
    /// The idempotency key was used before with another body.
    #[error("the idempotency key was used with another body")]
    KeyReused,
    /// A request with the same key is being committed; its answer exists in a moment.
    #[error("an equal request is in flight")]
    InFlight,
    /// Another payment of the account holds this reference.
    #[error("the reference is taken by payment {payment}")]
    ReferenceTaken {
        /// The payment that holds it.
        payment: Uuid,
    },
    /// No new payments are accepted for now: an operator has paused the intake.
    #[error("the intake of payments is paused")]
    IntakePaused,
    /// The job is not dead, so that it is not retried; the sentence says what to do instead.
    #[error("not retried: {0}")]
    NotRetried(String),
    /// The job is neither canceled nor put off; the sentence says what to do instead.
    #[error("{0}")]
    NotCanceled(String),
    /// The object has changed since it was shown: read it again.
    #[error("it has changed meanwhile")]
    Changed,
    /// The account has as many webhook endpoints as it may have.
    #[error("an account has at most {most} webhook endpoints")]
    TooManyEndpoints {
        /// How many that is.
        most: usize,
    },
    /// The webhook endpoint is disabled.
    #[error("the webhook endpoint is disabled")]
    EndpointDisabled,
    /// Postgres cannot be reached or does not answer in time; nothing was written.
    #[error("Postgres is unavailable: {cause}")]
    Unavailable {
        /// After how long the caller may try again.
        retry_after: Duration,
        /// For the log, never for a client.
        cause: String,
    },
    /// Another transaction has kept the payment locked for too long, or too many requests waited; nothing was written.
    #[error("the request waited for {} s", waited.as_secs())]
    Busy {
        /// How long the request waited.
        waited: Duration,
    },
    /// A defect of this program or its data; never the client's fault.
    #[error("internal: {0}")]
    Internal(String),
}

impl From<&sqlx::Error> for Error {
    fn from(error: &sqlx::Error) -> Self {
        if infra::postgres::is_transient(error) {
            Self::Unavailable {
                retry_after: Duration::from_secs(1),
                cause: error.to_string(),
            }
        } else {
            Self::Internal(error.to_string())
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::from(&error)
    }
}
