//! Servers that an earlier `pawl` left running when it was killed.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

/// Stops every process named `program` that works in `dir`; returns when there is none.
///
/// A server's working directory is its data directory, which finds exactly these servers, even without a pid file.
/// On a system without `/proc` none is found, and the lock of the new server reports the old one.
pub(crate) async fn stop(program: &str, dir: &Path) -> Result<()> {
    let Ok(dir) = dir.canonicalize() else {
        return Ok(());
    };
    let start = Instant::now();
    let mut interrupted = false;
    loop {
        let found = working_in(program, &dir);
        if found.is_empty() {
            return Ok(());
        }
        let late = start.elapsed() > Duration::from_secs(20);
        if start.elapsed() > Duration::from_secs(25) {
            bail!(
                "{program} of an earlier run still works in {}: stop it by hand ({:?})",
                dir.display(),
                found.keys()
            );
        }
        for (process, parent) in &found {
            // SIGINT goes to Postgres' postmaster alone: for its children the signal has another meaning.
            let is_first = !interrupted && !found.contains_key(parent);
            if late || is_first {
                let signal = if late {
                    Signal::SIGKILL
                } else {
                    Signal::SIGINT
                };
                let _ = kill(Pid::from_raw(*process), signal);
            }
        }
        interrupted = true;
        sleep(Duration::from_millis(20)).await;
    }
}

/// The ids of the processes that run `program` in `dir`, each with its parent's.
fn working_in(program: &str, dir: &Path) -> HashMap<i32, i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let path = entry.path();
            let works_here = fs::read_link(path.join("cwd")).ok()? == dir;
            // After an upgrade the link ends in " (deleted)". redis-server is a link to redis-check-rdb on Debian.
            let exe = fs::read_link(path.join("exe")).ok()?;
            let runs_it = exe.file_name()?.to_str()?.starts_with(program);
            (works_here && runs_it).then(|| (id, parent_of(&path).unwrap_or_default()))
        })
        .collect()
}

fn parent_of(process: &Path) -> Option<i32> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // The second field is the name in parentheses and may itself hold spaces and parentheses.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}
