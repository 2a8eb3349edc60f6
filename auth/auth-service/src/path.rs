//! The id in a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use infra::id::{Id, Tag};

use crate::Error;

/// The one id in the path. One that cannot be an id is unknown, like any other that nobody has.
pub(crate) struct Named<T>(pub(crate) Id<T>);

impl<T: Tag, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::NotFound)?;
        id.parse().map(Self).map_err(|_| Error::NotFound)
    }
}
