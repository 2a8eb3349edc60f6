//! Requests that go to no handler, because of what their headers say of the body.

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::{BODY_LIMIT, RequestId, problem};

/// The answer to a request that goes to no handler.
pub(super) fn refusal(request: &Request<Incoming>, id: &RequestId) -> Option<Response<Body>> {
    if declares_too_much(request) {
        return Some(problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "The request's body is over 64 KiB.",
            id,
        ));
    }
    is_encoded(request).then(|| {
        problem(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "Send the body as it is, without Content-Encoding.",
            id,
        )
    })
}

/// Whether the body is compressed. None is unpacked here: a few bytes could become very many.
fn is_encoded(request: &Request<Incoming>) -> bool {
    request
        .headers()
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether the headers already say that the body is over the limit; a chunked one is stopped while it is read.
fn declares_too_much(request: &Request<Incoming>) -> bool {
    request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok())
        .is_some_and(|length| length > BODY_LIMIT)
}
