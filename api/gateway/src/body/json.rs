//! From bytes to a typed request, and from serde's refusals to the name of the field at fault.

use infra::http::problem::Code;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{FieldError, card};

/// Reads one JSON object as `T`.
///
/// A body that reads costs one pass. Only one that does not is read again, to say why.
///
/// # Errors
/// The first fault: broken JSON, a key twice, card data, or a field that is unknown, missing or of another type.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, FieldError> {
    // serde reads an array as a struct too, by position. No client means that.
    if body.trim_ascii_start().starts_with(b"{")
        && let Ok(request) = serde_json::from_slice(body)
    {
        return Ok(request);
    }
    Err(fault::<T>(body))
}

fn fault<T: DeserializeOwned>(body: &[u8]) -> FieldError {
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            return FieldError::new(
                Code::MalformedJson,
                "",
                format!(
                    "The body is no valid JSON; reading stopped at line {line}, column {column}."
                ),
            );
        }
    };
    if let Some(path) = card::path_in(&value) {
        return card_data(path);
    }
    if !value.is_object() {
        return FieldError::new(Code::InvalidType, "", "The body must be a JSON object.");
    }
    let mut input = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, T>(&mut input) {
        Ok(_) => FieldError::new(Code::MalformedJson, "", "The body is no valid JSON."),
        Err(error) => {
            let path = error.path().to_string();
            explain(
                if path == "." { "" } else { &path },
                &error.inner().to_string(),
            )
        }
    }
}

/// Card data at this path.
pub(super) fn card_data(path: impl Into<String>) -> FieldError {
    FieldError::new(
        Code::CardData,
        path,
        "This looks like a card number or a security code. Pawl must never see one: collect it with Stripe.js and send the payment method's id.",
    )
}

/// Turns serde's sentence into a code. The sentence itself may quote the value, so only names of ours are taken from it.
fn explain(path: &str, message: &str) -> FieldError {
    let quoted = message.split('`').nth(1).unwrap_or_default();
    // The path of an unknown field or of one given twice ends in its name, that of a missing one does not.
    let field = || match path.rsplit('.').next() {
        Some(last) if last == quoted => path.to_owned(),
        Some("") | None => quoted.to_owned(),
        Some(_) => format!("{path}.{quoted}"),
    };
    if message.starts_with("unknown field") {
        return FieldError::new(Code::UnknownField, field(), "There is no such field here.");
    }
    if message.starts_with("missing field") {
        return FieldError::new(Code::MissingField, field(), "This field must be given.");
    }
    if message.starts_with("duplicate field") {
        return FieldError::new(Code::DuplicateField, field(), "This field is given twice.");
    }
    let expected = message
        .rsplit_once(", expected ")
        .map_or("", |(_, end)| end);
    let expected = expected.split(" at line ").next().unwrap_or_default();
    if message.starts_with("unknown variant") {
        return FieldError::new(
            Code::InvalidField,
            path,
            format!("This must be {expected}."),
        );
    }
    if message.starts_with("invalid value") && path.ends_with("amount") {
        return FieldError::new(Code::InvalidAmount, path, "The amount is too large.");
    }
    let expected = match expected {
        "i64" => "an integer",
        "" => "of another type",
        other => other,
    };
    FieldError::new(Code::InvalidType, path, format!("This must be {expected}."))
}
