//! Runs `pawl` in a directory of its own, and finds the processes that it left running.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A directory outside of this checkout.
pub(crate) struct Workshop(TempDir);

impl Workshop {
    pub(crate) fn new() -> Workshop {
        Workshop(TempDir::with_prefix("pawl-test-").unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `pawl` with these arguments, and an environment that names no server.
    pub(crate) fn pawl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pawl"));
        command
            .args(arguments)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .env("RUST_LOG", "warn");
        for name in [
            "DATABASE_URL",
            "REDIS_URL",
            "KAFKA_BROKERS",
            "STRIPE_API_BASE",
            "STRIPE_API_KEY",
            "STRIPE_WEBHOOK_SECRET",
            "AUTH_API_KEYS",
            "JWT_PRIVATE_KEY",
            "JWT_JWKS_URL",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// The command lines of all processes that work in this directory or in one that it links to.
    pub(crate) fn servers(&self) -> Vec<String> {
        self.processes().into_iter().map(|(_, line)| line).collect()
    }

    /// Ends the guard processes, which would stop the servers of a killed `pawl`.
    pub(crate) fn kill_guards(&self) {
        for (id, line) in self.processes() {
            if line.contains(" guard ") {
                kill(id, Signal::SIGKILL).unwrap();
            }
        }
    }

    fn processes(&self) -> Vec<(Pid, String)> {
        let top = self.path().canonicalize().unwrap();
        let mut places = vec![top.clone()];
        places.extend(links_below(&top));
        let processes = fs::read_dir("/proc").unwrap().flatten();
        processes
            .filter_map(|entry| {
                let id = entry.file_name().to_str()?.parse().ok()?;
                let cwd = fs::read_link(entry.path().join("cwd")).ok()?;
                let inside = places.iter().any(|place| cwd.starts_with(place));
                let line = fs::read(entry.path().join("cmdline")).ok()?;
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                (inside && !line.is_empty()).then_some((Pid::from_raw(id), line))
            })
            .collect()
    }
}

impl Drop for Workshop {
    /// Removes the directories in `/var/tmp` that Postgres used because it could not enter this one.
    fn drop(&mut self) {
        for place in links_below(self.path()) {
            let holder = place
                .parent()
                .filter(|holder| holder.starts_with("/var/tmp"));
            let _ = holder.map(fs::remove_dir_all);
        }
    }
}

fn links_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            found.extend(entry.path().canonicalize());
        } else if kind.is_dir() {
            found.extend(links_below(&entry.path()));
        }
    }
    found
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

/// Polls until `done`, for at most a minute.
pub(crate) fn wait_for(event: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !done() {
        assert!(Instant::now() < deadline, "waited a minute for {event}");
        thread::sleep(Duration::from_millis(20));
    }
}
