//! A server process that ends with the process that started it, even if that one is killed.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, process, thread};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a server may take for an orderly end before it is killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends signal `$1` to process (or group) `$2` when the pipe on standard input closes, which happens when our process dies.
const GUARD: &str = r#"
read -r line
kill -s "$1" -- "$2"
n=0; while kill -s 0 -- "$2" && [ $((n += 1)) -lt 200 ]; do sleep 0.1; done
kill -s KILL -- "$2"
"#;

/// A process that stops another one if this process is killed.
///
/// Dropping it ends the guard and leaves the other process alone.
#[derive(Debug)]
pub struct Guard(process::Child);

impl Guard {
    /// Will send `signal`, and 20 s later SIGKILL, to a process, or to the process group with the negated id.
    ///
    /// # Errors
    /// `sh` cannot be started.
    pub fn over(target: i32, signal: Signal) -> Result<Guard> {
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .args([
                signal.as_str().trim_start_matches("SIG"),
                &target.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        Ok(Guard(guard.context("start a guard process with `sh`")?))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running child in its own process group: a terminal's Ctrl-C reaches this process and not the child.
///
/// Dropping it sends SIGINT (for Postgres, Redis and Kafka the signal of an orderly, prompt end) and waits.
#[derive(Debug)]
pub(crate) struct Child {
    name: &'static str,
    log: PathBuf,
    process: process::Child,
    // Dropped after the process has been stopped, so that a kill -9 of this process meanwhile still stops the child.
    guard: Option<Guard>,
}

impl Child {
    /// Starts `command` with its output in the file `log`.
    pub(crate) fn spawn(name: &'static str, mut command: Command, log: &Path) -> Result<Child> {
        let output = File::create(log).with_context(|| format!("create {}", log.display()))?;
        let program = command.get_program().display().to_string();
        let process = command
            .stdin(Stdio::null())
            .stderr(output.try_clone()?)
            .stdout(output)
            .process_group(0)
            .spawn()
            .with_context(|| {
                format!("{name} could not be started: is `{program}` installed? (infra/scripts/setup.sh installs what is missing)")
            })?;
        let mut child = Child {
            name,
            log: log.to_owned(),
            process,
            guard: None,
        };
        child.guard = Some(Guard::over(
            child.process.id().cast_signed(),
            Signal::SIGINT,
        )?);
        Ok(child)
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Fails with the end of its log when the process has ended.
    pub(crate) fn running(&mut self) -> Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}):\n{}", self.name, self.end_of_log()),
        }
    }

    /// Waits until the process ends; any exit status but success is an error that shows the end of its log.
    pub(crate) async fn success(mut self) -> Result<()> {
        loop {
            match self.process.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(_) => return self.running(),
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    fn end_of_log(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines
            .get(lines.len().saturating_sub(12)..)
            .unwrap_or_default();
        format!(
            "{}\n(the whole log: {})",
            tail.join("\n"),
            self.log.display()
        )
    }

    /// True when the process is gone after at most `patience`.
    fn ends_within(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while matches!(self.process.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        true
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Once a child has been waited for, the system may give its id to another process: send no signal then.
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = kill(pid(self.process.id()), Signal::SIGINT);
            if !self.ends_within(PATIENCE) {
                tracing::warn!(
                    server = self.name,
                    "failed to stop the server in time; it was killed"
                );
                let _ = self.process.kill();
                let _ = self.process.wait();
            }
        }
    }
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(id.cast_signed())
}
