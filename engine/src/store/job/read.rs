//! The queries on jobs: the overdue ones, the lists that operators see, and the gauges.

use std::time::Duration;

use infra::postgres::interval;
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

/// Ids of jobs that are due and were not claimed within `grace`, or whose lease ran out: the queue lost them, or their
/// worker died. At most `limit`, the oldest first.
pub(crate) async fn overdue(pool: &PgPool, grace: Duration, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"select id as "id!" from (
            (select id, due_at from job where state = 'queued' and due_at <= now() - $1::interval order by due_at limit $2)
            union all
            (select id, lease_until as due_at from job where state = 'running' and lease_until <= now() order by lease_until limit $2)
         ) late order by due_at limit $2"#,
        interval(grace),
        limit,
    )
    .fetch_all(pool)
    .await
}

/// A job that was leased although its effect cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) id: Uuid,
    pub(crate) lease: Uuid,
    /// What is wrong with it.
    pub(crate) error: String,
}

/// The jobs that are not done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) queued: i64,
    pub(crate) running: i64,
    pub(crate) dead: i64,
    /// How long the oldest job that no worker claimed has been due.
    pub(crate) oldest_due_seconds: f64,
}

/// Counts the jobs that are not done, each state up to 100,000, by the partial indexes: finished jobs cost nothing.
pub(crate) async fn standing(pool: &PgPool) -> sqlx::Result<Standing> {
    sqlx::query_as!(
        Standing,
        r#"select (select count(*) from (select 1 from job where state = 'queued' limit 100000) as q) as "queued!",
                  (select count(*) from (select 1 from job where state = 'running' limit 100000) as r) as "running!",
                  (select count(*) from (select 1 from job where state = 'dead' limit 100000) as d) as "dead!",
                  (select coalesce(extract(epoch from now() - min(due_at)), 0)::float8
                   from job where state = 'queued' and due_at <= now()) as "oldest_due_seconds!""#
    )
    .fetch_one(pool)
    .await
}

/// A job as operators see it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) id: Uuid,
    pub(crate) payment_id: Uuid,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) tries: i32,
    pub(crate) picks: i32,
    pub(crate) error: Option<String>,
    pub(crate) due_at: OffsetDateTime,
    pub(crate) created_at: OffsetDateTime,
}

/// Jobs of an account in a state, newest first, below `before`.
pub(crate) async fn list(
    pool: &PgPool,
    account: Uuid,
    state: &str,
    before: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as!(
        Listed,
        "select j.id, j.payment_id, j.kind, j.state, j.tries, j.picks, j.error, j.due_at, j.created_at
         from job j join payment p on p.id = j.payment_id
         where j.state = $1 and j.id < $2 and p.account_id = $4 order by j.id desc limit $3",
        state,
        before.unwrap_or(Uuid::max()),
        limit,
        account,
    )
    .fetch_all(pool)
    .await
}
