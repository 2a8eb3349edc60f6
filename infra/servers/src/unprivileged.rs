//! The user that runs Postgres when this process belongs to root: Postgres refuses to run as root.

use std::fs;
use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::unistd::{User, geteuid};

/// The account that runs Postgres; `None` is the account of this process.
#[derive(Debug, Clone)]
pub(crate) struct Unprivileged(Option<User>);

impl Unprivileged {
    /// The account of this process; if that is root, Debian's `postgres`, or else `nobody`.
    pub(crate) fn find() -> Result<Unprivileged> {
        if !geteuid().is_root() {
            return Ok(Unprivileged(None));
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Unprivileged(Some(user)));
            }
        }
        bail!(
            "Postgres refuses to run as root, and this system has neither a user `postgres` nor `nobody`: run this as an ordinary user"
        );
    }

    /// Makes `command` run under this account.
    pub(crate) fn run_as(&self, command: &mut Command) {
        if let Some(user) = &self.0 {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
    }

    /// Creates `dir`, owned by this account, and returns its canonical path.
    ///
    /// If the account may not enter the parent (a checkout in `/root`), `dir` becomes a link into `/var/tmp`.
    pub(crate) fn make_dir(&self, dir: &Path) -> Result<PathBuf> {
        let Some(user) = &self.0 else {
            return make_owned(dir, None);
        };
        let parent = dir.parent().context("a data directory has a parent")?;
        if self.reaches(parent) {
            return make_owned(dir, Some(user));
        }
        // `dir` is a link of an earlier run; its target is created again if it was removed.
        if dir.exists() {
            return make_owned(dir, Some(user));
        }
        let _ = fs::remove_file(dir);
        let holder = tempfile::Builder::new()
            .prefix("pawl-")
            .permissions(Permissions::from_mode(0o711))
            .tempdir_in("/var/tmp")
            .context("make a directory in /var/tmp")?
            .keep();
        let made = make_owned(&holder.join("data"), Some(user))?;
        symlink(&made, dir)
            .with_context(|| format!("link {} to {}", dir.display(), made.display()))?;
        Ok(made)
    }

    /// True when this account may enter `dir`.
    fn reaches(&self, dir: &Path) -> bool {
        let mut probe = Command::new("true");
        probe.current_dir(dir).stdin(Stdio::null());
        self.run_as(&mut probe);
        probe.status().is_ok_and(|status| status.success())
    }
}

/// Removes a directory made by [`Unprivileged::make_dir`], also where it is a link.
pub(crate) fn remove_dir(dir: &Path) -> Result<()> {
    let Ok(kind) = fs::symlink_metadata(dir) else {
        return Ok(());
    };
    if kind.is_symlink() {
        let real = fs::read_link(dir)?;
        if real.exists() {
            fs::remove_dir_all(&real).with_context(|| format!("remove {}", real.display()))?;
        }
        if let Some(holder) = real.parent() {
            let _ = fs::remove_dir(holder);
        }
        return fs::remove_file(dir).with_context(|| format!("remove {}", dir.display()));
    }
    fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))
}

fn make_owned(dir: &Path, user: Option<&User>) -> Result<PathBuf> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("create {}", dir.display()))?;
    if let Some(user) = user {
        chown(dir, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .with_context(|| format!("give {} to {}", dir.display(), user.name))?;
    }
    dir.canonicalize()
        .with_context(|| format!("find {}", dir.display()))
}
