//! Table `job`: the effects that must be performed. Tries, leases, backoff and dead letters are stored here and nowhere
//! else. docs/machines.md draws the life of a job; `life.rs` tests it.

#[cfg(test)]
mod life;
mod read;

use std::collections::HashMap;
use std::time::Duration;

use infra::postgres::interval;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::effect::Effect;

pub(crate) use read::{Listed, Unreadable, list, open_of, overdue, standing};

/// How many times a job may be claimed without the end of a try before it is dead: a job that kills its process must not
/// kill the next one for ever.
const PICKS_WITHOUT_TRY: i32 = 20;

/// A job to be written.
#[derive(Debug, Clone)]
pub(crate) struct New {
    pub(crate) id: Uuid,
    pub(crate) payment: Uuid,
    pub(crate) effect: Effect,
    /// Set where the worker that writes the job performs it at once: its id goes into no queue.
    pub(crate) lease: Option<Uuid>,
}

impl New {
    /// The job that performs an effect.
    pub(crate) fn from_effect(payment: Uuid, effect: Effect) -> Self {
        Self {
            id: Uuid::now_v7(),
            payment,
            effect,
            lease: None,
        }
    }

    /// Leases the job to the worker that writes it.
    pub(crate) fn lease(&mut self) -> Claimed {
        let lease = Uuid::new_v4();
        self.lease = Some(lease);
        Claimed {
            id: self.id,
            lease,
            payment: self.payment,
            effect: self.effect.clone(),
            tries: 0,
            call_key: self.call_key(),
            key_age: Duration::ZERO,
            unknown: false,
        }
    }

    fn call_key(&self) -> String {
        format!("pawl-{}", self.id)
    }
}

/// A job that a worker has leased.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    /// Its id.
    pub(crate) id: Uuid,
    /// The token that its result must carry.
    pub(crate) lease: Uuid,
    /// The payment that it belongs to.
    pub(crate) payment: Uuid,
    /// What it does.
    pub(crate) effect: Effect,
    /// How often it has ended in an error.
    pub(crate) tries: i32,
    /// The Idempotency-Key of its call.
    pub(crate) call_key: String,
    /// How long ago the key was first sent.
    pub(crate) key_age: Duration,
    /// A call was sent before, and its outcome is unknown.
    pub(crate) unknown: bool,
}

/// How a job ends, or goes on.
#[derive(Debug, Clone)]
pub(crate) enum Finish {
    /// It is done.
    Done,
    /// It is tried again later, with the same key. A call that was not sent is no try, and its key has not begun to age.
    Again {
        after: Duration,
        error: String,
        unknown: bool,
        sent: bool,
    },
    /// It is dead-lettered: it needs an operator.
    Dead { error: String },
}

/// The end of a job, with the lease that it must still have.
#[derive(Debug, Clone)]
pub(crate) struct Ending<'a> {
    pub(crate) id: Uuid,
    pub(crate) lease: Uuid,
    pub(crate) finish: &'a Finish,
}

/// What became of a job whose lease was valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// It ended, or waits for its next try.
    Finished,
    /// It is a resync that was requested again while it ran: it is queued again and due at once.
    RunAgain,
}

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
    let leases: Vec<Option<Uuid>> = rows.iter().map(|row| row.lease).collect();
    let written = sqlx::query_scalar!(
        "insert into job (id, payment_id, subject, effect, state, due_at, call_key, created_at,
                          lease, lease_until, picks, first_sent_at)
         select id, payment_id, subject, effect, case when lease is null then 'queued' else 'running' end,
                now(), call_key, $7, lease, case when lease is not null then now() + $8::interval end,
                (lease is not null)::int, case when lease is not null then now() end
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::jsonb[], $5::text[], $6::uuid[])
              as t (id, payment_id, subject, effect, call_key, lease)
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
                error = 'its outcome was known before its answer came'
         where payment_id = any($1) and state <> 'done'
           and kind not in ('create_refund', 'resync')",
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
            order by id for update skip locked)
         update job set state = 'running', lease = gen_random_uuid(), lease_until = now() + $2,
                picks = picks + 1, first_sent_at = coalesce(first_sent_at, now()), again = false
         from taken where job.id = taken.id
         returning job.id, lease as "lease!", payment_id, effect, tries, picks, call_key, unknown,
                   extract(epoch from now() - first_sent_at)::float8 as "key_age!""#,
        ids,
        interval(lease),
    )
    .fetch_all(pool)
    .await
    .map(|rows| rows.into_iter().map(ClaimedRow::read).collect())
}

