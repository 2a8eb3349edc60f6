//! HTTP requests and responses with complete bodies.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
};
use hyper::{Method, StatusCode};
use hyper_util::client::legacy::connect::HttpConnector;
use serde::Serialize;

use crate::refusal::Refusal;

/// A response with a complete body.
pub(crate) type Response = hyper::Response<Full<Bytes>>;
/// The client for all outgoing requests of this process; it keeps connections open.
pub(crate) type Client = hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>;

/// A request with a complete body.
#[derive(Debug)]
pub(crate) struct Request {
    /// The method.
    pub(crate) method: Method,
    /// The path, without the query.
    pub(crate) path: String,
    /// The query, without its question mark.
    pub(crate) query: String,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
}

/// A request that gets no response: its connection is closed.
#[derive(Debug)]
pub(crate) struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

impl Request {
    /// The parts of the path, `["v1", "payment_intents"]`.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path
            .split('/')
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A response with a body of the content type `kind`.
pub(crate) fn response(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A response in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).unwrap_or_default();
    response(status, "application/json", body)
}

/// An error response of a `/_sim` or `/shop` route.
pub(crate) fn fault(status: StatusCode, message: &str) -> Response {
    json(status, &serde_json::json!({"error": {"message": message}}))
}

/// The response for a path without a route.
pub(crate) fn not_found() -> Response {
    fault(StatusCode::NOT_FOUND, "There is nothing here.")
}

/// A page of this server: nothing from other hosts, only own scripts, never cached.
pub(crate) fn page(kind: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = response(StatusCode::OK, kind, body);
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                  img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// Stripe's error response outside of `/v1`, for operations over `/_sim`.
pub(crate) fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    response(status, "application/json", refusal.body())
}

/// Redirects the browser to `url` with a GET.
pub(crate) fn redirect(url: &str) -> Response {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SEE_OTHER;
    match HeaderValue::from_str(url) {
        Ok(url) => {
            response.headers_mut().insert(LOCATION, url);
            response
        }
        Err(_) => fault(
            StatusCode::BAD_REQUEST,
            "That address cannot be written in a header.",
        ),
    }
}
