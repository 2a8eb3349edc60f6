//! The queries on jobs: the overdue ones, the lists that operators see, and the gauges.

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

/// A job as operators see it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) id: Uuid,
    pub(crate) payment_id: Uuid,
    /// The payment, attempt or refund that it is about.
    pub(crate) subject: Uuid,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) tries: i32,
    pub(crate) picks: i32,
    /// Its call may or may not have been executed.
    pub(crate) unknown: bool,
    pub(crate) first_sent_at: Option<OffsetDateTime>,
    pub(crate) error: Option<String>,
    pub(crate) due_at: OffsetDateTime,
    pub(crate) created_at: OffsetDateTime,
}

/// Jobs of an account in a state, newest first, below `before`. The state `unknown` is that of the queued and running
/// jobs whose call may or may not have been executed; `queued` and `running` are those of the others.
pub(crate) async fn list(
    pool: &PgPool,
    account: Uuid,
    state: &str,
    before: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as!(
        Listed,
        "select j.id, j.payment_id, j.subject, j.kind, j.state, j.tries, j.picks, j.unknown, j.first_sent_at, j.error,
                j.due_at, j.created_at
         from job j join payment p on p.id = j.payment_id
         where case when j.unknown and j.state in ('queued', 'running') then 'unknown' else j.state end = $1
           and j.id < $2 and p.account_id = $4 order by j.id desc limit $3",
        state,
        before.unwrap_or(Uuid::max()),
        limit,
        account,
    )
    .fetch_all(pool)
    .await
}

/// The jobs of a payment that are not done, the oldest first: its call, the calls of these refunds, and its resync. Each
/// kind is found by its unique index.
pub(crate) async fn open_of(
    connection: &mut PgConnection,
    payment: Uuid,
    refunds: &[Uuid],
) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as!(
        Listed,
        r#"select id as "id!", payment_id as "payment_id!", subject as "subject!", kind as "kind!", state as "state!",
                tries as "tries!", picks as "picks!", unknown as "unknown!", first_sent_at, error,
                due_at as "due_at!", created_at as "created_at!"
         from ((select * from job where payment_id = $1 and kind not in ('create_refund', 'resync') and state <> 'done')
               union all
               (select * from job where subject = any($2) and kind = 'create_refund' and state <> 'done')
               union all
               (select * from job where payment_id = $1 and kind = 'resync' and state in ('queued', 'running'))) as open
         order by id"#,
        payment,
        refunds,
    )
    .fetch_all(connection)
    .await
}
