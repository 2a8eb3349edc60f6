//! Reading columns whose values this program gives a type: status names and JSON documents, and writing rows as JSON.

use std::error::Error;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The error of a row that cannot be decoded. It stops the payment of that row, and the log names the column.
pub(super) fn column_error(column: &str, error: impl Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: Box::new(error),
    }
}

/// Parses a column that holds a name, such as a status.
pub(super) fn name<T: FromStr>(column: &str, text: &str) -> sqlx::Result<T>
where
    T::Err: Error + Send + Sync + 'static,
{
    text.parse().map_err(|error| column_error(column, error))
}

/// Parses a JSON column.
pub(super) fn document<T: DeserializeOwned>(
    column: &str,
    value: Option<Value>,
) -> sqlx::Result<Option<T>> {
    value
        .map(serde_json::from_value)
        .transpose()
        .map_err(|error| column_error(column, error))
}

/// Rows as a JSON array for `json_populate_recordset`, which matches fields with columns by their names. For a few wide
/// rows Postgres reads this faster than an array for each column.
pub(super) fn rows(rows: &[impl Serialize]) -> sqlx::Result<String> {
    serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}
