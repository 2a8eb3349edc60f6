//! The page that the query of a list asks for.

use infra::http::RequestError;
use infra::http::page::{ListQuery, Page};
use infra::id::{Id, Tag};
use uuid::Uuid;

/// Reads the page of a list of such things. If both cursors are given, `ending_before` counts.
///
/// # Errors
/// If a parameter is unknown, given twice or out of range, or the cursor is no id of this list.
pub(crate) fn parse<T: Tag>(mut query: ListQuery) -> Result<Page<Uuid>, RequestError> {
    if query.ending_before.is_some() {
        query.starting_after = None;
    }
    let page = query.without_filters()?.page::<Id<T>>()?;
    Ok(page.map(|id| id.uuid()))
}
