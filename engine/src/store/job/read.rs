//! The queries on jobs for the engine itself: the overdue ones, and the gauges.

use std::time::Duration;

use infra::postgres::interval;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

/// Ids of jobs that are due and were not claimed within `grace`, or whose lease ran out: the queue lost them, or their
/// worker died. At most `limit`, the oldest first.
pub(crate) async fn overdue(pool: &PgPool, grace: Duration, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"select id as "id!" from (
            (select id, due_at from job where state = 'queued' and due_at <= now() - $1::interval
               and not exists (select from queue_pause where queue_pause.kind = job.kind) order by due_at limit $2)
            union all
            (select id, lease_until as due_at from job where state = 'running' and lease_until <= now()
               and not exists (select from queue_pause where queue_pause.kind = job.kind) order by lease_until limit $2)
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
    /// Those of `queued` and `running` whose call may or may not have been executed.
    pub(crate) unknown: i64,
    pub(crate) dead: i64,
    /// How long the oldest job that no worker claimed has been due.
    pub(crate) oldest_due_seconds: f64,
    /// How long ago the oldest call whose outcome is unknown was first sent.
    pub(crate) oldest_unknown_seconds: f64,
}

/// Counts the jobs that are not done, each state up to 100,000, by the partial indexes: finished jobs cost nothing.
pub(crate) async fn standing(pool: &PgPool) -> sqlx::Result<Standing> {
    sqlx::query_as!(
        Standing,
        r#"select (select count(*) from (select 1 from job where state = 'queued' limit 100000) as q) as "queued!",
                  (select count(*) from (select 1 from job where state = 'running' limit 100000) as r) as "running!",
                  (select count(*) from (select 1 from job where unknown and state in ('queued', 'running')
                                         limit 100000) as u) as "unknown!",
                  (select count(*) from (select 1 from job where state = 'dead' limit 100000) as d) as "dead!",
                  (select coalesce(extract(epoch from now() - min(due_at)), 0)::float8
                   from job where state = 'queued' and due_at <= now()) as "oldest_due_seconds!",
                  (select coalesce(extract(epoch from now() - min(first_sent_at)), 0)::float8
                   from job where unknown and state in ('queued', 'running')) as "oldest_unknown_seconds!""#
    )
    .fetch_one(pool)
    .await
}

/// The ids of the jobs of a payment that are not done, the oldest first: its call, the calls of these refunds, and its resync.
/// Each kind is found by its unique index.
pub(crate) async fn open_ids(
    connection: &mut PgConnection,
    payment: Uuid,
    subjects: &[Uuid],
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"select id as "id!"
         from ((select id from job where payment_id = $1
                  and kind not in ('create_refund', 'update_dispute', 'close_dispute', 'resync') and state <> 'done')
               union all
               (select id from job where subject = any($2) and kind = 'create_refund' and state <> 'done')
               union all
               (select id from job where subject = any($2) and kind in ('update_dispute', 'close_dispute') and state <> 'done')
               union all
               (select id from job where payment_id = $1 and kind = 'resync' and state in ('queued', 'running'))) as open
         order by id"#,
        payment,
        subjects,
    )
    .fetch_all(connection)
    .await
}

/// The queued jobs of a kind.
#[derive(Debug, Clone)]
pub(crate) struct WaitingOfKind {
    pub(crate) kind: String,
    pub(crate) count: i64,
    pub(crate) oldest_due_at: Option<OffsetDateTime>,
}

/// How many jobs of each kind are queued, among the first 100,000 in the order in which they are due.
pub(crate) async fn waiting_of_kinds(pool: &PgPool) -> sqlx::Result<Vec<WaitingOfKind>> {
    sqlx::query_as!(
        WaitingOfKind,
        r#"select kind as "kind!", count(*) as "count!", min(due_at) as oldest_due_at
           from (select kind, due_at from job where state = 'queued' order by due_at limit 100000) as waiting group by kind"#
    )
    .fetch_all(pool)
    .await
}
