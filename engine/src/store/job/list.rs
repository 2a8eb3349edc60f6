//! The jobs that operators list, count and group.
//!
//! Each state has a statement of its own, which reads the index of that state. What a filter leaves out is read all the same,
//! but no more than the jobs that are not done, or a bounded number of the done ones.

use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::visible::JobState;

/// How many of the newest done jobs a filter is applied to, and how many jobs of each state are counted one by one.
pub(crate) const EXAMINED: i64 = 10_000;

/// Which jobs are listed. Each condition that is absent is met by all.
#[derive(Debug, Clone)]
pub(crate) struct Criteria<'a> {
    pub(crate) account: Option<Uuid>,
    pub(crate) kind: Option<&'a str>,
    pub(crate) error_class: Option<&'a str>,
    /// A part of the error, in any case.
    pub(crate) error: Option<&'a str>,
    /// Only ids above this one, and below that one.
    pub(crate) above: Uuid,
    pub(crate) below: Uuid,
}

/// The ids of jobs in a state, at most `limit`: those that wait in the order in which they are due, behind `after`; all others
/// the newest first, below `after`.
pub(crate) async fn ids(
    connection: &mut PgConnection,
    state: JobState,
    criteria: &Criteria<'_>,
    after: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Uuid>> {
    let mut criteria = criteria.clone();
    if state != JobState::Queued {
        criteria.below = criteria.below.min(after.unwrap_or(Uuid::max()));
    }
    match (state, criteria.error_class) {
        (JobState::Queued, _) => queued(connection, &criteria, after, limit).await,
        (JobState::Running, _) => running(connection, &criteria, limit).await,
        (JobState::Unknown, _) => unknown(connection, &criteria, limit).await,
        (JobState::Dead, Some(class)) => dead_of_class(connection, &criteria, class, limit).await,
        (JobState::Dead, None) => dead(connection, &criteria, limit).await,
        (JobState::Done, _) => done(connection, &criteria, limit).await,
    }
}

async fn queued(
    connection: &mut PgConnection,
    criteria: &Criteria<'_>,
    after: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from job
         where state = 'queued' and not unknown
           and ($8::uuid is null or (due_at, id) > ((select due_at from job where id = $8), $8))
           and case when id > $5 and id < $6 and ($1::text is null or kind = $1) and ($2::text is null or error_class = $2)
                         and ($3::text is null or strpos(lower(error), lower($3)) > 0)
                         and ($4::uuid is null or exists (select from payment p where p.id = payment_id and p.account_id = $4))
                    then true else false end
         order by due_at, id limit $7",
        criteria.kind,
        criteria.error_class,
        criteria.error,
        criteria.account,
        criteria.above,
        criteria.below,
        limit,
        after,
    )
    .fetch_all(connection)
    .await
}

async fn running(
    connection: &mut PgConnection,
    criteria: &Criteria<'_>,
    limit: i64,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from job
         where state = 'running' and not unknown
           and case when id > $5 and id < $6 and ($1::text is null or kind = $1) and ($2::text is null or error_class = $2)
                         and ($3::text is null or strpos(lower(error), lower($3)) > 0)
                         and ($4::uuid is null or exists (select from payment p where p.id = payment_id and p.account_id = $4))
                    then true else false end
         order by id desc limit $7",
        criteria.kind,
        criteria.error_class,
        criteria.error,
        criteria.account,
        criteria.above,
        criteria.below,
        limit,
    )
    .fetch_all(connection)
    .await
}

async fn unknown(
    connection: &mut PgConnection,
    criteria: &Criteria<'_>,
    limit: i64,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from job
         where unknown and state in ('queued', 'running')
           and case when id > $5 and id < $6 and ($1::text is null or kind = $1) and ($2::text is null or error_class = $2)
                         and ($3::text is null or strpos(lower(error), lower($3)) > 0)
                         and ($4::uuid is null or exists (select from payment p where p.id = payment_id and p.account_id = $4))
                    then true else false end
         order by id desc limit $7",
        criteria.kind,
        criteria.error_class,
        criteria.error,
        criteria.account,
        criteria.above,
        criteria.below,
        limit,
    )
    .fetch_all(connection)
    .await
}

