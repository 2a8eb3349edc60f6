//! The id of a request.

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, Request};
use uuid::Uuid;

/// The header that carries the id, in requests and in answers.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request in logs and answers: the `X-Request-Id` it came with, or one generated here. A generated id is also
/// the cause of what the request changes.
///
/// Every handler finds it in the request's extensions and in [`super::request_id`]; it is at most 128 characters of visible
/// ASCII.
#[derive(Clone, Debug)]
pub struct RequestId {
    value: HeaderValue,
    from_client: bool,
}

impl RequestId {
    /// Takes over the client's id if it is one that a log line can hold.
    pub(super) fn from_request<B>(request: &Request<B>) -> Self {
        request
            .headers()
            .get(REQUEST_ID)
            .filter(|id| {
                (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
            })
            .map_or_else(Self::generate, |id| Self {
                value: id.clone(),
                from_client: true,
            })
    }

    /// A new id, `req_…`, that no other request has.
    #[must_use]
    pub fn generate() -> Self {
        let id = format!("req_{}", Uuid::now_v7().simple());
        Self {
            value: HeaderValue::from_maybe_shared(Bytes::from(id))
                .unwrap_or_else(|_| HeaderValue::from_static("req")),
            from_client: false,
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.value.to_str().unwrap_or_default()
    }

    /// The id as the value of the header.
    pub(super) fn into_value(self) -> HeaderValue {
        self.value
    }

    /// Whether the client sent this id, so that other requests may have it too.
    #[must_use]
    pub const fn is_from_client(&self) -> bool {
        self.from_client
    }
}
