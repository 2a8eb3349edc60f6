//! The addresses of lists: `limit`, `starting_after`, `ending_before`, and nothing that is not known.

use authz::Page;
use axum::extract::{FromRequestParts, RawQuery};
use axum::http::request::Parts;
use infra::http::list::List;
use infra::http::problem::Code;
use infra::id::{Id, Tag};
use serde::Serialize;

use crate::Error;
use crate::body::Invalid;

/// How many things a page has when the client does not say.
const DEFAULT_LIMIT: u16 = 10;
/// The most it may have.
const LONGEST: u16 = 100;

/// What the query of a list of such things asks for.
pub(crate) struct Asked<T> {
    limit: u16,
    starting_after: Option<Id<T>>,
    ending_before: Option<Id<T>>,
}

impl<T: Tag> Asked<T> {
    fn parse(query: Option<&str>) -> Result<Self, Invalid> {
        let (mut limit, mut starting_after, mut ending_before) = (None, None, None);
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query.unwrap_or_default())
            .map_err(|_| invalid("", "The query cannot be read."))?;
        for (name, value) in pairs {
            let id = |name| {
                let id: Result<Id<T>, _> = value.parse();
                id.map_err(|_| invalid(name, "This is no id of this list."))
            };
            let twice = match name.as_str() {
                "limit" => {
                    let parsed: Option<u16> = value.parse().ok();
                    let parsed = parsed.filter(|limit| (1..=LONGEST).contains(limit));
                    let parsed =
                        parsed.ok_or_else(|| invalid("limit", "This must be from 1 to 100."))?;
                    limit.replace(parsed).is_some()
                }
                "starting_after" => starting_after.replace(id("starting_after")?).is_some(),
                "ending_before" => ending_before.replace(id("ending_before")?).is_some(),
                unknown => return Err(invalid(unknown, "There is no such parameter here.")),
            };
            if twice {
                return Err(invalid(&name, "This is given twice."));
            }
        }
        Ok(Self {
            limit: limit.unwrap_or(DEFAULT_LIMIT),
            starting_after,
            ending_before,
        })
    }

    /// What is asked of the database: one more than the page holds, to see whether more follow.
    pub(crate) fn page(&self) -> Page {
        Page {
            starting_after: self.starting_after.map(|id| id.uuid()),
            ending_before: self.ending_before.map(|id| id.uuid()),
            limit: i64::from(self.limit) + 1,
        }
    }

    /// The page, from what the database answered to [`Asked::page`].
    pub(crate) fn list<R, V: Serialize>(&self, mut rows: Vec<R>, view: impl Fn(R) -> V) -> List<V> {
        let has_more = rows.len() > usize::from(self.limit);
        if has_more && self.ending_before.is_some() {
            // The one too many is the newest: the page ends at the cursor.
            rows.remove(0);
        }
        rows.truncate(usize::from(self.limit));
        List::new(rows.into_iter().map(view).collect(), has_more)
    }
}

impl<T: Tag, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let query = RawQuery::from_request_parts(parts, state).await;
        let RawQuery(query) = query.unwrap_or(RawQuery(None));
        Ok(Self::parse(query.as_deref())?)
    }
}

fn invalid(param: &str, detail: &str) -> Invalid {
    Invalid::new(Code::InvalidParameter, param, detail)
}
