//! Tables of the commands that list rows.

use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::output;

/// A table with these headings and no borders.
pub(crate) fn new(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(headings);
    table
}

/// Prints the table.
pub(crate) fn print(table: &Table) {
    output::line(table.trim_fmt());
}
