//! Requests that reach no handler, because of what their headers say of the body.

use axum::http::{Request, header};

use super::body::BODY_LIMIT;
use super::code::{BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE};
use super::long_body::LONG_BODY_LIMIT;
use super::problem::Problem;

/// The problem of a request whose body is not read; `long_bodies` tells of a path whether its bodies may be longer than others.
pub(super) fn reject<B>(request: &Request<B>, long_bodies: fn(&str) -> bool) -> Option<Problem> {
    let (limit, detail) = if long_bodies(request.uri().path()) {
        (LONG_BODY_LIMIT, "The request's body is over 1 MiB.")
    } else {
        (BODY_LIMIT, "The request's body is over 64 KiB.")
    };
    if declared_length(request).is_some_and(|length| length > limit) {
        return Some(Problem::new(BODY_TOO_LARGE, detail));
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

/// The length of the body as the headers say it; a chunked body is cut off while it is read.
fn declared_length<B>(request: &Request<B>) -> Option<usize> {
    let length = request.headers().get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}
