//! Reads the HTTP answer to a call, within limits, and turns it into a success or a [`Failure`].

use std::time::Duration;

use infra::storable;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use workflows::payment::Call;
use workflows::stripe::{Intent, StripeError};

use super::breaker::Health;
use super::class::{Class, Refusal, classify};
use super::failure::{Answered, Failure};

/// A longer body is not read to its end: no answer to our requests is that long.
const LONGEST_BODY: usize = 2 << 20;

/// The most characters kept of an error message from Stripe.
const LONGEST_MESSAGE: usize = 500;

/// An answer whose body was read completely or was cut off.
pub(super) struct Answer {
    status: StatusCode,
    should_retry: Option<bool>,
    replayed: bool,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    answered_at: Option<i64>,
    body: Result<Vec<u8>, Cut>,
}

/// Why a body could not be read to its end.
enum Cut {
    TooLong,
    Broken { timeout: bool },
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorObject,
}

#[derive(Deserialize)]
struct ErrorObject {
    #[serde(flatten)]
    error: StripeError,
    #[serde(default)]
    payment_intent: Option<serde_json::Value>,
}

impl Answer {
    pub(super) async fn read(response: Response) -> Self {
        let text = |name: &str| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        Self {
            status: response.status(),
            should_retry: text("stripe-should-retry").and_then(|value| value.parse().ok()),
            replayed: text("idempotent-replayed") == Some("true"),
            request_id: text("request-id").map(str::to_owned),
            retry_after: text("retry-after")
                .and_then(|value| value.parse().ok())
                .map(Duration::from_secs),
            answered_at: text("date")
                .and_then(|value| OffsetDateTime::parse(value, &Rfc2822).ok())
                .map(OffsetDateTime::unix_timestamp),
            body: read_body(response).await,
        }
    }

    /// The health of Stripe after this answer.
    pub(super) fn health(&self) -> Health {
        let failing = self.status == StatusCode::TOO_MANY_REQUESTS || self.status.is_server_error();
        match &self.body {
            _ if self.replayed => Health::Unclear,
            _ if self.status == StatusCode::UNAUTHORIZED => Health::KeyRefused,
            _ if failing => Health::Failing {
                retry_after: self.retry_after,
            },
            Err(Cut::Broken { timeout: true }) => Health::Failing { retry_after: None },
            Err(_) => Health::Unclear,
            Ok(_) => Health::Healthy,
        }
    }

    /// Whether the body did not come in time.
    pub(super) fn timed_out(&self) -> bool {
        matches!(self.body, Err(Cut::Broken { timeout: true }))
    }

    pub(super) fn interpret<T: DeserializeOwned>(
        self,
        call: Option<Call>,
    ) -> Result<Answered<T>, Failure> {
        let bytes = match &self.body {
            Ok(bytes) => bytes.as_slice(),
            Err(cut) => {
                let message = cut.message();
                return Err(self.failure(call, None, message));
            }
        };
        if self.status.is_success() {
            return match serde_json::from_slice(&storable::json(bytes)) {
                Ok(object) => Ok(Answered {
                    object,
                    request_id: self.request_id,
                    replayed: self.replayed,
                }),
                Err(error) => {
                    let message = format!("a success with an unreadable body: {error}");
                    Err(self.failure(call, None, &message))
                }
            };
        }
        match serde_json::from_slice::<ErrorBody>(&storable::json(bytes)) {
            Ok(ErrorBody { error }) => {
                let message = error.error.message.clone();
                let message = message
                    .as_deref()
                    .unwrap_or("Stripe refused without a message");
                Err(self.failure(call, Some(error), message))
            }
            Err(error) => {
                let message = format!("a refusal with an unreadable body: {error}");
                Err(self.failure(call, None, &message))
            }
        }
    }

    fn failure(&self, call: Option<Call>, object: Option<ErrorObject>, message: &str) -> Failure {
        let (error, intent) = match object {
            Some(object) => (Some(Box::new(object.error)), object.payment_intent),
            None => (None, None),
        };
        let class = classify(
            call,
            &Refusal {
                status: self.status.as_u16(),
                should_retry: self.should_retry,
                replayed: self.replayed,
                error: error.as_deref(),
            },
        );
        Failure {
            class,
            status: Some(self.status.as_u16()),
            error,
            intent: intent
                .and_then(|value| serde_json::from_value::<Intent>(value).ok())
                .map(Box::new),
            request_id: self.request_id.clone(),
            retry_after: self.retry_after,
            answered_at: self.answered_at,
            replayed: self.replayed,
            sent: true,
            message: message.chars().take(LONGEST_MESSAGE).collect(),
        }
    }
}

impl Cut {
    fn message(&self) -> &'static str {
        match self {
            Self::TooLong => "an answer longer than 2 MiB",
            Self::Broken { timeout: true } => "no complete answer in time",
            Self::Broken { timeout: false } => "the connection broke inside the answer",
        }
    }
}

async fn read_body(mut response: Response) -> Result<Vec<u8>, Cut> {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > LONGEST_BODY => {
                return Err(Cut::TooLong);
            }
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes),
            Err(error) => {
                return Err(Cut::Broken {
                    timeout: error.is_timeout(),
                });
            }
        }
    }
}

/// The health of Stripe after a call without any answer.
pub(super) fn transport_health(error: &reqwest::Error) -> Health {
    if error.is_connect() || error.is_timeout() {
        Health::Failing { retry_after: None }
    } else {
        Health::Unclear
    }
}

/// The failure of a call without any answer. Only a failure to connect proves that nothing was sent.
pub(super) fn transport_failure(call: Option<Call>, error: reqwest::Error) -> Failure {
    if error.is_builder() {
        return Failure::unsent(Class::Impossible, "the request cannot be built");
    }
    if error.is_connect() {
        let message = format!("no connection to Stripe: {}", innermost_cause(error));
        return Failure::unsent(Class::Retry, message);
    }
    let class = if call.is_some() {
        Class::Unknown
    } else {
        Class::Retry
    };
    let message = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        format!(
            "the connection broke before an answer: {}",
            innermost_cause(error)
        )
    };
    Failure {
        sent: true,
        ..Failure::unsent(class, message)
    }
}

/// The innermost cause, which is the most specific one, without the address.
fn innermost_cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
