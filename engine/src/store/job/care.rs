//! Looking after jobs: those that were lost, those that kill, those that wait for a person, and those long done.

use std::time::Duration;

use infra::postgres::interval;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

/// How many times a job may be taken without ever ending in an answer or an error before it is set aside:
/// a job that kills its process must not kill the next one for ever.
const PICKS_WITHOUT_TRY: i32 = 20;

/// Ids of jobs that are due and that nobody took within the grace, or whose lease ran out: the carrier lost them, or
/// their worker died. At most `limit`, the oldest first.
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

/// Sets aside jobs that were taken too often without an end: each of them may have killed its process.
pub(crate) async fn quarantine(pool: &PgPool) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "update job set state = 'dead', lease = null, lease_until = null, unknown = true,
                error = 'taken ' || picks || ' times without an end: it may kill its process'
         where id in
            (select id from job where state = 'running' and lease_until <= now() and picks - tries > $1
             for update skip locked)",
        PICKS_WITHOUT_TRY,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// How many jobs there are that somebody must still do something about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) queued: i64,
    pub(crate) running: i64,
    pub(crate) dead: i64,
    /// How long ago the oldest job that nobody took was due.
    pub(crate) oldest_due_seconds: f64,
}

/// Counts what is open, each up to 100,000, by the partial indexes: finished work costs nothing.
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

/// Puts a dead job of an account back in the queue, with the key it always had; false when it is not dead. Its outcome
/// stays unknown, so the worker looks before it sends a key that may be too old.
pub(crate) async fn revive(
    connection: &mut PgConnection,
    account: Uuid,
    id: Uuid,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update job j set state = 'queued', due_at = now(), picks = tries from payment p
         where j.id = $1 and j.state = 'dead' and p.id = j.payment_id and p.account_id = $2",
        id,
        account,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets finished jobs older than a week, at most `limit`. Ids grow with time, so the oldest are found at the start
/// of the primary key.
pub(crate) async fn forget_old(connection: &mut PgConnection, limit: i64) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from job where id in
            (select id from job where state = 'done' and finished_at < now() - interval '7 days' order by id limit $1)",
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
