//! Table `job`: the effects that must be performed. Tries, leases, backoff and dead letters are stored here and nowhere
//! else. docs/machines.md draws the life of a job; `life.rs` tests it.

#[cfg(test)]
mod life;
mod list;
mod read;
mod row;
mod tries;
mod visible;

use std::collections::HashMap;
use std::time::Duration;

use infra::postgres::interval;
use row::{ClaimedRow, Columns};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::effect::Effect;

use crate::request::RequestMark;
use crate::stripe::StripeCall;

pub(crate) use list::{
    Count, Criteria, EXAMINED, Listed, counts, error_groups, ids, of_payment, rows,
};
pub(crate) use read::{Unreadable, open_ids, overdue, standing, waiting_of_kinds};
pub(crate) use row::{Claimed, Ending, Finish, Held, New};
pub(crate) use tries::{Try, tries};
pub use visible::{JobState, UnknownState};

/// How many times a job may be claimed without the end of a try before it is dead: a job that kills its process must not
/// kill the next one for ever.
const PICKS_WITHOUT_TRY: i32 = 20;

/// Adds jobs that are due now, by the clock of the database: `now` is the time that they show as their creation. An open resync absorbs a second request: a queued one covers it, a running one runs again.
/// Returns the ids of the jobs that can be claimed now.
pub(crate) async fn add(
    connection: &mut PgConnection,
    rows: &[New],
    now: OffsetDateTime,
    lease_for: Duration,
) -> sqlx::Result<Vec<Uuid>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let payments: Vec<Uuid> = rows.iter().map(|row| row.payment).collect();
    let subjects: Vec<Uuid> = rows
        .iter()
        .map(|row| row.effect.subject(row.payment))
        .collect();
    let effects: Vec<Json<&Effect>> = rows.iter().map(|row| Json(&row.effect)).collect();
    let keys: Vec<String> = rows.iter().map(New::call_key).collect();
    let requests: Vec<Option<Json<&RequestMark>>> = rows
        .iter()
        .map(|row| row.request.as_ref().map(Json))
        .collect();
    let leases: Vec<Option<Uuid>> = rows.iter().map(|row| row.lease).collect();
    let worker = infra::process_name();
    let written = sqlx::query_scalar!(
        "insert into job (id, payment_id, subject, effect, state, due_at, call_key, request, created_at,
                          lease, lease_until, picks, first_sent_at, started_at, worker)
         select id, payment_id, subject, effect, case when lease is null then 'queued' else 'running' end,
                now(), call_key, request, $7, lease, case when lease is not null then now() + $8::interval end,
                (lease is not null)::int, case when lease is not null then now() end,
                case when lease is not null then now() end, case when lease is not null then $9 end
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::jsonb[], $5::text[], $6::uuid[], $10::jsonb[])
              as t (id, payment_id, subject, effect, call_key, lease, request)
         on conflict (payment_id) where kind = 'resync' and state in ('queued', 'running') do update set again = true
         returning id",
        &ids,
        &payments,
        &subjects,
        &effects as &[Json<&Effect>],
        &keys,
        &leases as &[Option<Uuid>],
        now,
        interval(lease_for),
        worker,
        &requests as &[Option<Json<&RequestMark>>],
    )
    .fetch_all(connection)
    .await?;
    let is_leased = |id: &Uuid| rows.iter().any(|row| row.id == *id && row.lease.is_some());
    Ok(written.into_iter().filter(|id| !is_leased(id)).collect())
}

