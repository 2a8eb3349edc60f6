//! A case: one clause of the security contract, asked over HTTP.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use serde::Serialize;

use super::visit::Visit;

/// No case takes longer; the slowest waits for a time-out of the service, or for a limit to let it pass.
const PATIENCE: Duration = Duration::from_mins(3);

type Check = Box<dyn for<'a> Fn(&'a Visit<'a>) -> BoxFuture<'a, Result<Seen>> + Send + Sync>;

/// What a case saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// What the contract says.
    Held(String),
    /// Something else.
    Broken(String),
}

impl Seen {
    /// `what` was seen, and it is what the contract says if `held`.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "a case ends in it, and on its way a case may fail"
    )]
    pub(super) fn of(held: bool, what: impl Into<String>) -> Result<Seen> {
        let what = what.into();
        Ok(if held {
            Seen::Held(what)
        } else {
            Seen::Broken(what)
        })
    }

    /// The first that broke of several, or `summary` if all held.
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

/// One question, with the answer that the contract gives.
pub(super) struct Case {
    pub(super) area: &'static str,
    pub(super) name: String,
    pub(super) expected: String,
    /// Whether nothing else may run beside it, because it measures time or takes all there is.
    pub(super) alone: bool,
    check: Check,
}

/// A case of an area that is named by [`Case::of`].
pub(super) fn case(
    name: impl Into<String>,
    expected: impl Into<String>,
    check: impl for<'a> Fn(&'a Visit<'a>) -> BoxFuture<'a, Result<Seen>> + Send + Sync + 'static,
) -> Case {
    Case {
        area: "",
        name: name.into(),
        expected: expected.into(),
        alone: false,
        check: Box::new(check),
    }
}

/// What became of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Ok,
    Failed,
    Skipped,
}

/// A case that ran.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Outcome {
    pub(super) area: &'static str,
    pub(super) case: String,
    pub(super) expected: String,
    pub(super) seen: String,
    pub(super) verdict: Verdict,
}

impl Case {
    /// The same case, of this area.
    pub(super) fn of(mut self, area: &'static str) -> Case {
        self.area = area;
        self
    }

    /// The same case, with nothing beside it.
    pub(super) fn alone(mut self) -> Case {
        self.alone = true;
        self
    }

    /// Asks. What goes wrong on the way is a failure too: a service that cannot be reached holds no contract.
    pub(super) async fn run(self, visit: &Visit<'_>) -> Outcome {
        let seen = tokio::time::timeout(PATIENCE, (self.check)(visit)).await;
        let (verdict, seen) = match seen {
            Ok(Ok(Seen::Held(seen))) => (Verdict::Ok, seen),
            Ok(Ok(Seen::Broken(seen))) => (Verdict::Failed, seen),
            Ok(Err(error)) => match error.downcast_ref::<Skip>() {
                Some(skip) => (Verdict::Skipped, skip.to_string()),
                None => (Verdict::Failed, format!("{error:#}")),
            },
            Err(_) => (Verdict::Failed, format!("nothing within {PATIENCE:?}")),
        };
        Outcome {
            area: self.area,
            case: self.name,
            expected: self.expected,
            seen,
            verdict,
        }
    }
}
