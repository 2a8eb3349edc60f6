//! Tables `delivery`, `delivery_try` and `webhook_sequence`: events for merchants' endpoints, and the log of their tries.
//! Every write is here; the queries of merchants and of the delivery worker are in `read`.

mod read;

use std::collections::HashSet;
use std::time::Duration;

use contracts::webhook::{DeliveryStatus, TEST_EVENT};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

pub(crate) use read::{
    Listed, ListedTry, Request, Target, TryOfPayment, backlog, failed, find, page, read, requests,
    tries, tries_of_payment,
};

/// How many times a delivery may be claimed without the end of a try before it is set aside: a delivery that kills its
/// process must not kill the next one for ever.
const PICKS_WITHOUT_TRY: i32 = 20;

/// The failed tries after which the schedule has no other.
const ONE_TRY: i32 = 7;

/// A transition that is delivered to the endpoints of its merchant.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) account: Uuid,
    pub(crate) payment: Uuid,
    pub(crate) version: i64,
    /// The outcome: `payment.succeeded`.
    pub(crate) r#type: &'static str,
}

/// How many more deliveries of an endpoint may be claimed, where that is not the usual number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) endpoint: Uuid,
    pub(crate) free: i64,
    /// Its last delivery failed: those of other endpoints are claimed first.
    pub(crate) failing: bool,
}

/// A delivery that belongs to a worker until its lease runs out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claimed {
    pub(crate) id: Uuid,
    /// The token without which it cannot be finished.
    pub(crate) lease: Uuid,
    pub(crate) endpoint: Uuid,
    /// Its failed tries so far by the schedule.
    pub(crate) failures: i32,
}

/// A call that was made.
#[derive(Debug, Clone)]
pub(crate) struct Try {
    pub(crate) started_at: OffsetDateTime,
    pub(crate) duration_ms: i32,
    pub(crate) code: Option<i32>,
    pub(crate) error: Option<String>,
    pub(crate) response_body: Option<String>,
}

/// The end of a claim: the delivery's next status, and the call if one was made.
#[derive(Debug, Clone)]
pub(crate) struct Finish {
    pub(crate) id: Uuid,
    pub(crate) lease: Uuid,
    pub(crate) status: DeliveryStatus,
    /// The pause before the next try, while it is pending.
    pub(crate) retry_after: Duration,
    pub(crate) call: Option<Try>,
}

