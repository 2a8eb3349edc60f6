//! Paging: `limit`, `starting_after` and `ending_before` of a list that shows the newest first.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawQuery};
use axum::http::request::Parts;

use super::request_error::RequestError;

/// How many things a page holds when the client does not ask for a number.
const DEFAULT_LIMIT: u16 = 10;
/// How many things a page holds at most.
const MAX_LIMIT: u16 = 100;

/// The part of a list that is asked for. `C` is the cursor: the id of a thing in the list, or its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<C> {
    /// How many things at most.
    pub limit: u16,
    /// Show the things that follow this one: the older ones.
    pub starting_after: Option<C>,
    /// Show the things just before this one: the newer ones.
    pub ending_before: Option<C>,
}

impl<C> Page<C> {
    /// The same page with other cursors.
    pub fn map<D>(self, cursor: impl Fn(C) -> D) -> Page<D> {
        Page {
            limit: self.limit,
            starting_after: self.starting_after.map(&cursor),
            ending_before: self.ending_before.map(&cursor),
        }
    }

    /// The cursors that are given.
    pub fn cursors(&self) -> impl Iterator<Item = &C> {
        self.starting_after.iter().chain(&self.ending_before)
    }

    /// How many rows to read: one more than the page holds, to see whether more follow.
    #[must_use]
    pub fn rows(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The page of these rows, newest first, and whether more follow.
    ///
    /// `rows` are up to [`Page::rows`] rows, those nearest to the cursor first: newest first, but oldest first behind
    /// `ending_before`.
    #[must_use]
    pub fn cut<T>(&self, mut rows: Vec<T>) -> (Vec<T>, bool) {
        let has_more = rows.len() > usize::from(self.limit);
        rows.truncate(usize::from(self.limit));
        if self.ending_before.is_some() {
            rows.reverse();
        }
        (rows, has_more)
    }
}

impl<C: Ord> Page<C> {
    /// The page out of a whole list in any order, newest first, and whether more follow.
    #[must_use]
    pub fn select<T>(&self, mut all: Vec<T>, cursor: impl Fn(&T) -> C) -> (Vec<T>, bool) {
        all.retain(|it| {
            let it = cursor(it);
            self.starting_after.as_ref().is_none_or(|after| it < *after)
                && self
                    .ending_before
                    .as_ref()
                    .is_none_or(|before| it > *before)
        });
        all.sort_unstable_by_key(&cursor);
        if self.ending_before.is_none() {
            all.reverse();
        }
        self.cut(all)
    }
}

/// The query of a list, each parameter once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// How many things, 1 to 100.
    pub limit: Option<u16>,
    /// The last id of the page before: continue with the older things.
    pub starting_after: Option<String>,
    /// The first id of a page: go back to the newer things.
    pub ending_before: Option<String>,
    /// The other parameters, which narrow the list.
    pub filters: Vec<(String, String)>,
}

