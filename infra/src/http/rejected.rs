//! Requests that reach no handler, because of what their headers say of the body.

use axum::http::{Request, header};

use super::body::BODY_LIMIT;
use super::code::{BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE};
use super::problem::Problem;

/// The problem of a request whose body is not read.
pub(super) fn reject<B>(request: &Request<B>) -> Option<Problem> {
    if declares_too_much(request) {
        return Some(Problem::new(
            BODY_TOO_LARGE,
            "The request's body is over 64 KiB.",
        ));
    }
    is_encoded(request).then(|| {
        Problem::new(
            UNSUPPORTED_MEDIA_TYPE,
            "Send the body as it is, without Content-Encoding.",
        )
    })
}

/// Whether the body is compressed. Pawl unpacks none: a few bytes could become very many.
fn is_encoded<B>(request: &Request<B>) -> bool {
    request
        .headers()
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether the headers already say that the body is over the limit; a chunked body is cut off while it is read.
fn declares_too_much<B>(request: &Request<B>) -> bool {
    request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok())
        .is_some_and(|length| length > BODY_LIMIT)
}
