//! Problems: the form of every error answer (RFC 9457, `application/problem+json`).

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::code::{Code, INTERNAL_ERROR, UNAVAILABLE};
use super::current::request_id;

/// A refusal or failure. It names what the client can act on and nothing of the inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Where the code is explained.
    #[schema(example = "/docs/errors.md#invalid_amount")]
    pub r#type: String,
    /// The code as a sentence.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
    /// What programs act on.
    pub code: Code,
    /// The field, header or parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    /// The id of the request, also in the header `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Whether the same request, sent again later, may succeed.
    pub retryable: bool,
    /// Seconds to wait before that: the header `Retry-After`.
    #[serde(skip)]
    pub retry_after_seconds: Option<u32>,
}

impl Problem {
    /// A problem of this code, with the id of the request that this task answers; `detail` says what is wrong with this
    /// request.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            r#type: format!("/docs/errors.md#{}", code.as_str()),
            title: code.title(),
            status: code.status().as_u16(),
            detail: detail.into(),
            code,
            param: None,
            request_id: request_id().map(|id| id.as_str().to_owned()),
            retryable: code.is_retryable(),
            retry_after_seconds: None,
        }
    }

    /// A fault of Pawl. The cause belongs in the log, never in the answer.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            INTERNAL_ERROR,
            "Something went wrong here; the request id names it in our logs.",
        )
    }

    /// A dependency is away; the client may retry after this many seconds.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self::new(UNAVAILABLE, detail).retry_after(retry_after_seconds)
    }

    /// Names the field, header or parameter at fault.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Sends `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// Names the request that the problem answers.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(
            // A problem holds strings, a number and a bool, which always have JSON.
            serde_json::to_vec(&self).unwrap_or_default(),
        ));
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
