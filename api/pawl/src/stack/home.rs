//! `.pawl/`, where everything lives that the commands of this machine keep.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result, bail};

use super::{kafka, leftovers, postgres, redis, unprivileged};

/// The checkout's `.pawl/` directory.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    path: PathBuf,
}

impl Home {
    /// `.pawl/` of the checkout that the current directory belongs to, or else of the current directory itself.
    pub(crate) fn find() -> Result<Home> {
        let here = env::current_dir().context("find the current directory")?;
        let top = here
            .ancestors()
            .find(|dir| dir.join("api/pawl/Cargo.toml").is_file());
        let path = top.unwrap_or(&here).join(".pawl");
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Home { path })
    }

    /// A path inside, which need not exist.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// A directory inside that is kept from run to run, taken by this process until [`Place`] is dropped.
    pub(crate) fn kept(&self, name: &str) -> Result<Place> {
        let path = self.join(name);
        match Place::take(&path)? {
            Some(place) => Ok(place),
            None => bail!("another `pawl` works in {}: stop it first", path.display()),
        }
    }

    /// A directory inside that is empty now and is emptied when [`Place`] is dropped, or else by whoever takes it next.
    pub(crate) async fn throw_away(&self) -> Result<Place> {
        let all = self.join("services");
        fs::create_dir_all(&all)?;
        for number in 1..100 {
            if let Some(mut place) = Place::take(&all.join(number.to_string()))? {
                place.throw_away = true;
                place.stop_leftovers().await?;
                place.empty()?;
                return Ok(place);
            }
        }
        bail!("a hundred `pawl services` run at once in {}", all.display());
    }
}

/// A directory that belongs to this process alone, by a lock that ends with it.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    throw_away: bool,
    _lock: File,
}

impl Place {
    fn take(path: &Path) -> Result<Option<Place>> {
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
        Ok(Some(Place {
            path: path.to_owned(),
            throw_away: false,
            _lock: lock,
        }))
    }

    /// A path inside, which need not exist. Servers make their directories themselves.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Stops the servers that a killed owner left running in here.
    async fn stop_leftovers(&self) -> Result<()> {
        leftovers::stop(postgres::PROGRAM, &self.join("postgres")).await?;
        leftovers::stop(redis::PROGRAM, &self.join("redis")).await?;
        leftovers::stop(kafka::PROGRAM, &self.join("kafka")).await
    }

    /// Removes everything inside.
    pub(crate) fn empty(&self) -> Result<()> {
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

impl Drop for Place {
    fn drop(&mut self) {
        if self.throw_away
            && let Err(error) = self.empty()
        {
            tracing::warn!(%error, "a directory of test data could not be removed");
        }
    }
}
