//! How results are printed: as a table for people, or as JSON for programs.

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::{output, table};

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Columns, for people.
    Table,
    /// JSON, for programs.
    Json,
}

/// The option that chooses it.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Output {
    /// table or json
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
}

impl Output {
    /// The chosen form.
    pub(crate) const fn form(self) -> Form {
        self.output
    }

    /// Prints the rows: their cells under the headings, or the rows themselves as JSON.
    pub(super) fn print<T: Serialize, const N: usize>(
        self,
        rows: &[T],
        headings: [&str; N],
        cells: impl Fn(&T) -> [String; N],
    ) -> Result<()> {
        match self.output {
            Form::Json => output::line(serde_json::to_string_pretty(rows)?),
            Form::Table => {
                let mut shown = table::new(&headings);
                for row in rows {
                    shown.add_row(cells(row));
                }
                table::print(&shown);
            }
        }
        Ok(())
    }

    /// Prints one thing: as lines of text, or as JSON.
    pub(super) fn print_one<T: Serialize>(
        self,
        thing: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<()> {
        output::line(match self.output {
            Form::Json => serde_json::to_string_pretty(thing)?,
            Form::Table => text(thing),
        });
        Ok(())
    }
}
