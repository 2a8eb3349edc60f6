//! The answer that shows one page of a list.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One page: continue with `starting_after` set to the last id here while `has_more` is true.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct List<T> {
    /// Always `list`.
    pub object: Cow<'static, str>,
    /// The things of this page, newest first.
    pub data: Vec<T>,
    /// Whether another page follows in the direction asked for.
    pub has_more: bool,
}

impl<T> List<T> {
    /// A page of `data`.
    #[must_use]
    pub fn new(data: Vec<T>, has_more: bool) -> Self {
        Self {
            object: "list".into(),
            data,
            has_more,
        }
    }
}
