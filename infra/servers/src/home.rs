//! `.pawl/`, the directory in which the commands of this machine keep their data.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::{kafka, leftovers, postgres, redis, unprivileged};

/// This crate's own manifest, seen from the root of the checkout.
const MANIFEST: &str = "infra/servers/Cargo.toml";

/// The checkout's `.pawl/` directory.
#[derive(Debug, Clone)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// `.pawl/` of the checkout that the current directory belongs to, or else of the current directory itself.
    ///
    /// # Errors
    /// The directory cannot be created.
    pub fn find() -> Result<Home> {
        let here = env::current_dir().context("find the current directory")?;
        let path = root(&here).join(".pawl");
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Home { path })
    }

    /// A path inside, which need not exist.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// A directory inside whose content stays from run to run, locked by this process until [`Directory`] is dropped.
    ///
    /// # Errors
    /// Another process has the lock.
    pub fn permanent(&self, name: &str) -> Result<Directory> {
        let path = self.join(name);
        match Directory::lock(&path)? {
            Some(directory) => Ok(directory),
            None => bail!("another `pawl` works in {}: stop it first", path.display()),
        }
    }

    /// An empty directory inside; its content is removed when [`Directory`] is dropped, or else by its next user.
    ///
    /// # Errors
    /// A hundred of them are in use, or an earlier process left a server in it that does not stop.
    pub async fn temporary(&self) -> Result<Directory> {
        let all = self.join("services");
        fs::create_dir_all(&all)?;
        for number in 1..100 {
            if let Some(mut directory) = Directory::lock(&all.join(number.to_string()))? {
                directory.is_temporary = true;
                directory.stop_leftovers().await?;
                directory.empty()?;
                return Ok(directory);
            }
        }
        bail!("a hundred `pawl services` run at once in {}", all.display());
    }

    /// The jars of Kafka, which `infra/scripts/setup.sh test` downloads.
    pub(crate) fn kafka_jars(&self) -> Result<PathBuf> {
        let jars = self.join("kafka/jars");
        if !jars.is_dir() {
            bail!(
                "no Kafka in {}: run `infra/scripts/setup.sh test` once",
                jars.display()
            );
        }
        Ok(jars)
    }
}

/// The root of the checkout that contains `here`, or else `here`.
fn root(here: &Path) -> &Path {
    here.ancestors()
        .find(|dir| dir.join(MANIFEST).is_file())
        .unwrap_or(here)
}

/// A directory that belongs to this process alone, by a lock that ends with the process.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    is_temporary: bool,
    _lock: File,
}

impl Directory {
    /// Locks and creates a directory; `None` when another process has the lock.
    fn lock(path: &Path) -> Result<Option<Directory>> {
        let name = path.with_extension("lock");
        let lock = OpenOptions::new().create(true).append(true).open(&name);
        let lock = lock.with_context(|| format!("open {}", name.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", name.display()));
            }
        }
        fs::create_dir_all(path).with_context(|| format!("create {}", path.display()))?;
        Ok(Some(Directory {
            path: path.to_owned(),
            is_temporary: false,
            _lock: lock,
        }))
    }

    /// A path inside, which need not exist. Servers create their directories themselves.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Stops the servers that a killed process left running in this directory.
    async fn stop_leftovers(&self) -> Result<()> {
        leftovers::stop(postgres::PROGRAM, &self.join("postgres")).await?;
        leftovers::stop(redis::PROGRAM, &self.join("redis")).await?;
        leftovers::stop(kafka::PROGRAM, &self.join("kafka")).await
    }

    /// Removes everything inside.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn empty(&self) -> Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
            } else {
                unprivileged::remove_dir(&entry.path())?;
            }
        }
        Ok(())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.is_temporary
            && let Err(error) = self.empty()
        {
            tracing::warn!(%error, directory = %self.path.display(), "failed to remove test data; the next run removes it");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop here")]

    use super::*;

    #[test]
    fn the_checkout_is_found_from_every_directory_inside() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let checkout = here.ancestors().nth(2).unwrap();
        assert_eq!(root(here), checkout);
        assert_eq!(root(&here.join("src")), checkout);
        assert_eq!(root(checkout), checkout);
    }

    #[test]
    fn a_directory_outside_of_a_checkout_is_used_itself() {
        let here = tempfile::tempdir().unwrap();
        assert_eq!(root(here.path()), here.path());
    }
}
