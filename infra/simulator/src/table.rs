//! Rows in order of creation, found by id, listed as Stripe lists them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::form::Form;
use crate::json;
use crate::refusal::Refusal;

/// An object with an id and a time of creation.
pub(crate) trait Row {
    /// Stripe's name for the kind, `payment_intent`.
    const KIND: &'static str;
    /// The id, unique in its table.
    fn id(&self) -> &str;
    /// Seconds since the epoch.
    fn created(&self) -> i64;
}

/// The rows of one kind.
#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: BTreeMap<u64, T>,
    places: HashMap<Box<str>, u64>,
    next: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            places: HashMap::new(),
            next: 0,
        }
    }
}

impl<T: Row> Table<T> {
    /// Appends a row.
    pub(crate) fn insert(&mut self, row: T) {
        self.places.insert(row.id().into(), self.next);
        self.rows.insert(self.next, row);
        self.next += 1;
    }

    /// Removes a row and returns it.
    pub(crate) fn remove(&mut self, id: &str) -> Option<T> {
        let place = self.places.remove(id)?;
        self.rows.remove(&place)
    }

    /// Removes the oldest row and returns it.
    pub(crate) fn remove_oldest(&mut self) -> Option<T> {
        let (_, row) = self.rows.pop_first()?;
        self.places.remove(row.id());
        Some(row)
    }

    /// The row called `id`.
    pub(crate) fn find(&self, id: &str) -> Option<&T> {
        self.rows.get(self.places.get(id)?)
    }

    /// The row called `id`, to be changed.
    pub(crate) fn find_mut(&mut self, id: &str) -> Option<&mut T> {
        self.rows.get_mut(self.places.get(id)?)
    }

    /// The row called `id`, or Stripe's 404 about `param`.
    pub(crate) fn existing(&self, id: &str, param: &str) -> Result<&T, Refusal> {
        self.find(id)
            .ok_or_else(|| Refusal::missing(T::KIND, id, param))
    }

    /// The row called `id` to be changed, or Stripe's 404 about `param`.
    pub(crate) fn existing_mut(&mut self, id: &str, param: &str) -> Result<&mut T, Refusal> {
        self.find_mut(id)
            .ok_or_else(|| Refusal::missing(T::KIND, id, param))
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// All rows, oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.values()
    }
}

impl<T: Serialize> Serialize for Table<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.values())
    }
}

impl<'de, T: Row + Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Self::default();
        for row in Vec::<T>::deserialize(deserializer)? {
            table.insert(row);
        }
        Ok(table)
    }
}

/// One page of a list, newest first.
pub(crate) struct Page<'a, T> {
    rows: Vec<&'a T>,
    has_more: bool,
}

/// Selects the page of `newest_first` that `limit`, `starting_after`, `ending_before` and `created` of `form` describe.
pub(crate) fn select<'a, T: Row>(
    newest_first: impl Iterator<Item = &'a T>,
    form: &Form,
    exists: impl Fn(&str) -> bool,
) -> Result<Page<'a, T>, Refusal> {
    let limit = match form.integer("limit")?.unwrap_or(10) {
        limit @ 1..=100 => usize::try_from(limit).unwrap_or(10),
        limit => {
            let message = format!("Invalid limit: {limit} must be between 1 and 100");
            return Err(Refusal::integer("limit", message));
        }
    };
    let created = Created::read(form)?;
    let rows = newest_first
        .take_while(|row| row.created() >= created.from)
        .filter(|row| row.created() <= created.to);
    let cursor = |name| match form.text(name) {
        Some(id) if !exists(id) => Err(Refusal::missing(T::KIND, id, name)),
        cursor => Ok(cursor),
    };
    match (cursor("starting_after")?, cursor("ending_before")?) {
        (Some(_), Some(_)) => Err(Refusal::invalid(
            "You cannot specify both starting_after and ending_before.",
        )),
        (Some(id), None) => Ok(take_first(
            rows.skip_while(|row| row.id() != id).skip(1),
            limit,
        )),
        (None, Some(id)) => Ok(take_last(rows.take_while(|row| row.id() != id), limit)),
        (None, None) => Ok(take_first(rows, limit)),
    }
}

fn take_first<'a, T>(rows: impl Iterator<Item = &'a T>, limit: usize) -> Page<'a, T> {
    let mut rows: Vec<_> = rows.take(limit + 1).collect();
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    Page { rows, has_more }
}

fn take_last<'a, T>(rows: impl Iterator<Item = &'a T>, limit: usize) -> Page<'a, T> {
    let mut nearest = VecDeque::with_capacity(limit + 1);
    let mut has_more = false;
    for row in rows {
        if nearest.len() == limit {
            nearest.pop_front();
            has_more = true;
        }
        nearest.push_back(row);
    }
    Page {
        rows: nearest.into(),
        has_more,
    }
}

/// The range of `created` or `created[gt|gte|lt|lte]`, both ends included.
struct Created {
    from: i64,
    to: i64,
}

impl Created {
    fn read(form: &Form) -> Result<Self, Refusal> {
        if let Some(at) = form.integer("created")? {
            return Ok(Self { from: at, to: at });
        }
        let after = form.integer("created[gt]")?.map(|at| at.saturating_add(1));
        let before = form.integer("created[lt]")?.map(|at| at.saturating_sub(1));
        Ok(Self {
            from: form.integer("created[gte]")?.or(after).unwrap_or(i64::MIN),
            to: form.integer("created[lte]")?.or(before).unwrap_or(i64::MAX),
        })
    }
}

impl<T> Page<'_, T> {
    /// The page as Stripe's list object, each row rendered by `render`.
    pub(crate) fn render(&self, url: &str, render: impl Fn(&T) -> Box<RawValue>) -> Box<RawValue> {
        #[derive(Serialize)]
        struct List<'a> {
            object: &'static str,
            data: Vec<Box<RawValue>>,
            has_more: bool,
            url: &'a str,
        }
        json::render(&List {
            object: "list",
            data: self.rows.iter().map(|row| render(row)).collect(),
            has_more: self.has_more,
            url,
        })
    }
}
