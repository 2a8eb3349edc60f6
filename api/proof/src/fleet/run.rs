//! The name of a run, and the commit that it tests.

use std::process::Command;

use uuid::Uuid;

/// A name for a run; names sort by time.
pub(crate) fn run_name(kind: &str) -> String {
    let id = Uuid::now_v7().simple().to_string();
    format!("{kind}-{}", id.get(..12).unwrap_or(&id))
}

/// The commit of the working tree, with `+` when files differ from it; `unknown` outside of git.
pub(crate) fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])
        .is_some_and(|changes| !changes.is_empty());
    if changed { commit + "+" } else { commit }
}
