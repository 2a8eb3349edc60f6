//! Jobs as operators read them.

use contracts::id::JobId;
use contracts::operations::{ErrorGroupView, JobCount, JobDetail, JobView};
use infra::postgres;
use time::OffsetDateTime;
use uuid::Uuid;

use super::render::{try_view, view};
use super::{Scope, retry};
use crate::store::job;
use crate::store::job::JobState;
use crate::{Engine, Error, store};

/// Which jobs are listed, counted or acted on: those that meet every condition that is set.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only those that do this: `create_intent`, …
    pub kind: Option<String>,
    /// Only those whose error has this class.
    pub error_class: Option<String>,
    /// Only those whose error contains this, in any case.
    pub error: Option<String>,
    /// Only those of this payment.
    pub payment: Option<Uuid>,
    /// Only those written at or after the first moment, and before the second.
    pub created: (Option<OffsetDateTime>, Option<OffsetDateTime>),
}

impl JobFilter {
    fn criteria(&self, scope: Scope) -> job::Criteria<'_> {
        let (from, to) = self.created;
        job::Criteria {
            account: scope.account(),
            kind: self.kind.as_deref(),
            error_class: self.error_class.as_deref(),
            error: self.error.as_deref(),
            above: from.map_or(Uuid::nil(), store::earliest_id),
            below: to.map_or(Uuid::max(), store::earliest_id),
        }
    }

    fn admits(&self, row: &job::Listed) -> bool {
        let (from, to) = self.created;
        let lower = |text: &str| text.to_lowercase();
        self.kind.as_ref().is_none_or(|kind| *kind == row.kind)
            && (self.error_class.is_none() || self.error_class == row.error_class)
            && self.error.as_ref().is_none_or(|part| {
                let error = row.error.as_deref().map(lower);
                error.is_some_and(|error| error.contains(&lower(part)))
            })
            && from.is_none_or(|from| row.created_at >= from)
            && to.is_none_or(|to| row.created_at < to)
    }
}

impl Engine {
    /// Jobs in a state, and whether there are more: those that are queued in the order in which they are due, all others the
    /// newest first. The page begins behind `after`. Of the done jobs only the newest 10,000 below the cursor are read.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn jobs(
        &self,
        scope: Scope,
        state: JobState,
        filter: &JobFilter,
        after: Option<Uuid>,
        limit: u16,
    ) -> Result<(Vec<JobView>, bool), Error> {
        let rows = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            if let Some(payment) = filter.payment {
                let mut ids = job::of_payment(&mut connection, payment).await?;
                ids.reverse();
                let mut rows = job::rows(&mut connection, &ids).await?;
                rows.retain(|row| {
                    scope.holds(row.account_id)
                        && row.visible_state() == state.as_str()
                        && after.is_none_or(|after| row.id < after)
                        && filter.admits(row)
                });
                return Ok(rows);
            }
            let criteria = filter.criteria(scope);
            let ids = job::ids(
                &mut connection,
                state,
                &criteria,
                after,
                i64::from(limit) + 1,
            );
            let ids = ids.await?;
            job::rows(&mut connection, &ids).await
        });
        let mut rows = rows.await?;
        let more = rows.len() > usize::from(limit);
        rows.truncate(usize::from(limit));
        Ok((rows.iter().map(view).collect(), more))
    }

    /// A job with its arguments, its tries and what a retry would do.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn job(&self, scope: Scope, id: Uuid) -> Result<JobDetail, Error> {
        let found = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            let rows = job::rows(&mut connection, &[id]).await?;
            let tries = job::tries(&mut connection, &[id]).await?;
            Ok(rows.into_iter().next().map(|row| (row, tries)))
        });
        let (row, tries) = found.await?.ok_or(Error::NotFound)?;
        if !scope.holds(row.account_id) {
            return Err(Error::NotFound);
        }
        Ok(JobDetail {
            job: view(&row),
            arguments: row.arguments(),
            idempotency_key: row.call_key.clone(),
            first_sent_at: row.first_sent_at,
            worker: row.worker.clone(),
            lease_until: row.lease_until,
            retry: retry::preview(&row, OffsetDateTime::now_utc()),
            log: tries.iter().map(try_view).collect(),
        })
    }

    /// How many jobs in each state meet the filter. A number is exact up to 10,000 jobs in the state; above that it is the
    /// share of those that meet it among 10,000, times the number that Postgres estimates.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn job_counts(
        &self,
        scope: Scope,
        filter: &JobFilter,
    ) -> Result<Vec<JobCount>, Error> {
        let state_names = JobState::ALL.iter().map(|state| state.as_str());
        if let Some(payment) = filter.payment {
            let rows = postgres::within(async {
                let mut connection = self.inner.pool.acquire().await?;
                let ids = job::of_payment(&mut connection, payment).await?;
                job::rows(&mut connection, &ids).await
            });
            let mut rows = rows.await?;
            rows.retain(|row| scope.holds(row.account_id) && filter.admits(row));
            let count = |state: &str| {
                rows.iter()
                    .filter(|row| row.visible_state() == state)
                    .count()
            };
            return Ok(state_names
                .map(|state| JobCount {
                    state: state.to_owned(),
                    count: i64::try_from(count(state)).unwrap_or(i64::MAX),
                    exact: true,
                })
                .collect());
        }
        let counts = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            job::counts(&mut connection, &filter.criteria(scope)).await
        });
        let counts = counts.await?;
        Ok(state_names
            .map(|state| {
                let counted = counts.iter().find(|count| count.state == state);
                counted.map_or_else(
                    || JobCount {
                        state: state.to_owned(),
                        count: 0,
                        exact: true,
                    },
                    job::Count::estimate,
                )
            })
            .collect())
    }

    /// The dead jobs by the class of their error, the most frequent first; at most 100 classes.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn job_errors(&self, scope: Scope) -> Result<Vec<ErrorGroupView>, Error> {
        let groups = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            job::error_groups(&mut connection, scope.account()).await
        });
        let groups = groups.await?.into_iter().map(|group| ErrorGroupView {
            error_class: group.error_class,
            count: group.count,
            error: group.error,
            kind: group.kind,
            newest_job_id: JobId::from_uuid(group.newest),
        });
        Ok(groups.collect())
    }
}

impl job::Count {
    fn estimate(&self) -> JobCount {
        let exact = self.examined < job::EXAMINED;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "an estimate"
        )]
        let estimate = (self.matching as f64 / self.examined.max(1) as f64 * self.about) as i64;
        JobCount {
            state: self.state.clone(),
            count: if exact {
                self.matching
            } else {
                estimate.max(self.matching)
            },
            exact,
        }
    }
}
