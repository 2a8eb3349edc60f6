//! The observation of a case, and the reason why a case cannot run.

use std::fmt;

use anyhow::Result;

/// The observation of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// The contract holds.
    Held(String),
    /// The contract is broken.
    Broken(String),
}

impl Seen {
    /// The observation `what`, which is as the contract says if `held`.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "a case ends in it, and on its way a case may fail"
    )]
    pub(super) fn new(held: bool, what: impl Into<String>) -> Result<Seen> {
        let what = what.into();
        Ok(if held {
            Seen::Held(what)
        } else {
            Seen::Broken(what)
        })
    }

    /// The first broken one of several, or `summary` if all held.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "a case ends in it, and on its way a case may fail"
    )]
    pub(super) fn all(all: impl IntoIterator<Item = Seen>, summary: &str) -> Result<Seen> {
        let broken = all.into_iter().find(|seen| matches!(seen, Seen::Broken(_)));
        Ok(broken.unwrap_or_else(|| Seen::Held(summary.to_owned())))
    }
}

/// Why a case cannot run against this deployment. Raised as an error anywhere in a case.
#[derive(Debug)]
pub(super) struct Skip(pub(super) &'static str);

impl fmt::Display for Skip {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

impl std::error::Error for Skip {}