/// Adds a delivery for each enabled endpoint that asked for the event. Events of one payment must come in the order of
/// their versions, under the lock of its row, so that its deliveries are numbered without a gap.
pub(crate) async fn add(
    connection: &mut PgConnection,
    events: &[Event],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let payments: Vec<Uuid> = events.iter().map(|event| event.payment).collect();
    let versions: Vec<i64> = events.iter().map(|event| event.version).collect();
    let accounts: Vec<Uuid> = events.iter().map(|event| event.account).collect();
    let types: Vec<&str> = events.iter().map(|event| event.r#type).collect();
    // `offset 0` keeps the planner from flattening the sub-select: it is then run for each event, by the index of an
    // account's enabled endpoints; flattened, it would read all endpoints.
    sqlx::query!(
        "with wanted as (
            select payment_id, version, account_id, type, endpoint_id,
                   coalesce((select last from webhook_sequence s
                             where s.endpoint_id = endpoint.endpoint_id and s.payment_id = event.payment_id), 0)
                   + row_number() over (partition by endpoint_id, payment_id order by version) as sequence
            from unnest($1::uuid[], $2::int8[], $3::uuid[], $4::text[]) as event (payment_id, version, account_id, type)
            cross join lateral (
                select id as endpoint_id from webhook_endpoint
                where account_id = event.account_id and status = 'enabled'
                and enabled_events && array['*', split_part(event.type, '.', 1) || '.*', event.type]
                offset 0) as endpoint
         ), counted as (
            insert into webhook_sequence (endpoint_id, payment_id, last)
            select endpoint_id, payment_id, max(sequence) from wanted group by endpoint_id, payment_id
            on conflict (endpoint_id, payment_id) do update set last = excluded.last
         )
         insert into delivery (id, endpoint_id, account_id, payment_id, version, type, sequence, status, next_try_at, created_at)
         select uuid_v7(), endpoint_id, account_id, payment_id, version, type, sequence, 'pending', now(), $5 from wanted",
        &payments,
        &versions,
        &accounts,
        &types as &[&str],
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds a test event that is due now and tried once, or finds the one that waits already; returns its id. It is about a
/// payment that does not exist, so that no receiver takes it for one of its own.
pub(crate) async fn add_test(
    connection: &mut PgConnection,
    account: Uuid,
    endpoint: Uuid,
) -> sqlx::Result<Uuid> {
    sqlx::query_scalar!(
        r#"with waiting as (
            select id from delivery where endpoint_id = $2 and status = 'pending' and type = $3 order by id limit 1
         ), added as (
            insert into delivery (id, endpoint_id, account_id, payment_id, version, type, sequence, status, next_try_at, created_at, failures)
            select uuid_v7(), $2, $1, uuid_v7(), 1, $3, 1, 'pending', now(), now(), $4
            where not exists (select from waiting)
            returning id
         )
         select id as "id!" from waiting union all select id from added"#,
        account,
        endpoint,
        TEST_EVENT,
        ONE_TRY,
    )
    .fetch_one(connection)
    .await
}

/// Claims deliveries that are due or whose lease ran out: at most `limit`, and of each endpoint at most `usual`, or the
/// number in `capacities`.
///
/// It goes from endpoint to endpoint along an index, so that the backlog of a slow endpoint is not read, however long it
/// is.
pub(crate) async fn claim(
    pool: &PgPool,
    capacities: &[Capacity],
    usual: i64,
    limit: i64,
    lease: Duration,
) -> sqlx::Result<Vec<Claimed>> {
    let endpoints: Vec<Uuid> = capacities.iter().map(|it| it.endpoint).collect();
    let free: Vec<i64> = capacities.iter().map(|it| it.free).collect();
    let failing: Vec<bool> = capacities.iter().map(|it| it.failing).collect();
    // endpoint: those with a waiting delivery, each found by one descent of the index.
    // capacity: how many deliveries of each may be claimed.
    // candidate: the oldest due deliveries of each, and those that their worker left; failing endpoints come last.
    // locked: those that no other worker claims at this moment and that are still free.
    sqlx::query_as!(
        Claimed,
        r#"with recursive endpoint (id) as (
            (select endpoint_id from delivery where status = 'pending' and lease is null order by endpoint_id limit 1)
            union all
            select (select endpoint_id from delivery where status = 'pending' and lease is null
                    and endpoint_id > endpoint.id order by endpoint_id limit 1)
            from endpoint where endpoint.id is not null
         ), capacity as (
            select id as endpoint_id, coalesce(known.free, $4) as free, coalesce(known.failing, false) as failing
            from endpoint left join unnest($1::uuid[], $2::int8[], $3::bool[]) as known (id, free, failing) using (id)
            where id is not null
         ), candidate as (
            select due.id, due.since, capacity.failing from capacity cross join lateral (
                select id, next_try_at as since from delivery
                where status = 'pending' and lease is null
                and endpoint_id = capacity.endpoint_id and next_try_at <= now()
                order by next_try_at limit capacity.free) as due
            union all
            select id, lease_until, true from delivery where lease is not null and lease_until <= now()
            order by failing, since limit $5
         ), locked as (
            select delivery.id from delivery join candidate using (id)
            where status = 'pending' and ((lease is null and next_try_at <= now()) or lease_until <= now())
            order by delivery.id for update of delivery skip locked
         )
         update delivery set lease = gen_random_uuid(), lease_until = now() + make_interval(secs => $6), picks = picks + 1
         from locked where delivery.id = locked.id
         returning delivery.id, lease as "lease!", endpoint_id as endpoint, failures"#,
        &endpoints,
        &free,
        &failing,
        usual,
        limit,
        lease.as_secs_f64(),
    )
    .fetch_all(pool)
    .await
}

