//! Writes `docs/machines.md` and the rows of the table `edge` in `migrations/0004_edges.sql` anew:
//! `cargo run -p workflows --example draw`.

#![expect(
    clippy::disallowed_methods,
    reason = "the example is no part of the pure crate"
)]

use std::fs;
use std::io::{Error, Result};

use workflows::drawing;
use workflows::drawing::{SQL_BEGIN, SQL_END};

fn main() -> Result<()> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    fs::write(format!("{root}/docs/machines.md"), drawing::document())?;
    let migration = format!("{root}/migrations/0004_edges.sql");
    let text = fs::read_to_string(&migration)?;
    let parts = text.split_once(SQL_BEGIN);
    let parts = parts.and_then(|(before, rest)| Some((before, rest.split_once(SQL_END)?.1)));
    let (before, after) = parts.ok_or_else(|| Error::other("the migration has lost its marks"))?;
    let sql = drawing::sql();
    fs::write(
        &migration,
        format!("{before}{SQL_BEGIN}{sql}{SQL_END}{after}"),
    )
}
