//! `pawl reset`: removes the data of `pawl dev`.

use std::fs;
use std::io::ErrorKind;
use std::process::ExitCode;

use anyhow::Result;
use servers::Home;

use crate::output;

/// Removes the data of `pawl dev`, unless `pawl dev` runs.
pub(crate) fn run() -> Result<ExitCode> {
    let home = Home::find()?;
    home.permanent("dev")?.empty()?;
    match fs::remove_file(home.join("dev.json")) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    output::line("the demonstration's payments, users and keys are gone");
    Ok(ExitCode::SUCCESS)
}
