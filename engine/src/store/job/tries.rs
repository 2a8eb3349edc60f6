//! The tries of jobs, as each job keeps them.

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::stripe::StripeCall;

/// A try of a job.
#[derive(Debug, Clone)]
pub(crate) struct Try {
    pub(crate) job: Uuid,
    pub(crate) call_key: String,
    pub(crate) number: i32,
    pub(crate) started_at: Option<OffsetDateTime>,
    pub(crate) ended_at: OffsetDateTime,
    pub(crate) worker: Option<String>,
    pub(crate) outcome: String,
    pub(crate) error: Option<String>,
    pub(crate) calls: Option<Json<Vec<StripeCall>>>,
    pub(crate) times: i32,
}

/// The tries of these jobs; those of a job in their order.
pub(crate) async fn tries(connection: &mut PgConnection, jobs: &[Uuid]) -> sqlx::Result<Vec<Try>> {
    sqlx::query_as!(
        Try,
        r#"select id as job, call_key, t.number as "number!", t.started_at, t.ended_at as "ended_at!", t.worker,
                  t.outcome as "outcome!", t.error, t.calls as "calls: Json<Vec<StripeCall>>", t.times as "times!"
           from job cross join lateral unnest(past_tries) with ordinality
                as t (number, started_at, ended_at, worker, outcome, error, calls, times, place)
           where id = any($1) order by id, t.place"#,
        jobs,
    )
    .fetch_all(connection)
    .await
}
