//! The `Idempotency-Key` contract: one key, one body, one effect (docs/idempotency.md).

use axum::http::{HeaderMap, HeaderName};
use engine::body::check_key;
use engine::code::IDEMPOTENCY_KEY_INVALID;
use infra::http::RequestError;

use crate::code::IDEMPOTENCY_KEY_MISSING;

/// The request header that names an intention of the client.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Marks an answer that was given before.
pub(crate) const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

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
    check_key("Idempotency-Key", text)?;
    if values.next().is_some() {
        return Err(RequestError::new(
            IDEMPOTENCY_KEY_INVALID,
            "Idempotency-Key",
            "The key must be given once and have 1 to 255 visible ASCII characters.",
        ));
    }
    Ok(text.to_owned())
}
