//! `If-None-Match` (RFC 9110, section 13.1.2): which versions the client has.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};

use crate::Gateway;

/// The lines of `If-None-Match`, in the order sent; none if the request has no such header. (Extracting all headers
/// would copy them.)
pub(crate) struct IfNoneMatch(Vec<HeaderValue>);

impl FromRequestParts<Gateway> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Infallible> {
        let lines = parts.headers.get_all(header::IF_NONE_MATCH);
        Ok(Self(lines.iter().cloned().collect()))
    }
}

impl IfNoneMatch {
    /// Whether the client has the version with this entity tag, compared weakly: `W/` makes no difference. A malformed
    /// header is ignored as a whole, so the client gets the payment.
    pub(crate) fn has(&self, tag: &HeaderValue) -> bool {
        if let [line] = self.0.as_slice()
            && line.as_bytes().trim_ascii() == b"*"
        {
            return true;
        }
        let mut found = false;
        for line in &self.0 {
            match list_has(line.as_bytes(), tag.as_bytes()) {
                Some(here) => found |= here,
                None => return false,
            }
        }
        found
    }
}

/// Whether a list of entity tags has this one; `None` if the list is malformed.
fn list_has(list: &[u8], tag: &[u8]) -> Option<bool> {
    let mut found = false;
    let mut rest = list.trim_ascii();
    while !rest.is_empty() {
        // A recipient of a list accepts empty elements.
        if let Some(behind) = rest.strip_prefix(b",") {
            rest = behind.trim_ascii_start();
            continue;
        }
        let quoted = rest.strip_prefix(b"W/").unwrap_or(rest);
        let text = quoted.strip_prefix(b"\"")?;
        let length = text.iter().position(|byte| *byte == b'"')?;
        if !text[..length].iter().all(|byte| is_in_tag(*byte)) {
            return None;
        }
        let (element, behind) = quoted.split_at(length + 2);
        found |= element == tag;
        rest = behind.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return None;
        }
    }
    Some(found)
}

/// Whether an entity tag may have this byte between its quotes.
fn is_in_tag(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte >= 0x80
}
