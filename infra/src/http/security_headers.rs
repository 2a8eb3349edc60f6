//! The response headers that restrict browsers.

use axum::http::{HeaderMap, HeaderValue, Request, header};

/// Tells browsers to believe the content type, run nothing, show the answer in no frame, send no `Referer`, and return
/// over TLS only. A handler's own content security policy stays.
pub(super) fn insert(headers: &mut HeaderMap, over_tls: bool) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
    if over_tls {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000; includeSubDomains"),
        );
    }
}

/// Whether a proxy reports that its client speaks TLS. A client that claims it changes only its own answer.
pub(super) fn came_over_tls<B>(request: &Request<B>) -> bool {
    request
        .headers()
        .get("x-forwarded-proto")
        .is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
}
