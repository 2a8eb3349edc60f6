//! A server process that does not outlive its owner.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;

/// How long a server may take for an orderly end before it is killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Stops process `$1` when the pipe on standard input closes without a word: that is, when our process died.
const GUARD: &str = r#"
read -r word && exit
kill -INT "$1"
n=0; while kill -0 "$1" && [ $((n += 1)) -lt 20 ]; do sleep 1; done
kill -KILL "$1"
"#;

/// A running child in a process group of its own, so that a terminal's Ctrl-C reaches us and not it.
///
/// Dropping it sends SIGINT (for Postgres, Redis and Kafka the signal of an orderly, prompt end) and waits.
#[derive(Debug)]
pub(crate) struct Child {
    name: &'static str,
    log: PathBuf,
    process: process::Child,
    guard: process::Child,
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
        let guard = guard(process.id());
        let mut child = Child {
            name,
            log: log.to_owned(),
            guard: match guard {
                Ok(guard) => guard,
                Err(error) => {
                    let _ = kill(pid(process.id()), Signal::SIGKILL);
                    return Err(error).context("start a guard process with `sh`");
                }
            },
            process,
        };
        child.running()?;
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
            Some(status) => bail!("{} ended ({status}):\n{}", self.name, self.last_words()),
        }
    }

    /// Waits for an end by itself; anything but success is an error with the end of its log.
    pub(crate) async fn success(mut self) -> Result<()> {
        loop {
            match self.process.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(_) => return self.running(),
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines
            .get(lines.len().saturating_sub(12)..)
            .unwrap_or_default();
        format!("{}\n(all of it: {})", tail.join("\n"), self.log.display())
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
        // A child that has been waited for gives its id back to the system: no signal may follow.
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = kill(pid(self.process.id()), Signal::SIGINT);
            if !self.ends_within(PATIENCE) {
                tracing::warn!(server = self.name, "did not stop in time and was killed");
                let _ = self.process.kill();
                let _ = self.process.wait();
            }
        }
        // Only now, so that a kill -9 of us in the middle of the above is still covered.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
    }
}

fn guard(child: u32) -> std::io::Result<process::Child> {
    Command::new("sh")
        .args(["-c", GUARD, "guard"])
        .arg(child.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(id.cast_signed())
}
