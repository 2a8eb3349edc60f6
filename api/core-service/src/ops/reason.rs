//! The reason that an operator gives.

use infra::http::RequestError;

/// The most characters of a reason.
const MAX_REASON: usize = 500;

/// Checks a reason: it has 1 to 500 printable characters.
pub(crate) fn check(reason: Option<&str>) -> Result<(), RequestError> {
    if reason.is_none_or(is_printable) {
        return Ok(());
    }
    let detail = "A reason is 1 to 500 printable characters.";
    Err(RequestError::field("reason", detail))
}

fn is_printable(reason: &str) -> bool {
    (1..=MAX_REASON).contains(&reason.chars().count()) && !reason.chars().any(char::is_control)
}