impl ListQuery {
    /// Reads the part of an address behind the question mark.
    ///
    /// # Errors
    /// If a parameter is given twice, or `limit` is not from 1 to 100.
    pub fn parse(query: Option<&str>) -> Result<Self, RequestError> {
        let mut parsed = Self::default();
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query.unwrap_or_default())
            .map_err(|_| RequestError::parameter("", "The query cannot be read."))?;
        for (name, value) in pairs {
            let twice = match name.as_str() {
                "limit" => parsed.limit.replace(limit(&value)?).is_some(),
                "starting_after" => parsed.starting_after.replace(value).is_some(),
                "ending_before" => parsed.ending_before.replace(value).is_some(),
                _ => {
                    let twice = parsed.filters.iter().any(|(known, _)| *known == name);
                    parsed.filters.push((name.clone(), value));
                    twice
                }
            };
            if twice {
                return Err(RequestError::parameter(name, "This is given twice."));
            }
        }
        Ok(parsed)
    }

    /// The trimmed value of a parameter that narrows the list; empty when it is absent, as a form sends an empty field.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        let found = self.filters.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// The value of the only parameter that narrows the list.
    ///
    /// # Errors
    /// If there is a parameter of another name.
    pub fn filter(&self, name: &str) -> Result<Option<&str>, RequestError> {
        match self.filters.iter().find(|(other, _)| other != name) {
            Some((other, _)) => Err(RequestError::unknown_parameter(other)),
            None => Ok(self.filters.first().map(|(_, value)| value.as_str())),
        }
    }

    /// The query of a list that cannot be narrowed.
    ///
    /// # Errors
    /// If there is any parameter but the three of the page.
    pub fn without_filters(self) -> Result<Self, RequestError> {
        match self.filters.first() {
            Some((name, _)) => Err(RequestError::unknown_parameter(name)),
            None => Ok(self),
        }
    }

    /// The page, whose cursors are ids of type `I`.
    ///
    /// # Errors
    /// If both cursors are given, or one is no id of this list's things.
    pub fn page<I: FromStr>(&self) -> Result<Page<I>, RequestError> {
        if self.starting_after.is_some() && self.ending_before.is_some() {
            return Err(RequestError::parameter(
                "ending_before",
                "Give one cursor, not both.",
            ));
        }
        Ok(Page {
            limit: self.limit.unwrap_or(DEFAULT_LIMIT),
            starting_after: cursor("starting_after", self.starting_after.as_deref())?,
            ending_before: cursor("ending_before", self.ending_before.as_deref())?,
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ListQuery {
    type Rejection = RequestError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RequestError> {
        let query = RawQuery::from_request_parts(parts, state).await;
        let RawQuery(query) = query.unwrap_or(RawQuery(None));
        Self::parse(query.as_deref())
    }
}

fn limit(text: &str) -> Result<u16, RequestError> {
    let limit = text.parse().ok();
    limit
        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        .ok_or_else(|| RequestError::parameter("limit", "This must be from 1 to 100."))
}

fn cursor<I: FromStr>(name: &str, text: Option<&str>) -> Result<Option<I>, RequestError> {
    let id = text.map(str::parse).transpose();
    id.map_err(|_| RequestError::parameter(name, "This is no id of this list."))
}

#[cfg(test)]
mod tests {
    use super::{ListQuery, Page};

    fn page(starting_after: Option<u8>, ending_before: Option<u8>) -> Page<u8> {
        Page {
            limit: 2,
            starting_after,
            ending_before,
        }
    }

    #[test]
    fn a_page_holds_the_things_nearest_to_its_cursor_newest_first() {
        for (page, expected) in [
            (page(None, None), (vec![5, 4], true)),
            (page(Some(4), None), (vec![3, 2], true)),
            (page(Some(3), None), (vec![2, 1], false)),
            (page(Some(1), None), (vec![], false)),
            (page(None, Some(2)), (vec![4, 3], true)),
            (page(None, Some(3)), (vec![5, 4], false)),
            (page(None, Some(5)), (vec![], false)),
        ] {
            let selected = page.select(vec![3, 1, 5, 2, 4], |it| *it);
            assert_eq!(selected, expected, "{page:?}");
        }
    }

    #[test]
    fn a_query_is_read_once_or_refused_with_the_parameter_at_fault() {
        for (query, param) in [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=ten", "limit"),
            ("limit=5&limit=5", "limit"),
            ("starting_after=1&starting_after=1", "starting_after"),
            ("status=a&status=b", "status"),
            ("starting_after=1&ending_before=2", "ending_before"),
            ("starting_after=x", "starting_after"),
        ] {
            let page = ListQuery::parse(Some(query)).and_then(|query| query.page::<u8>());
            assert_eq!(page.unwrap_err().param, param, "{query}");
        }
        let query = ListQuery::parse(Some("status=dead&limit=7&ending_before=3")).unwrap();
        assert_eq!(query.filter("status").unwrap(), Some("dead"));
        assert_eq!(query.filter("state").unwrap_err().param, "status");
        let expected = Page {
            limit: 7,
            starting_after: None,
            ending_before: Some(3),
        };
        assert_eq!(query.page::<u8>().unwrap(), expected);
        assert_eq!(query.without_filters().unwrap_err().param, "status");
        assert_eq!(
            ListQuery::parse(None).unwrap().page::<u8>().unwrap().limit,
            10
        );
    }
}