async fn dead(
    connection: &mut PgConnection,
    criteria: &Criteria<'_>,
    limit: i64,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from job
         where state = 'dead' and id > $4 and id < $5
           and case when ($1::text is null or kind = $1) and ($2::text is null or strpos(lower(error), lower($2)) > 0)
                         and ($3::uuid is null or exists (select from payment p where p.id = payment_id and p.account_id = $3))
                    then true else false end
         order by id desc limit $6",
        criteria.kind,
        criteria.error,
        criteria.account,
        criteria.above,
        criteria.below,
        limit,
    )
    .fetch_all(connection)
    .await
}

async fn dead_of_class(
    connection: &mut PgConnection,
    criteria: &Criteria<'_>,
    class: &str,
    limit: i64,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from job
         where state = 'dead' and error_class = $7 and id > $4 and id < $5
           and case when ($1::text is null or kind = $1) and ($2::text is null or strpos(lower(error), lower($2)) > 0)
                         and ($3::uuid is null or exists (select from payment p where p.id = payment_id and p.account_id = $3))
                    then true else false end
         order by error_class desc, id desc limit $6",
        criteria.kind,
        criteria.error,
        criteria.account,
        criteria.above,
        criteria.below,
        limit,
        class,
    )
    .fetch_all(connection)
    .await
}

/// Of the newest [`EXAMINED`] done jobs below the cursor: there are millions of them, and most have no error.
async fn done(
    connection: &mut PgConnection,
    criteria: &Criteria<'_>,
    limit: i64,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from (select id, payment_id, kind, state, error, error_class from job where id > $5 and id < $6 order by id desc limit $8) as newest
         where state = 'done' and ($1::text is null or kind = $1) and ($2::text is null or error_class = $2)
           and ($3::text is null or strpos(lower(error), lower($3)) > 0)
           and ($4::uuid is null or exists (select from payment p where p.id = payment_id and p.account_id = $4))
         order by id desc limit $7",
        criteria.kind,
        criteria.error_class,
        criteria.error,
        criteria.account,
        criteria.above,
        criteria.below,
        limit,
        EXAMINED,
    )
    .fetch_all(connection)
    .await
}

/// A job as operators see it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) id: Uuid,
    pub(crate) account_id: Uuid,
    pub(crate) payment_id: Uuid,
    /// The payment, attempt or refund that it is about.
    pub(crate) subject: Uuid,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) effect: Value,
    /// The transaction that wrote the row last: it changes with every change of the row.
    pub(crate) version: i64,
    pub(crate) tries: i32,
    pub(crate) picks: i32,
    pub(crate) error: Option<String>,
    pub(crate) error_class: Option<String>,
    pub(crate) unknown: bool,
    pub(crate) call_key: String,
    pub(crate) first_sent_at: Option<OffsetDateTime>,
    pub(crate) worker: Option<String>,
    pub(crate) started_at: Option<OffsetDateTime>,
    pub(crate) lease_until: Option<OffsetDateTime>,
    pub(crate) due_at: OffsetDateTime,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) finished_at: Option<OffsetDateTime>,
}

impl Listed {
    /// The arguments of its effect: the effect without its kind, and of evidence the names of its fields alone, because its
    /// texts are about a customer.
    pub(crate) fn arguments(&self) -> Value {
        let mut arguments = self.effect.clone();
        if let Some(object) = arguments.as_object_mut() {
            object.remove("kind");
        }
        if let Some(evidence) = arguments.get_mut("evidence") {
            let names = evidence.as_object().into_iter().flat_map(|it| it.keys());
            *evidence = names.cloned().collect();
        }
        arguments
    }
}

/// These jobs, in the order of their ids here. One whose payment does not exist is left out.
pub(crate) async fn rows(connection: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as!(
        Listed,
        r#"select j.id, p.account_id, j.payment_id, j.subject, coalesce(j.kind, 'unknown') as "kind!", j.state, j.effect,
                  j.xmin::text::bigint as "version!", j.tries, j.picks, j.error, j.error_class, j.unknown, j.call_key,
                  j.first_sent_at, j.worker, j.started_at, j.lease_until, j.due_at, j.created_at, j.finished_at
           from unnest($1::uuid[]) with ordinality as wanted (id, place)
           join job j on j.id = wanted.id join payment p on p.id = j.payment_id
           order by wanted.place"#,
        ids,
    )
    .fetch_all(connection)
    .await
}

