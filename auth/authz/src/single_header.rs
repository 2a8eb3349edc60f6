//! Headers that must come once.

use axum::http::{HeaderMap, HeaderName};

/// The value of a header that came exactly once. A proxy and Pawl could read two values differently.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}
