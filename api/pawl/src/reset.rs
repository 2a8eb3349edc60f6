//! `pawl reset`: removes what `pawl dev` keeps.

use std::fs;
use std::io::ErrorKind;
use std::process::ExitCode;

use anyhow::Result;

use crate::output;
use crate::stack::Home;

/// Refuses while `pawl dev` runs.
pub(crate) fn run() -> Result<ExitCode> {
    let home = Home::find()?;
    home.kept("dev")?.empty()?;
    match fs::remove_file(home.join("dev.json")) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    output::line("the demonstration's payments, users and keys are gone");
    Ok(ExitCode::SUCCESS)
}
