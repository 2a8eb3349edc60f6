//! Requests and answers as this server handles them.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
};
use hyper::{Method, StatusCode};
use hyper_util::client::legacy::connect::HttpConnector;
use serde::Serialize;

/// An answer, its body complete.
pub(crate) type Response = hyper::Response<Full<Bytes>>;
/// The one client for everything this process asks of others; it keeps connections.
pub(crate) type Client = hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>;

/// A request, its body complete.
#[derive(Debug)]
pub(crate) struct Request {
    /// The verb.
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

/// A request that gets no answer: its connection is closed.
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

/// An answer with a body of some type.
pub(crate) fn response(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).unwrap_or_default();
    response(status, "application/json", body)
}

/// A refusal of an admin or shop route.
pub(crate) fn fault(status: StatusCode, message: &str) -> Response {
    json(status, &serde_json::json!({"error": {"message": message}}))
}

/// The answer for a path that is none.
pub(crate) fn not_found() -> Response {
    fault(StatusCode::NOT_FOUND, "There is nothing here.")
}

/// A page of ours: nothing from other hosts, no script but our own files, never kept.
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

/// Sends the browser elsewhere with a GET.
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
