//! Table `job`: what must be done. Tries, leases, back-off and dead letters live here and nowhere else.

mod care;
mod kind;

use std::collections::HashMap;
use std::time::Duration;

use infra::postgres::interval;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::stream::Effect;

pub(crate) use care::*;
pub(crate) use kind::Kind;

/// A job to be written.
#[derive(Debug, Clone)]
pub(crate) struct New {
    pub(crate) id: Uuid,
    pub(crate) payment: Uuid,
    pub(crate) subject: Uuid,
    pub(crate) kind: Kind,
    pub(crate) args: Value,
    /// Set where the worker that writes the job goes on with it at once: nobody else is told of it.
    pub(crate) lease: Option<Uuid>,
}

impl New {
    /// The job that does what `step` asked for.
    pub(crate) fn of(payment: Uuid, effect: &Effect) -> Self {
        let (kind, subject, args) = match effect {
            Effect::CreateIntent => (Kind::CreateIntent, payment, Value::Null),
            Effect::ConfirmIntent { attempt } => (Kind::ConfirmIntent, *attempt, Value::Null),
            Effect::CaptureIntent { amount } => (
                Kind::CaptureIntent,
                payment,
                serde_json::json!({ "amount": amount }),
            ),
            Effect::CancelIntent { reason } => (
                Kind::CancelIntent,
                payment,
                serde_json::json!({ "reason": reason }),
            ),
            Effect::CreateRefund { refund } => (Kind::CreateRefund, *refund, Value::Null),
            Effect::Resync => (Kind::Resync, payment, Value::Null),
        };
        Self {
            id: Uuid::now_v7(),
            payment,
            subject,
            kind,
            args,
            lease: None,
        }
    }

    /// Takes the job into the hands of the worker that writes it.
    pub(crate) fn claim(&mut self) -> Claimed {
        let lease = Uuid::new_v4();
        self.lease = Some(lease);
        Claimed {
            id: self.id,
            lease,
            payment: self.payment,
            subject: self.subject,
            kind: self.kind,
            args: self.args.clone(),
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

/// A job in the hands of a worker, until its lease runs out.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    /// Its id.
    pub(crate) id: Uuid,
    /// The token without which nobody finishes it.
    pub(crate) lease: Uuid,
    /// The payment that it works for.
    pub(crate) payment: Uuid,
    /// The payment, attempt or refund that it is about.
    pub(crate) subject: Uuid,
    /// What it does.
    pub(crate) kind: Kind,
    /// What it needs to know besides.
    pub(crate) args: Value,
    /// How often it has ended in an error.
    pub(crate) tries: i32,
    /// The Idempotency-Key of its call.
    pub(crate) call_key: String,
    /// How long ago the key was first sent.
    pub(crate) key_age: Duration,
    /// A call was sent before, and what it did is not known.
    pub(crate) unknown: bool,
}

/// How a job ends, or goes on.
#[derive(Debug, Clone)]
pub(crate) enum Finish {
    /// It is done.
    Done,
    /// It is tried again later, with the same key. What was not sent is no try, and its key has not begun to age.
    Again {
        after: Duration,
        error: String,
        unknown: bool,
        sent: bool,
    },
    /// Given up: a person must look.
    Dead { error: String },
}

/// What Stripe's key and the caller's fence say about a job that somebody wants to finish.
#[derive(Debug, Clone)]
pub(crate) struct Ending<'a> {
    pub(crate) id: Uuid,
    pub(crate) lease: Uuid,
    pub(crate) finish: &'a Finish,
}

/// Adds jobs that are due now. A resync that waits already takes a second one in; one that runs is told to look again.
/// Returns the ids of the jobs that can be taken now.
pub(crate) async fn add(
    connection: &mut PgConnection,
    rows: &[New],
    now: OffsetDateTime,
    lease_for: Duration,
) -> sqlx::Result<Vec<Uuid>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let payments: Vec<Uuid> = rows.iter().map(|row| row.payment).collect();
    let subjects: Vec<Uuid> = rows.iter().map(|row| row.subject).collect();
    let kinds: Vec<String> = rows
        .iter()
        .map(|row| row.kind.as_str().to_owned())
        .collect();
    let args: Vec<Value> = rows.iter().map(|row| row.args.clone()).collect();
    let keys: Vec<String> = rows.iter().map(New::call_key).collect();
    let leases: Vec<Option<Uuid>> = rows.iter().map(|row| row.lease).collect();
    let written = sqlx::query_scalar!(
        "insert into job (id, payment_id, subject, kind, args, state, due_at, call_key, created_at,
                          lease, lease_until, picks, first_sent_at)
         select id, payment_id, subject, kind, args, case when lease is null then 'queued' else 'running' end,
                $8, call_key, $8, lease, case when lease is not null then now() + $9::interval end,
                (lease is not null)::int, case when lease is not null then now() end
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::jsonb[], $6::text[], $7::uuid[])
              as t (id, payment_id, subject, kind, args, call_key, lease)
         on conflict (payment_id) where kind = 'resync' and state in ('queued', 'running') do update set again = true
         returning id",
        &ids,
        &payments,
        &subjects,
        &kinds,
        &args,
        &keys,
        &leases as &[Option<Uuid>],
        now,
        interval(lease_for),
    )
    .fetch_all(connection)
    .await?;
    let held = |id: &Uuid| rows.iter().any(|row| row.id == *id && row.lease.is_some());
    Ok(written.into_iter().filter(|id| !held(id)).collect())
}