struct ClaimedRow {
    id: Uuid,
    lease: Uuid,
    payment_id: Uuid,
    effect: Value,
    tries: i32,
    picks: i32,
    call_key: String,
    unknown: bool,
    key_age: f64,
}

impl ClaimedRow {
    fn read(self) -> Result<Claimed, Unreadable> {
        let effect = serde_json::from_value(self.effect).map_err(|error| Unreadable {
            id: self.id,
            lease: self.lease,
            error: format!("its effect cannot be read: {error}"),
        })?;
        Ok(Claimed {
            id: self.id,
            lease: self.lease,
            payment: self.payment_id,
            effect,
            tries: self.tries,
            call_key: self.call_key,
            key_age: Duration::try_from_secs_f64(self.key_age).unwrap_or_default(),
            // An earlier worker leased it and left no result: it died, perhaps after it had sent the call.
            unknown: self.unknown || self.picks > self.tries.saturating_add(1),
        })
    }
}

/// Writes the results of jobs; returns those whose lease was valid. A job whose lease another worker has is not in the
/// answer and is not changed.
pub(crate) async fn finish(
    connection: &mut PgConnection,
    endings: &[Ending<'_>],
) -> sqlx::Result<HashMap<Uuid, Held>> {
    let ids: Vec<Uuid> = endings.iter().map(|ending| ending.id).collect();
    let leases: Vec<Uuid> = endings.iter().map(|ending| ending.lease).collect();
    let mut states = Vec::with_capacity(endings.len());
    let mut seconds = Vec::with_capacity(endings.len());
    let mut errors = Vec::with_capacity(endings.len());
    let mut unknowns = Vec::with_capacity(endings.len());
    let mut sents = Vec::with_capacity(endings.len());
    for ending in endings {
        let (state, after, error, unknown, sent) = match ending.finish {
            Finish::Done => ("done", 0.0, None, false, true),
            Finish::Again {
                after,
                error,
                unknown,
                sent,
            } => (
                "queued",
                after.as_secs_f64(),
                Some(error.clone()),
                *unknown,
                *sent,
            ),
            Finish::Dead { error } => ("dead", 0.0, Some(error.clone()), true, true),
        };
        states.push(state.to_owned());
        seconds.push(after);
        errors.push(error);
        unknowns.push(unknown);
        sents.push(sent);
    }
    let rows = sqlx::query!(
        r#"update job set
            state = case when t.state = 'done' and job.again then 'queued' else t.state end,
            due_at = now() + make_interval(secs => t.seconds),
            lease = null, lease_until = null,
            tries = tries + t.sent::int, picks = picks - (not t.sent)::int,
            first_sent_at = case when t.sent or t.unknown or tries > 0 then first_sent_at end,
            error = coalesce(t.error, job.error), unknown = t.unknown,
            finished_at = case when t.state = 'queued' or job.again then null else now() end
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::float8[], $5::text[], $6::bool[], $7::bool[])
              as t (id, lease, state, seconds, error, unknown, sent)
         where job.id = t.id and job.lease = t.lease
         returning job.id, job.state = 'queued' and job.again as "again!""#,
        &ids,
        &leases,
        &states,
        &seconds,
        &errors as &[Option<String>],
        &unknowns,
        &sents,
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
        "update job set state = 'dead', error = $2, unknown = true where id = $1",
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

/// Dead-letters jobs that were claimed too often without the end of a try: each of them may have killed its process.
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

/// Queues a dead job of an account again, with the same key; false when it is not dead. Its outcome stays unknown, so that
/// the worker retrieves Stripe's object before it sends a key that may be too old.
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
