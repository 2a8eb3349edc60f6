//! `If-None-Match` (RFC 9110, section 13.1.2): which versions the client has.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::request::Parts;
use headers::{ETag, Header as _, HeaderMapExt as _};

use crate::Gateway;

/// The entity tags that the client has; none if the request has no such header or a malformed one.
pub(crate) struct IfNoneMatch(Option<headers::IfNoneMatch>);

impl FromRequestParts<Gateway> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Infallible> {
        Ok(Self(parts.headers.typed_get()))
    }
}

impl IfNoneMatch {
    /// Whether the client has the version with this entity tag, compared weakly: `W/` makes no difference.
    pub(crate) fn has(&self, tag: &HeaderValue) -> bool {
        let (Some(known), Ok(tag)) = (&self.0, ETag::decode(&mut std::iter::once(tag))) else {
            return false;
        };
        !known.precondition_passes(&tag)
    }
}
