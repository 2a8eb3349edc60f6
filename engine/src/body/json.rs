//! From bytes to a typed request, with the two answers that only payments need: for card data, and for amounts.

use infra::http::code::INVALID_FIELD;
use infra::http::{RequestError, body};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::card;
use crate::code::INVALID_AMOUNT;

/// Reads one JSON object as `T`.
///
/// # Errors
/// The first fault: broken JSON, card data, a key twice, or a field that is unknown, missing, of another type or not
/// allowed.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RequestError> {
    body::parse(bytes).map_err(|error| {
        // Card data wins over every other fault of the same body.
        let value: Option<Value> = serde_json::from_slice(bytes).ok();
        if let Some(path) = value.as_ref().and_then(card::path_in) {
            return card::refused(path);
        }
        if error.code == INVALID_FIELD && error.param.ends_with("amount") {
            return RequestError::new(INVALID_AMOUNT, error.param, "The amount is too large.");
        }
        error
    })
}
