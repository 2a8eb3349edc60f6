//! The forms of successful answers. A body that the engine gives as bytes is sent unchanged.

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use engine::{Answer, View};
use serde::Serialize;
use tokio::time::Instant;

use crate::idempotency::IDEMPOTENT_REPLAYED;
use crate::if_none_match::IfNoneMatch;
use crate::prefer::{PREFERENCE_APPLIED, Wait};

/// A JSON answer. It is private to the client, so no cache on the way may keep it.
pub(crate) fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The answer to a durable command: 201 or 200, the `Location`, and whether the answer was given before.
pub(crate) fn accepted(answer: Answer, location: String) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = json(status, answer.body);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, header_value(location));
    if answer.replayed {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// The answer to a durable command, after the wait that the client asked for: with the body that `newer` finds before its
/// deadline, or the one of the answer if it finds none. The command is durable already, so a wait that fails changes nothing.
pub(crate) async fn accepted_after<F: Future<Output = Option<Bytes>>>(
    wait: Option<Wait>,
    mut answer: Answer,
    location: String,
    newer: impl FnOnce(Instant) -> F,
) -> Response {
    let Some(wait) = wait else {
        return accepted(answer, location);
    };
    if let Some(body) = newer(Instant::now() + wait.duration()).await {
        answer.body = body;
    }
    let mut response = accepted(answer, location);
    response
        .headers_mut()
        .insert(PREFERENCE_APPLIED, wait.applied());
    response
}

/// A view as the body of an answer.
pub(crate) fn bytes(view: &impl Serialize) -> Bytes {
    // The keys of Pawl's own types are strings, so they always have JSON.
    serde_json::to_vec(view).unwrap_or_default().into()
}

/// A view or a page of views.
pub(crate) fn body(view: &impl Serialize) -> Response {
    json(StatusCode::OK, bytes(view))
}

/// A payment, with its version as the entity tag: 304 with the caching headers of the 200 and no body if the client has this
/// version.
pub(crate) fn view(view: View, known: &IfNoneMatch) -> Response {
    conditional(view.body, format!("\"{}\"", view.version), known)
}

/// A view or a page without a version of its own: its entity tag is a hash of the body, so that it changes exactly when the
/// body does. 304 as in [`view`].
pub(crate) fn hashed(view: &impl Serialize, known: &IfNoneMatch) -> Response {
    let body = bytes(view);
    let hash = digest(&SHA256, &body);
    let half = hash.as_ref().first_chunk().copied().unwrap_or_default();
    let tag = format!("\"{:032x}\"", u128::from_be_bytes(half));
    conditional(body, tag, known)
}

fn conditional(body: Bytes, tag: String, known: &IfNoneMatch) -> Response {
    let tag = header_value(tag);
    let mut response = if known.has(&tag) {
        let mut response = json(StatusCode::NOT_MODIFIED, Bytes::new());
        response.headers_mut().remove(header::CONTENT_TYPE);
        response
    } else {
        json(StatusCode::OK, body)
    };
    response.headers_mut().insert(header::ETAG, tag);
    response
}

/// A header's value made of digits and ids.
pub(crate) fn header_value(value: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(value))
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}
