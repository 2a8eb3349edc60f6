//! The links from one page of a list to the next.

use axum::http::Uri;
use infra::http::page::ListQuery;

/// The links below a list; the conditions stay in the address.
pub(super) struct Pager {
    /// To the first page, from any other.
    pub(super) first: Option<String>,
    /// To the older things, if there are any.
    pub(super) next: Option<String>,
}

impl Pager {
    /// The links of a page whose older things follow `last`.
    pub(super) fn new(uri: &Uri, query: &ListQuery, last: Option<String>) -> Self {
        let address = |cursor: Option<&str>| {
            let mut pairs: Vec<(&str, &str)> = query
                .filters
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            pairs.extend(cursor.map(|cursor| ("starting_after", cursor)));
            let text = serde_urlencoded::to_string(pairs).unwrap_or_default();
            let mark = if text.is_empty() { "" } else { "?" };
            format!("{}{mark}{text}", uri.path())
        };
        Self {
            first: query.starting_after.as_ref().map(|_| address(None)),
            next: last.map(|last| address(Some(&last))),
        }
    }
}
