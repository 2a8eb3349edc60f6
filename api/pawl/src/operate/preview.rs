//! The question before an action on many things.

use std::io::{IsTerminal, stdin};

use anyhow::{Result, bail};

use crate::output;

/// Asks whether to go on, unless `--yes` was given. Without a terminal to ask at, `--yes` is required.
pub(super) fn confirmed(question: &str, yes: bool) -> Result<bool> {
    if yes {
        return Ok(true);
    }
    if !stdin().is_terminal() {
        bail!("{question} Say so with --yes: there is no terminal to ask at");
    }
    output::notice(&format!("{question} Type yes to go on:"));
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}
