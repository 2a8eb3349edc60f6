//! A process: a binary next to this one, configured by its environment, with its output in a file.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// The time that a process has until it answers.
const START_LIMIT: Duration = Duration::from_secs(30);
/// The time that a process has to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// The binary, environment and address of a process.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// The name in reports and of the log file; two workers have two names.
    pub(crate) name: String,
    /// The name of the binary.
    pub(crate) binary: &'static str,
    /// Environment variables, added to those of this process.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// The address that answers 2xx once the process is ready.
    pub(crate) health: String,
}

/// A process that runs, and ends with this value.
#[derive(Debug)]
pub(crate) struct Process {
    spec: Spec,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts the process; it need not answer yet.
    pub(crate) fn start(spec: Spec, run: &Path) -> Result<Process> {
        let log = run.join(format!("{}.log", spec.name));
        let child = spawn(&spec, &log)?;
        Ok(Process { spec, log, child })
    }

    /// The name in reports.
    pub(crate) fn name(&self) -> &str {
        &self.spec.name
    }

    /// The file with its output.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// The process id, while it runs.
    pub(crate) fn pid(&self) -> Option<i32> {
        self.child.id().and_then(|pid| i32::try_from(pid).ok())
    }

    /// Returns once the process answers its health check.
    pub(crate) async fn ready(&mut self, http: &reqwest::Client) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let answer = http
                .get(&self.spec.health)
                .timeout(Duration::from_secs(1))
                .send()
                .await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended with {status}; it wrote:\n{}",
                    self.spec.name,
                    tail(&self.log)
                );
            }
            if Instant::now() > deadline {
                bail!(
                    "{} does not answer at {} after {START_LIMIT:?}; it wrote:\n{}",
                    self.spec.name,
                    self.spec.health,
                    tail(&self.log)
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills the process (SIGKILL) and starts it again; it need not answer yet.
    pub(crate) async fn kill_and_restart(&mut self) -> Result<()> {
        self.child
            .kill()
            .await
            .with_context(|| format!("killing {}", self.spec.name))?;
        self.child = spawn(&self.spec, &self.log)?;
        Ok(())
    }

    /// Starts the process again if it ended by itself; returns whether it did.
    pub(crate) fn revive(&mut self) -> Result<bool> {
        if self.child.try_wait()?.is_none() {
            return Ok(false);
        }
        self.child = spawn(&self.spec, &self.log)?;
        Ok(true)
    }

    /// The address of its health check.
    pub(crate) fn health(&self) -> &str {
        &self.spec.health
    }

    /// Asks the process to finish, waits until it did, and starts it again with these variables besides its own; it need not
    /// answer yet.
    pub(crate) async fn restart(&mut self, environment: &[(&'static str, String)]) -> Result<()> {
        self.end().await?;
        let mut spec = self.spec.clone();
        spec.environment.extend_from_slice(environment);
        self.child = spawn(&spec, &self.log)?;
        Ok(())
    }

    /// Asks the process to finish (SIGTERM) and waits until it did; kills it when it takes too long.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.end().await
    }

    async fn end(&mut self) -> Result<()> {
        if let Some(pid) = self.pid() {
            // The signal fails if the process has just ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        if tokio::time::timeout(STOP_LIMIT, self.child.wait())
            .await
            .is_err()
        {
            self.child.kill().await?;
            bail!(
                "{} did not end within {STOP_LIMIT:?} of SIGTERM",
                self.spec.name
            );
        }
        Ok(())
    }
}

fn spawn(spec: &Spec, log: &Path) -> Result<Child> {
    let path = binary(spec.binary)?;
    let output = append(log)?;
    Command::new(&path)
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {}", path.display()))
}

/// The binary of that name next to the one that runs now.
fn binary(name: &str) -> Result<PathBuf> {
    let here = std::env::current_exe().context("finding the directory of this binary")?;
    let path = here.with_file_name(name);
    if !path.is_file() {
        let release = if cfg!(debug_assertions) {
            ""
        } else {
            " --release"
        };
        bail!(
            "{} is not built: run `cargo build{release} -p {name}` first",
            path.display()
        );
    }
    Ok(path)
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("opening {}", path.display()))
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