/// Ends the exclusive calls of payments whose outcome is known in another way, so that the next call can be written. A
/// worker that still performs one of them finds its lease invalid.
pub(crate) async fn supersede(
    connection: &mut PgConnection,
    payments: &[Uuid],
) -> sqlx::Result<()> {
    sqlx::query!(
        "update job set state = 'done', lease = null, lease_until = null, unknown = false, finished_at = now(),
                error = 'its outcome was known before its answer came',
                past_tries = case when state <> 'running' then past_tries
                    else with_try(past_tries, row(tries + 1, started_at, now(), worker, 'superseded', null, null, 1)) end
         where payment_id = any($1) and state <> 'done'
           and kind not in ('create_refund', 'update_dispute', 'close_dispute', 'resync')",
        payments,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Claims those of the jobs that are due and have no valid lease, in one statement. It is committed before the calls are
/// sent, `first_sent_at` above all: the age of a key counts from there.
pub(crate) async fn claim(
    pool: &PgPool,
    ids: &[Uuid],
    lease: Duration,
) -> sqlx::Result<Vec<Result<Claimed, Unreadable>>> {
    sqlx::query_as!(
        ClaimedRow,
        r#"with taken as (
            select id from job
            where id = any($1)
              and ((state = 'queued' and due_at <= now()) or (state = 'running' and lease_until <= now()))
              and not exists (select from queue_pause where queue_pause.kind = job.kind)
            order by id for update skip locked)
         update job set state = 'running', lease = gen_random_uuid(), lease_until = now() + $2,
                picks = picks + 1, first_sent_at = coalesce(first_sent_at, now()), again = false,
                started_at = now(), worker = $3,
                past_tries = case when state <> 'running' then past_tries
                    else with_try(past_tries, row(tries + 1, started_at, now(), worker, 'lost', null, null, 1)) end
         from taken where job.id = taken.id
         returning job.id, lease as "lease!", payment_id, effect, request as "request: Json<RequestMark>", tries, picks, call_key, unknown,
                   extract(epoch from now() - first_sent_at)::float8 as "key_age!""#,
        ids,
        interval(lease),
        infra::process_name(),
    )
    .fetch_all(pool)
    .await
    .map(|rows| rows.into_iter().map(ClaimedRow::read).collect())
}

/// Leases a queued job to an operator who cancels it, if its call was certainly never sent, or it makes none, and it has the
/// version given. It is not counted as sent: `first_sent_at` stays as it is. One that cannot be read is left to the workers.
pub(crate) async fn claim_unsent(
    pool: &PgPool,
    id: Uuid,
    version: Option<i64>,
    lease: Duration,
) -> sqlx::Result<Option<Claimed>> {
    sqlx::query_as!(
        ClaimedRow,
        r#"update job set state = 'running', lease = gen_random_uuid(), lease_until = now() + $3, picks = picks + 1,
                  again = false, started_at = now(), worker = 'operator'
           where id = $1 and state = 'queued' and (kind = 'resync' or (first_sent_at is null and not unknown))
             and xmin::text::bigint = coalesce($2, xmin::text::bigint)
           returning id, lease as "lease!", payment_id, effect, request as "request: Json<RequestMark>", tries, picks, call_key, unknown,
                     0::float8 as "key_age!""#,
        id,
        version,
        interval(lease),
    )
    .fetch_optional(pool)
    .await
    .map(|row| row.and_then(|row| row.read().ok()))
}

/// Puts a queued job off until that moment; false if it is not queued, or has another version than the one given.
pub(crate) async fn put_off(
    connection: &mut PgConnection,
    id: Uuid,
    version: Option<i64>,
    until: OffsetDateTime,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update job set due_at = $3
         where id = $1 and state = 'queued' and xmin::text::bigint = coalesce($2, xmin::text::bigint)",
        id,
        version,
        until,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes the results of jobs; returns those whose lease was valid. A job whose lease another worker has is not in the
/// answer and is not changed.
pub(crate) async fn finish(
    connection: &mut PgConnection,
    endings: &[Ending<'_>],
) -> sqlx::Result<HashMap<Uuid, Held>> {
    let columns = Columns::of(endings);
    let rows = sqlx::query!(
        r#"update job set
            state = case when t.state = 'done' and job.again then 'queued' else t.state end,
            due_at = now() + make_interval(secs => t.seconds),
            lease = null, lease_until = null,
            tries = tries + t.sent::int, picks = picks - (not t.sent)::int,
            first_sent_at = case when t.sent or t.unknown or tries > 0 then first_sent_at end,
            error = coalesce(t.error, job.error), unknown = t.unknown,
            finished_at = case when t.state = 'queued' or job.again then null else now() end,
            past_tries = with_try(past_tries,
                row(tries + 1, started_at, now(), worker, case when t.state <> 'queued' then t.state when t.sent then 'again' else 'unsent' end,
                    t.error, t.calls, 1))
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::float8[], $5::text[], $6::bool[], $7::bool[], $8::jsonb[])
              as t (id, lease, state, seconds, error, unknown, sent, calls)
         where job.id = t.id and job.lease = t.lease
         returning job.id, job.state = 'queued' and job.again as "again!""#,
        &columns.ids,
        &columns.leases,
        &columns.states,
        &columns.seconds,
        &columns.errors as &[Option<String>],
        &columns.unknowns,
        &columns.sents,
        &columns.calls as &[Option<Json<&[StripeCall]>>],
    )
    .fetch_all(connection)
    .await?;
    let held = |again| {
        if again {
            Held::RunAgain
        } else {
            Held::Finished
        }
    };
    Ok(rows
        .into_iter()
        .map(|row| (row.id, held(row.again)))
        .collect())
}

/// Dead-letters a job that was finished in this transaction, because its result cannot be applied.
pub(crate) async fn dead_letter(
    connection: &mut PgConnection,
    id: Uuid,
    error: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update job set state = 'dead', error = $2, unknown = true,
                past_tries[cardinality(past_tries)].outcome = 'dead', past_tries[cardinality(past_tries)].error = $2
         where id = $1",
        id,
        error
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds a resync for each of the payments, due now; returns the ids of the jobs that can be claimed.
pub(crate) async fn add_resyncs(
    connection: &mut PgConnection,
    payments: &[Uuid],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Uuid>> {
    let rows: Vec<New> = payments
        .iter()
        .map(|payment| New::from_effect(*payment, Effect::Resync))
        .collect();
    add(connection, &rows, now, Duration::ZERO).await
}

/// Notes that Stripe has made the intents of these payments, at these times in Unix seconds: the jobs that are to make them have
/// sent their keys then, whose age counts from there.
pub(crate) async fn note_intents_made(
    connection: &mut PgConnection,
    payments: &[Uuid],
    made: &[i64],
) -> sqlx::Result<()> {
    sqlx::query!(
        "update job set first_sent_at = least(first_sent_at, to_timestamp(t.made)), unknown = true
         from unnest($1::uuid[], $2::int8[]) as t (payment, made)
         where job.payment_id = t.payment and job.kind = 'create_intent'
           and job.kind not in ('create_refund', 'update_dispute', 'close_dispute', 'resync') and job.state <> 'done'",
        payments,
        made,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that Stripe has made these refunds, as [`note_intents_made`] does for intents.
pub(crate) async fn note_refunds_made(
    connection: &mut PgConnection,
    refunds: &[Uuid],
    made: &[i64],
) -> sqlx::Result<()> {
    sqlx::query!(
        "update job set first_sent_at = least(first_sent_at, to_timestamp(t.made)), unknown = true
         from unnest($1::uuid[], $2::int8[]) as t (refund, made)
         where job.subject = t.refund and job.kind = 'create_refund' and job.state <> 'done'",
        refunds,
        made,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// How many resyncs are not done.
pub(crate) async fn open_resyncs(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from job where kind = 'resync' and state in ('queued', 'running')"#
    )
    .fetch_one(connection)
    .await
}

/// Dead-letters jobs that were claimed too often without the end of a try: each of them may have killed its process.
pub(crate) async fn quarantine(pool: &PgPool) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "update job set state = 'dead', lease = null, lease_until = null, unknown = true,
                error = 'taken ' || picks || ' times without an end: it may kill its process',
                past_tries = with_try(past_tries, row(tries + 1, started_at, now(), worker, 'lost', null, null, 1))
         where id in
            (select id from job where state = 'running' and lease_until <= now() and picks - tries > $1
             for update skip locked)",
        PICKS_WITHOUT_TRY,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// Queues a dead job of an account, or of any, again with the same key; false when it is not dead or has another version than
/// the one given. Its outcome stays unknown, so that the worker retrieves Stripe's object before it sends a key that may be
/// too old.
pub(crate) async fn revive(
    connection: &mut PgConnection,
    account: Option<Uuid>,
    id: Uuid,
    version: Option<i64>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update job j set state = 'queued', due_at = now(), picks = tries from payment p
         where j.id = $1 and j.state = 'dead' and p.id = j.payment_id and p.account_id = coalesce($2, p.account_id)
           and j.xmin::text::bigint = coalesce($3, j.xmin::text::bigint)",
        id,
        account,
        version,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Deletes jobs that finished a week ago or earlier, at most `limit`. All of them were made before the moment at which the
/// id `oldest` was made: ids are in the order of time, so that the scan ends where younger ones begin.
pub(crate) async fn delete_expired(
    connection: &mut PgConnection,
    oldest: Uuid,
    limit: i64,
) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from job where id in
            (select id from job where id < $1 and state = 'done' and finished_at < now() - interval '7 days'
             order by id limit $2)",
        oldest,
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