/// Ends the calls of payments whose outcome is known from elsewhere, so that the next call may be written. A worker that
/// is still at one of them finds its lease gone.
pub(crate) async fn supersede(
    connection: &mut PgConnection,
    payments: &[Uuid],
) -> sqlx::Result<()> {
    sqlx::query!(
        "update job set state = 'done', lease = null, lease_until = null, unknown = false, finished_at = now(),
                error = 'its outcome was known before its answer came'
         where payment_id = any($1) and state <> 'done'
           and kind in ('create_intent', 'confirm_intent', 'capture_intent', 'cancel_intent')",
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
) -> sqlx::Result<Vec<Claimed>> {
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
         returning job.id, lease as "lease!", payment_id, subject, kind, args, tries, picks, call_key, unknown,
                   extract(epoch from now() - first_sent_at)::float8 as "key_age!""#,
        ids,
        interval(lease),
    )
    .fetch_all(pool)
    .await?
    .into_iter()
    .map(ClaimedRow::read)
    .collect()
}

struct ClaimedRow {
    id: Uuid,
    lease: Uuid,
    payment_id: Uuid,
    subject: Uuid,
    kind: String,
    args: Value,
    tries: i32,
    picks: i32,
    call_key: String,
    unknown: bool,
    key_age: f64,
}

impl ClaimedRow {
    fn read(self) -> sqlx::Result<Claimed> {
        Ok(Claimed {
            id: self.id,
            lease: self.lease,
            payment: self.payment_id,
            subject: self.subject,
            kind: Kind::parse(&self.kind)?,
            args: self.args,
            tries: self.tries,
            call_key: self.call_key,
            key_age: Duration::try_from_secs_f64(self.key_age).unwrap_or_default(),
            // Taken before without an end on record: that worker died, perhaps after it sent the call.
            unknown: self.unknown || self.picks > self.tries.saturating_add(1),
        })
    }
}

/// A job whose lease was still held when it was finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// It is done, put off or dead.
    Finished,
    /// It is a resync that was requested again while it ran; it is due at once.
    RunAgain,
}

/// Ends or puts off jobs, each only under its lease; returns those whose lease was still held.
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

/// Gives up a job that was just finished, because its answer cannot be applied.
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

/// Asks for a look at these payments, due now; returns the ids of the jobs.
pub(crate) async fn add_resyncs(
    connection: &mut PgConnection,
    payments: &[Uuid],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Uuid>> {
    let rows: Vec<New> = payments
        .iter()
        .map(|payment| New::of(*payment, &Effect::Resync))
        .collect();
    add(connection, &rows, now, Duration::ZERO).await
}