/// Ends claims, each only under its lease, and logs their calls; returns the deliveries whose lease was still valid.
pub(crate) async fn finish(
    connection: &mut PgConnection,
    finished: &[Finish],
) -> sqlx::Result<HashSet<Uuid>> {
    let ids: Vec<Uuid> = finished.iter().map(|it| it.id).collect();
    let leases: Vec<Uuid> = finished.iter().map(|it| it.lease).collect();
    let statuses: Vec<String> = finished
        .iter()
        .map(|it| it.status.as_str().to_owned())
        .collect();
    let pauses: Vec<f64> = finished
        .iter()
        .map(|it| it.retry_after.as_secs_f64())
        .collect();
    let calls = || finished.iter().map(|it| it.call.as_ref());
    let starts: Vec<Option<OffsetDateTime>> = calls()
        .map(|call| call.map(|call| call.started_at))
        .collect();
    let durations: Vec<Option<i32>> = calls()
        .map(|call| call.map(|call| call.duration_ms))
        .collect();
    let codes: Vec<Option<i32>> = calls().map(|call| call?.code).collect();
    let errors: Vec<Option<String>> = calls().map(|call| call?.error.clone()).collect();
    let bodies: Vec<Option<String>> = calls().map(|call| call?.response_body.clone()).collect();
    let held = sqlx::query_scalar!(
        "with finished as (
            update delivery d set
                status = t.status, lease = null, lease_until = null, picks = 0,
                tries = tries + (t.started_at is not null)::int,
                failures = failures + (t.status = 'pending')::int,
                last_code = case when t.started_at is null then d.last_code else t.code end,
                next_try_at = case t.status when 'pending' then now() + make_interval(secs => t.pause) end,
                finished_at = case t.status when 'pending' then null else now() end
            from unnest($1::uuid[], $2::uuid[], $3::text[], $4::float8[], $5::timestamptz[], $6::int4[], $7::int4[], $8::text[], $9::text[])
                 as t (id, lease, status, pause, started_at, duration_ms, code, error, response_body)
            where d.id = t.id and d.lease = t.lease
            returning d.id, d.tries, t.started_at, t.duration_ms, t.code, t.error, t.response_body
         ), logged as (
            insert into delivery_try (delivery_id, number, started_at, duration_ms, code, error, response_body)
            select id, tries, started_at, duration_ms, code, error, response_body from finished where started_at is not null
         )
         select id from finished",
        &ids,
        &leases,
        &statuses,
        &pauses,
        &starts as &[Option<OffsetDateTime>],
        &durations as &[Option<i32>],
        &codes as &[Option<i32>],
        &errors as &[Option<String>],
        &bodies as &[Option<String>],
    )
    .fetch_all(connection)
    .await?;
    Ok(held.into_iter().collect())
}

/// Makes a delivery due now: one that waits is brought forward, one that is finished begins the schedule anew. One that a
/// worker sends at this moment is not sent twice.
pub(crate) async fn send_again(connection: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "update delivery set
            failures = case status when 'pending' then failures else 0 end,
            picks = case when lease is null then 0 else picks end,
            status = 'pending', next_try_at = now(), finished_at = null
         where id = $1",
        id
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Fails deliveries that were claimed too often without the end of a try, each of which may have killed its process;
/// returns them.
pub(crate) async fn set_aside(pool: &PgPool) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "update delivery set status = 'failed', lease = null, lease_until = null, next_try_at = null, finished_at = now()
         where id in
            (select id from delivery where lease is not null and lease_until <= now() and picks > $1
             for update skip locked)
         returning id",
        PICKS_WITHOUT_TRY,
    )
    .fetch_all(pool)
    .await
}

/// Deletes finished deliveries whose events happened before the moment at which the id `oldest` was made, with their
/// tries, at most `limit`; returns how many deliveries. Ids are in the order of time, so that the scan ends where younger
/// ones begin.
pub(crate) async fn delete_expired(
    connection: &mut PgConnection,
    oldest: Uuid,
    limit: i64,
) -> sqlx::Result<u64> {
    let deleted = sqlx::query_scalar!(
        r#"with expired as (
            delete from delivery where id in
                (select id from delivery where id < $1 and status <> 'pending' order by id limit $2)
            returning id),
         tries as (delete from delivery_try where delivery_id in (select id from expired))
         select count(*) as "deleted!" from expired"#,
        oldest,
        limit,
    )
    .fetch_one(connection)
    .await?;
    Ok(deleted.unsigned_abs())
}

/// Deletes the sequence numbers of endpoints that were deleted a day ago or earlier, at most `limit`.
pub(crate) async fn delete_sequences(
    connection: &mut PgConnection,
    limit: i64,
) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from webhook_sequence s using (
            select endpoint_id, payment_id from webhook_endpoint e
            join webhook_sequence on webhook_sequence.endpoint_id = e.id
            where e.status = 'deleted' and e.updated_at < now() - interval '1 day' limit $1) as old
         where s.endpoint_id = old.endpoint_id and s.payment_id = old.payment_id",
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
