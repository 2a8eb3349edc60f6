//! The `Idempotency-Key` contract: one key, one body, one effect (docs/idempotency.md).

use aws_lc_rs::digest::{Context, SHA256};
use axum::http::{HeaderMap, HeaderName};
use infra::http::RequestError;

use crate::code::{IDEMPOTENCY_KEY_INVALID, IDEMPOTENCY_KEY_MISSING};

/// The request header that names an intention of the client.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Marks an answer that was given before.
pub(crate) const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The most characters of a key, which is Stripe's limit too.
const MAX_LENGTH: usize = 255;

/// The key of a request.
///
/// # Errors
/// If it is missing, given more than once, empty, longer than 255 characters, or not visible ASCII.
pub(crate) fn key(headers: &HeaderMap) -> Result<String, RequestError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Err(RequestError::new(
            IDEMPOTENCY_KEY_MISSING,
            "Idempotency-Key",
            "Send an Idempotency-Key: a name for what you mean to do, the same in every retry of it.",
        ));
    };
    let text = value.to_str().unwrap_or_default().trim_matches(' ');
    // `to_str` lets visible ASCII, space and tab pass.
    if values.next().is_some() || text.is_empty() || text.len() > MAX_LENGTH || text.contains('\t')
    {
        return Err(RequestError::new(
            IDEMPOTENCY_KEY_INVALID,
            "Idempotency-Key",
            "The key must be given once and have 1 to 255 visible ASCII characters.",
        ));
    }
    Ok(text.to_owned())
}

/// SHA-256 of method, path and the body's bytes: equal requests have equal hashes.
pub(crate) fn body_hash(method: &str, path: &str, body: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    // A newline separates them, which neither a method nor a path of Pawl can hold.
    for part in [method, "\n", path, "\n"] {
        context.update(part.as_bytes());
    }
    context.update(body);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
