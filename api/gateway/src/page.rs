//! The addresses of lists: `limit`, `starting_after`, `ending_before`, and nothing that is not known.

use std::str::FromStr;

use engine::Page;
use infra::http::problem::Code;

use crate::body::FieldError;

/// How many things a page has when the client does not say.
const DEFAULT_LIMIT: u16 = 10;
/// The most it may have.
const LONGEST: u16 = 100;

/// What the query of a list asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// How many, 1 to 100.
    pub(crate) limit: Option<u16>,
    /// The last id of the page before: continue with what is older.
    pub(crate) starting_after: Option<String>,
    /// The first id of a page: go back to what is newer.
    pub(crate) ending_before: Option<String>,
    /// Everything else, each name once: what the list is narrowed by.
    pub(crate) filters: Vec<(String, String)>,
}

impl Query {
    /// Reads the part of an address behind the question mark.
    ///
    /// # Errors
    /// If a parameter is given twice, `limit` is not from 1 to 100, or both cursors are given.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, FieldError> {
        let mut parsed = Self::default();
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query.unwrap_or_default())
            .map_err(|_| invalid("", "The query cannot be read."))?;
        for (name, value) in pairs {
            let twice = match name.as_str() {
                "limit" => {
                    let limit = value
                        .parse()
                        .ok()
                        .filter(|limit| (1..=LONGEST).contains(limit));
                    let limit =
                        limit.ok_or_else(|| invalid("limit", "This must be from 1 to 100."))?;
                    parsed.limit.replace(limit).is_some()
                }
                "starting_after" => parsed.starting_after.replace(value).is_some(),
                "ending_before" => parsed.ending_before.replace(value).is_some(),
                _ => {
                    let twice = parsed.filters.iter().any(|(known, _)| *known == name);
                    parsed.filters.push((name.clone(), value));
                    twice
                }
            };
            if twice {
                return Err(invalid(&name, "This is given twice."));
            }
        }
        if parsed.starting_after.is_some() && parsed.ending_before.is_some() {
            return Err(invalid("ending_before", "Give one cursor, not both."));
        }
        Ok(parsed)
    }

    /// The value of the only parameter that a list is narrowed by.
    ///
    /// # Errors
    /// If there is one of another name.
    pub(crate) fn filter(&self, name: &str) -> Result<Option<&str>, FieldError> {
        match self.filters.iter().find(|(other, _)| other != name) {
            Some((other, _)) => Err(unknown(other)),
            None => Ok(self.filters.first().map(|(_, value)| value.as_str())),
        }
    }

    /// The same, of a list that cannot be narrowed.
    ///
    /// # Errors
    /// If there is a parameter that it does not know.
    pub(crate) fn without_filters(self) -> Result<Self, FieldError> {
        match self.filters.first() {
            Some((name, _)) => Err(unknown(name)),
            None => Ok(self),
        }
    }

    /// The page that is asked for, with what the engine takes as a cursor for an id.
    ///
    /// # Errors
    /// If a cursor is no id of this list's things.
    pub(crate) fn page<I: FromStr, C>(
        &self,
        cursor: impl Fn(I) -> C,
    ) -> Result<Page<C>, FieldError> {
        let read =
            |name: &str, given: &Option<String>| match given.as_deref().map(str::parse).transpose()
            {
                Ok(id) => Ok(id.map(&cursor)),
                Err(_) => Err(invalid(name, "This is no id of this list.")),
            };
        Ok(Page {
            limit: self.limit.unwrap_or(DEFAULT_LIMIT),
            starting_after: read("starting_after", &self.starting_after)?,
            ending_before: read("ending_before", &self.ending_before)?,
        })
    }
}

/// A parameter that does not exist.
pub(crate) fn unknown(param: &str) -> FieldError {
    invalid(param, "There is no such parameter here.")
}

/// A parameter that cannot be used.
pub(crate) fn invalid(param: &str, detail: &str) -> FieldError {
    FieldError::new(Code::InvalidParameter, param, detail)
}
