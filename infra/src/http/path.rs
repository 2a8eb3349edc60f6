//! The ids in a path. Text that cannot be an id is answered like an id that does not exist.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use super::code::NOT_FOUND;
use super::request_error::RequestError;
use crate::id::{Id, Tag};

/// The only id in the path.
#[derive(Clone, Copy, Debug)]
pub struct PathId<T: Tag>(pub Id<T>);

impl<T: Tag, S: Send + Sync> FromRequestParts<S> for PathId<T> {
    type Rejection = RequestError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RequestError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|_| not_found())?;
        id.parse().map(Self).map_err(|_| not_found())
    }
}

/// The two ids in the path.
#[derive(Clone, Copy, Debug)]
pub struct PathIds<A: Tag, B: Tag>(pub Id<A>, pub Id<B>);

impl<A: Tag, B: Tag, S: Send + Sync> FromRequestParts<S> for PathIds<A, B> {
    type Rejection = RequestError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RequestError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((first, second)) = path.map_err(|_| not_found())?;
        match (first.parse(), second.parse()) {
            (Ok(first), Ok(second)) => Ok(Self(first, second)),
            _ => Err(not_found()),
        }
    }
}

fn not_found() -> RequestError {
    RequestError::new(NOT_FOUND, "", "There is no such thing in this account.")
}
