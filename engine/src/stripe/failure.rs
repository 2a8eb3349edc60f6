//! The result of a call: a success or a failure.

use std::fmt;
use std::time::Duration;

use workflows::stripe::{Intent, StripeError};

use super::class::Class;

/// A success, with the request id by which Stripe's logs show it.
#[derive(Clone, Debug)]
pub struct Answered<T> {
    /// The object.
    pub object: T,
    /// `Request-Id`.
    pub request_id: Option<String>,
    /// It is the saved answer of an earlier try with the same key.
    pub replayed: bool,
}

/// Why a call did not succeed, and what follows from it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What follows from it.
    pub class: Class,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// Stripe's own error object, if the body had one.
    pub error: Option<Box<StripeError>>,
    /// The intent at the time of the refusal; Stripe sends it with declines and unexpected states.
    pub intent: Option<Box<Intent>>,
    /// `Request-Id`.
    pub request_id: Option<String>,
    /// The wait that Stripe, or the open circuit breaker, asks for.
    pub retry_after: Option<Duration>,
    /// When Stripe answered, by its own clock (`Date`), in Unix seconds: an object created by the call has an earlier `created`.
    pub answered_at: Option<i64>,
    /// It is the saved answer of an earlier try with the same key.
    pub replayed: bool,
    /// Whether the request may have reached Stripe; an unsent one does not count as a try.
    pub sent: bool,
    /// What happened, in a sentence that is safe to log.
    pub message: String,
}

impl Failure {
    /// A call that certainly did not reach Stripe.
    pub(super) fn unsent(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            status: None,
            error: None,
            intent: None,
            request_id: None,
            retry_after: None,
            answered_at: None,
            replayed: false,
            sent: false,
            message: message.into(),
        }
    }

    /// Whether Stripe may have executed the call: no answer came, or one that does not say that it refused.
    #[must_use]
    pub fn may_be_executed(&self) -> bool {
        self.sent
            && self
                .status
                .is_none_or(|status| !(400..500).contains(&status))
    }

    /// Stripe says that the object does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.status == Some(404)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        if let Some(status) = self.status {
            write!(formatter, " (HTTP {status}")?;
            if let Some(request_id) = &self.request_id {
                write!(formatter, ", {request_id}")?;
            }
            formatter.write_str(")")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
