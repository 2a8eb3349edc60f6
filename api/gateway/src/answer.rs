//! The forms of successful answers. A body that the engine gives as bytes is sent unchanged.

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use engine::{Answer, View};
use serde::Serialize;

use crate::idempotency::IDEMPOTENT_REPLAYED;
use crate::if_none_match::IfNoneMatch;

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

/// A view or a page of views.
pub(crate) fn body(view: &impl Serialize) -> Response {
    // The keys of Pawl's own types are strings, so they always have JSON.
    json(
        StatusCode::OK,
        serde_json::to_vec(view).unwrap_or_default().into(),
    )
}

/// A payment, with its version as the entity tag: 304 with the caching headers of the 200 and no body if the client has this
/// version.
pub(crate) fn view(view: View, known: &IfNoneMatch) -> Response {
    conditional(view.body, format!("\"{}\"", view.version), known)
}

/// A view or a page without a version of its own: its entity tag is a hash of the body, so that it changes exactly when the
/// body does. 304 as in [`view`].
pub(crate) fn hashed(view: &impl Serialize, known: &IfNoneMatch) -> Response {
    // The keys of Pawl's own types are strings, so they always have JSON.
    let body = serde_json::to_vec(view).unwrap_or_default();
    let hash = digest(&SHA256, &body);
    let half = hash.as_ref().first_chunk().copied().unwrap_or_default();
    let tag = format!("\"{:032x}\"", u128::from_be_bytes(half));
    conditional(body.into(), tag, known)
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
