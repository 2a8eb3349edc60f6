//! Times in the parameters of an address.

use infra::http::RequestError;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Reads a time of RFC 3339, of a year from 1970 to 8999.
pub(super) fn moment(name: &str, text: &str) -> Result<OffsetDateTime, RequestError> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok();
    moment
        .filter(|moment| (1970..9000).contains(&moment.year()))
        .ok_or_else(|| {
            RequestError::parameter(
                name,
                "This must be a time of RFC 3339, such as 2026-11-24T00:00:00Z.",
            )
        })
}