/// The ids of all jobs of a payment, the oldest first, and of no more than 200.
pub(crate) async fn of_payment(
    connection: &mut PgConnection,
    payment: Uuid,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"select id as "id!" from (
            select id from job where payment_id = $1 and state in ('done', 'dead')
            union select id from job where payment_id = $1
                  and kind not in ('create_refund', 'update_dispute', 'close_dispute', 'resync') and state <> 'done'
            union select id from job where payment_id = $1 and kind = 'resync' and state in ('queued', 'running')
            union select j.id from refund r join job j on j.subject = r.id
                  where r.payment_id = $1 and j.kind = 'create_refund' and j.state <> 'done'
            union select j.id from dispute d join job j on j.subject = d.id
                  where d.payment_id = $1 and j.kind in ('update_dispute', 'close_dispute') and j.state <> 'done'
         ) as theirs order by id limit 200"#,
        payment,
    )
    .fetch_all(connection)
    .await
}

/// How many jobs of a state were examined, how many of them meet the criteria, and about how many there are in all.
#[derive(Debug, Clone)]
pub(crate) struct Count {
    pub(crate) state: String,
    pub(crate) examined: i64,
    pub(crate) matching: i64,
    pub(crate) about: f64,
}

/// Counts the jobs of each state that meet the criteria, among the newest or the next [`EXAMINED`] of the state.
pub(crate) async fn counts(
    connection: &mut PgConnection,
    criteria: &Criteria<'_>,
) -> sqlx::Result<Vec<Count>> {
    sqlx::query_as!(
        Count,
        r#"with examined as (
            (select 'queued' as state, id, payment_id, kind, error, error_class from job where state = 'queued' and not unknown order by due_at limit $7)
            union all
            (select 'running', id, payment_id, kind, error, error_class from job where state = 'running' and not unknown order by lease_until limit $7)
            union all
            (select 'unknown', id, payment_id, kind, error, error_class from job
             where unknown and state in ('queued', 'running') order by first_sent_at limit $7)
            union all
            (select 'dead', id, payment_id, kind, error, error_class from job where state = 'dead' order by id desc limit $7)
            union all
            (select 'done', id, payment_id, kind, error, error_class from
                (select * from job where id > $5 and id < $6 order by id desc limit $7) as newest where state = 'done'))
         select state as "state!", count(*) as "examined!",
                count(*) filter (where id > $5 and id < $6 and ($1::text is null or kind = $1)
                    and ($2::text is null or error_class = $2) and ($3::text is null or strpos(lower(error), lower($3)) > 0)
                    and ($4::uuid is null or exists (select from payment p where p.id = payment_id and p.account_id = $4))) as "matching!",
                (select greatest(reltuples, 0)::float8 from pg_class
                 where oid = (case state when 'queued' then 'job_due' when 'running' then 'job_leased' when 'unknown' then 'job_unknown'
                                         when 'dead' then 'job_dead' else 'job' end)::regclass) as "about!"
         from examined group by state"#,
        criteria.kind,
        criteria.error_class,
        criteria.error,
        criteria.account,
        criteria.above,
        criteria.below,
        EXAMINED,
    )
    .fetch_all(connection)
    .await
}

/// The dead jobs of a class of errors.
#[derive(Debug, Clone)]
pub(crate) struct ErrorGroup {
    pub(crate) error_class: String,
    pub(crate) count: i64,
    pub(crate) error: String,
    pub(crate) kind: String,
    pub(crate) newest: Uuid,
}

/// The classes of the errors of dead jobs, the most frequent first, of an account or of all; at most 100.
pub(crate) async fn error_groups(
    connection: &mut PgConnection,
    account: Option<Uuid>,
) -> sqlx::Result<Vec<ErrorGroup>> {
    sqlx::query_as!(
        ErrorGroup,
        r#"select g.error_class as "error_class!", g.count as "count!", newest.error as "error!", newest.kind as "kind!",
                  newest.id as "newest!"
           from (select error_class, count(*) as count from job
                 where state = 'dead' and error_class is not null
                   and ($1::uuid is null or exists (select from payment p where p.id = payment_id and p.account_id = $1))
                 group by error_class order by count(*) desc limit 100) as g
           cross join lateral (select id, error, kind from job
                               where state = 'dead' and error_class = g.error_class
                                 and ($1::uuid is null or exists (select from payment p where p.id = payment_id and p.account_id = $1))
                               order by id desc limit 1) as newest
           order by g.count desc"#,
        account,
    )
    .fetch_all(connection)
    .await
}
