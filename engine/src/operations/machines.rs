//! The machines, and how many payments are in each status.

use contracts::operations::{MachineView, RuleView, StatusCount};
use infra::postgres;
use workflows::edges;
use workflows::payment::Status;

use super::Scope;
use crate::store::payment::find;
use crate::{Engine, Error};

impl Engine {
    /// The rules of every machine, from the code.
    #[must_use]
    pub fn machines() -> Vec<MachineView> {
        let machines = edges::Machine::ALL.iter().map(|machine| MachineView {
            machine: machine.as_str().to_owned(),
            object: "machine".into(),
            rules: edges::rules(*machine).into_iter().map(rule).collect(),
        });
        machines.collect()
    }

    /// How many payments are in each status. For all accounts with more than 10,000 payments the numbers are those of
    /// Postgres' statistics; otherwise, the newest 10,000 payments are counted.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn status_counts(&self, scope: Scope) -> Result<Vec<StatusCount>, Error> {
        let counted = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            let (examined, counted) = find::counts(&mut connection, scope.account()).await?;
            let exact = examined < find::EXAMINED;
            if exact || scope.account().is_some() {
                return Ok((counted, exact));
            }
            Ok((find::statuses(&mut connection).await?, false))
        });
        let (counted, exact) = counted.await?;
        let counts = Status::ALL.iter().map(|status| {
            let status = status.as_str();
            let found = counted.iter().find(|(name, _)| name == status);
            StatusCount {
                status: status.to_owned(),
                count: found.map_or(0, |(_, count)| *count),
                exact,
            }
        });
        Ok(counts.collect())
    }
}

fn rule(row: edges::Row) -> RuleView {
    RuleView {
        id: row.id.to_owned(),
        from: row.from.into_iter().map(str::to_owned).collect(),
        kind: row.kind.to_owned(),
        to: row.to.map(|to| to.into_iter().map(str::to_owned).collect()),
        driven_by: row.driven_by.to_owned(),
    }
}
