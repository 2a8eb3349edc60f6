//! The answer to a request under `/v1`, before it becomes HTTP.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};

use crate::http;
use crate::http::{Request, Response};
use crate::objects::event::API_VERSION;
use crate::refusal::Refusal;

/// Whether a request under `/v1` is answered.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It gets this answer.
    Answered(Reply),
    /// Its connection is closed without an answer.
    Dropped,
}

/// An answer before it becomes HTTP.
#[derive(Debug)]
pub(crate) struct Reply {
    /// HTTP status.
    pub(crate) status: u16,
    /// The JSON text, unless a fault replaced it.
    pub(crate) body: Bytes,
    /// `Stripe-Should-Retry`.
    pub(crate) should_retry: Option<bool>,
    /// The id of the request whose saved answer this is.
    pub(crate) original: Option<String>,
    /// Whether the body is HTML instead of JSON.
    pub(crate) html: bool,
}

impl Reply {
    /// The answer to a successful operation.
    pub(crate) fn success(body: Box<str>) -> Self {
        Self {
            status: 200,
            body: Bytes::from(String::from(body)),
            should_retry: None,
            original: None,
            html: false,
        }
    }

    /// Adds Stripe's headers.
    pub(crate) fn into_response(self, request: &Request, request_id: &str) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = if self.html {
            "text/html"
        } else {
            "application/json"
        };
        let mut response = http::response(status, kind, self.body);
        let version = request.header("stripe-version").unwrap_or(API_VERSION);
        let should_retry = self
            .should_retry
            .map(|retry| if retry { "true" } else { "false" });
        let headers = [
            ("request-id", Some(request_id)),
            ("stripe-version", Some(version)),
            ("idempotency-key", request.header("idempotency-key")),
            ("stripe-should-retry", should_retry),
            (
                "idempotent-replayed",
                self.original.is_some().then_some("true"),
            ),
            ("original-request", self.original.as_deref()),
        ];
        for (name, value) in headers {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

impl From<&Refusal> for Reply {
    fn from(refusal: &Refusal) -> Self {
        Self {
            status: refusal.status,
            body: Bytes::from(refusal.body()),
            should_retry: refusal.should_retry,
            original: None,
            html: false,
        }
    }
}
