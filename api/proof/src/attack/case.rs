//! A case: one clause of the security contract, checked over HTTP.

use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use serde::Serialize;

use super::seen::{Seen, Skip};
use super::visitor::Visitor;

/// No case takes longer; the slowest one waits for a time-out of the service or for a rate limit.
const PATIENCE: Duration = Duration::from_mins(3);

type Check = Box<dyn for<'a> Fn(&'a Visitor<'a>) -> BoxFuture<'a, Result<Seen>> + Send + Sync>;

/// One check, with the result that the contract states.
pub(super) struct Case {
    pub(super) area: &'static str,
    pub(super) name: String,
    pub(super) expected: String,
    /// Whether no other case may run beside it, because it measures time or uses up a limit.
    pub(super) alone: bool,
    check: Check,
}

/// A case of an area that is named by [`Case::in_area`].
pub(super) fn case(
    name: impl Into<String>,
    expected: impl Into<String>,
    check: impl for<'a> Fn(&'a Visitor<'a>) -> BoxFuture<'a, Result<Seen>> + Send + Sync + 'static,
) -> Case {
    Case {
        area: "",
        name: name.into(),
        expected: expected.into(),
        alone: false,
        check: Box::new(check),
    }
}

/// The result of a case.
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
    /// The same case in this area.
    pub(super) fn in_area(mut self, area: &'static str) -> Case {
        self.area = area;
        self
    }

    /// The same case, to be run with no other beside it.
    pub(super) fn alone(mut self) -> Case {
        self.alone = true;
        self
    }

    /// Runs the check. Any error on the way is a failure too, because a service that cannot be reached breaks the contract.
    pub(super) async fn run(self, visitor: &Visitor<'_>) -> Outcome {
        let seen = tokio::time::timeout(PATIENCE, (self.check)(visitor)).await;
        let (verdict, seen) = match seen {
            Ok(Ok(Seen::Held(seen))) => (Verdict::Ok, seen),
            Ok(Ok(Seen::Broken(seen))) => (Verdict::Failed, seen),
            Ok(Err(error)) => match error.downcast_ref::<Skip>() {
                Some(skip) => (Verdict::Skipped, skip.to_string()),
                None => (Verdict::Failed, format!("{error:#}")),
            },
            Err(_) => (Verdict::Failed, format!("no result within {PATIENCE:?}")),
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
