//! Jobs that deliver events to merchants: taken by hands of their own, in turn from all endpoints that have some.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{Claimed, ClaimedRow, interval};

/// How many jobs an endpoint may have taken now, where it is not the usual number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) endpoint: Uuid,
    pub(crate) jobs: i64,
    /// It failed last: its jobs come after those of others.
    pub(crate) failing: bool,
}

/// Takes deliveries that are due or whose lease ran out, at most `limit` and of each endpoint at most `usual` or what
/// `rooms` says.
///
/// It goes from endpoint to endpoint along the index, so that the line of one that is slow is not read, however long it
/// is.
pub(crate) async fn claim_deliveries(
    pool: &PgPool,
    rooms: &[Room],
    usual: i64,
    limit: i64,
    lease: Duration,
) -> sqlx::Result<Vec<Claimed>> {
    let endpoints: Vec<Uuid> = rooms.iter().map(|room| room.endpoint).collect();
    let jobs: Vec<i64> = rooms.iter().map(|room| room.jobs).collect();
    let failing: Vec<bool> = rooms.iter().map(|room| room.failing).collect();
    sqlx::query_as!(
        ClaimedRow,
        r#"with recursive turn (endpoint_id) as (
            (select endpoint_id from job where state = 'queued' and kind = 'deliver_webhook' order by endpoint_id limit 1)
            union all
            select (select job.endpoint_id from job where state = 'queued' and kind = 'deliver_webhook'
                    and job.endpoint_id > turn.endpoint_id order by job.endpoint_id limit 1)
            from turn where turn.endpoint_id is not null
         ), room as (
            select turn.endpoint_id, coalesce(t.jobs, $4) as jobs, coalesce(t.failing, false) as failing
            from turn left join unnest($1::uuid[], $2::int8[], $3::bool[]) as t (endpoint_id, jobs, failing) using (endpoint_id)
            where turn.endpoint_id is not null
         ), due as (
            select waiting.id, waiting.due_at, room.failing from room cross join lateral (
                select id, due_at from job where state = 'queued' and kind = 'deliver_webhook'
                and job.endpoint_id = room.endpoint_id and due_at <= now()
                order by due_at limit room.jobs) as waiting
            union all
            select id, lease_until, true from job where state = 'running' and kind = 'deliver_webhook' and lease_until <= now()
            order by failing, due_at limit $5
         ), taken as (
            select job.id from job join due on due.id = job.id
            where (state = 'queued' and job.due_at <= now()) or (state = 'running' and lease_until <= now())
            order by job.id for update of job skip locked
         )
         update job set state = 'running', lease = gen_random_uuid(), lease_until = now() + $6,
                picks = picks + 1, first_sent_at = coalesce(first_sent_at, now())
         from taken where job.id = taken.id
         returning job.id, lease as "lease!", payment_id, subject, kind, args, tries, picks, call_key, unknown,
                   extract(epoch from now() - first_sent_at)::float8 as "key_age!""#,
        &endpoints,
        &jobs,
        &failing,
        usual,
        limit,
        interval(lease),
    )
    .fetch_all(pool)
    .await?
    .into_iter()
    .map(ClaimedRow::read)
    .collect()
}

/// Makes sure that a delivery has a job that is due now: one that waits is brought forward, one that is dead is revived,
/// one that runs is left alone.
pub(crate) async fn deliver_again(
    connection: &mut PgConnection,
    id: Uuid,
    delivery: Uuid,
    endpoint: Uuid,
    payment: Uuid,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into job (id, payment_id, subject, endpoint_id, kind, state, due_at, call_key, created_at)
         values ($1, $4, $2, $3, 'deliver_webhook', 'queued', now(), 'pawl-' || $1::uuid, now())
         on conflict (subject) where kind = 'deliver_webhook' and state <> 'done'
         do update set state = 'queued', due_at = now(), picks = job.tries, unknown = false
         where job.state in ('queued', 'dead')",
        id,
        delivery,
        endpoint,
        payment,
    )
    .execute(connection)
    .await?;
    Ok(())
}
