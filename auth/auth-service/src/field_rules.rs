//! The rules of the fields that several routes share: e-mail address, password and name.

use infra::env::{ExposeSecret, SecretString};
use infra::http::RequestError;

use crate::password::normalized;

const MIN_PASSWORD: usize = 8;
/// The most characters of a password; login hashes no longer one.
const MAX_PASSWORD: usize = 256;
const MAX_NAME: usize = 200;

/// The address in the form in which it is stored: lower case. Only ASCII is allowed, which has one lower case everywhere.
pub(crate) fn parse_email(text: &str) -> Result<String, RequestError> {
    let text = text.trim();
    let is_address = text.len() <= 254
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.contains('@')
                && domain.split('.').all(|label| !label.is_empty())
        });
    if is_address {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(RequestError::field(
            "email",
            "This must be an e-mail address.",
        ))
    }
}

/// The name without the white space around it.
pub(crate) fn check_name<'a>(param: &str, name: &'a str) -> Result<&'a str, RequestError> {
    let trimmed = name.trim();
    if trimmed.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(RequestError::field(
            param,
            "This must be 1 to 200 printable characters.",
        ));
    }
    Ok(trimmed)
}

/// Checks a new password. Its length is the only rule, and no part of it is trimmed or cut.
pub(crate) fn check_password(param: &str, password: &SecretString) -> Result<(), RequestError> {
    let length = characters(password);
    if (MIN_PASSWORD..=MAX_PASSWORD).contains(&length) {
        Ok(())
    } else {
        Err(RequestError::field(
            param,
            "This must be 8 to 256 characters.",
        ))
    }
}

/// Checks a password that is only compared: a longer one cannot be right.
pub(crate) fn check_password_length(
    param: &str,
    password: &SecretString,
) -> Result<(), RequestError> {
    if characters(password) > MAX_PASSWORD {
        let detail = "This must be at most 256 characters.";
        return Err(RequestError::field(param, detail));
    }
    Ok(())
}

/// The length of a password in the form in which it is hashed.
fn characters(password: &SecretString) -> usize {
    normalized(password).expose_secret().chars().count()
}
