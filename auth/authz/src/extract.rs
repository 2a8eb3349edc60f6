//! [`Caller`] as an extractor of axum.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;

use crate::{Caller, Error, Verifier};

impl<S> FromRequestParts<S> for Caller
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        Verifier::from_ref(state).caller(&parts.headers).await
    }
}
