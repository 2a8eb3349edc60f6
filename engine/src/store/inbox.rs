//! Tables `inbox`, `inbox_open`, `inbox_result`: Stripe's webhooks, from when they are durable until they are applied, and
//! afterwards for 30 days.
//!
//! The body of an event is written once. That it waits, or is dead, is a small row of its own in `inbox_open`, which is
//! deleted in the transaction that applies the event and adds its result.

mod list;

use std::time::Duration;

use infra::postgres::interval;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use super::decode::rows;

pub(crate) use list::{Listed, dead_events, done_events, find, of_payment, waiting_events};

/// An event as Stripe sent it.
#[derive(Debug, Clone)]
pub(crate) struct New {
    pub(crate) id: String,
    pub(crate) r#type: String,
    pub(crate) payload: Vec<u8>,
}

/// An event that waits to be processed.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) id: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) tries: i32,
    /// Seconds since it was received.
    pub(crate) age_seconds: f64,
}

/// The result of processing an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// It changed the payment, or requested a resync.
    Applied,
    /// It reported nothing new, or is about nothing that moves a payment, such as a payout.
    Ignored,
    /// It is about an object of another program on the same Stripe account, or of another account.
    Foreign(String),
    /// It is of the other mode: live where the key here is a test key, or the other way round.
    OtherMode(String),
    /// This version does not understand it. If it is about a payment, a resync was requested.
    NotUnderstood(String),
    /// Its payment does not exist yet; it is processed again later.
    Deferred(String),
    /// It failed to be applied for a reason that may pass; it is processed again later.
    Retrying(String),
    /// It cannot be applied and needs an operator.
    Dead(String),
}

impl Disposition {
    /// Its name in the database and in metrics.
    pub(crate) const fn status(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Ignored => "ignored",
            Self::Foreign(_) => "foreign",
            Self::OtherMode(_) => "other_mode",
            Self::NotUnderstood(_) => "not_understood",
            Self::Deferred(_) => "deferred",
            Self::Retrying(_) => "retrying",
            Self::Dead(_) => "dead",
        }
    }

    /// Whether the event waits, or needs an operator.
    const fn is_open(&self) -> bool {
        matches!(self, Self::Deferred(_) | Self::Retrying(_) | Self::Dead(_))
    }

    fn error(&self) -> Option<&str> {
        match self {
            Self::Applied | Self::Ignored => None,
            Self::Foreign(error)
            | Self::OtherMode(error)
            | Self::NotUnderstood(error)
            | Self::Deferred(error)
            | Self::Retrying(error)
            | Self::Dead(error) => Some(error),
        }
    }
}

/// An event with its disposition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Processed {
    /// Stripe's id of the event.
    pub(crate) id: String,
    pub(crate) disposition: Disposition,
    /// The payment that it is about, where that is known.
    pub(crate) payment: Option<Uuid>,
}

/// Adds the events that are not stored yet, to be processed after `delay`. A webhook often comes before the answer of the
/// call that caused it; once that answer is written, the webhook reports nothing new. A second delivery of an event
/// changes nothing. Returns how many were new.
pub(crate) async fn add(pool: &PgPool, rows: &[New], delay: Duration) -> sqlx::Result<u64> {
    // Ordered, so that two transactions that share events do not wait for each other in a circle.
    let mut ordered: Vec<&New> = rows.iter().collect();
    ordered.sort_by(|one, other| one.id.cmp(&other.id));
    let ids: Vec<String> = ordered.iter().map(|row| row.id.clone()).collect();
    let types: Vec<String> = ordered.iter().map(|row| row.r#type.clone()).collect();
    let payloads: Vec<Vec<u8>> = ordered.iter().map(|row| row.payload.clone()).collect();
    let added = sqlx::query!(
        "with kept as (
            insert into inbox (id, type, payload, received_at)
            select id, type, payload, now() from unnest($1::text[], $2::text[], $3::bytea[]) as t (id, type, payload)
            on conflict (id) do nothing
            returning id)
         insert into inbox_open (id, status, due_at) select id, 'received', now() + $4::interval from kept",
        &ids,
        &types,
        &payloads,
        interval(delay),
    )
    .execute(pool)
    .await?;
    Ok(added.rows_affected())
}

/// Those of the events that are not stored.
pub(crate) async fn missing(pool: &PgPool, ids: &[String]) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select wanted.id as "id!" from unnest($1::text[]) as wanted (id)
         where not exists (select from inbox where inbox.id = wanted.id)"#,
        ids,
    )
    .fetch_all(pool)
    .await
}

/// Whether any event is due.
pub(crate) async fn is_due(pool: &PgPool) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select 1 from inbox_open where status <> 'dead' and due_at <= now()) as "due!""#
    )
    .fetch_one(pool)
    .await
}

/// How many events wait to be processed, counted up to 100,000.
pub(crate) async fn waiting(pool: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from
           (select 1 from inbox_open where status <> 'dead' limit 100000) as w"#
    )
    .fetch_one(pool)
    .await
}

/// Takes at most 256 events that are due, for the length of the transaction; another worker takes others.
pub(crate) async fn take(connection: &mut PgConnection) -> sqlx::Result<Vec<Waiting>> {
    sqlx::query_as!(
        Waiting,
        r#"select open.id as "id!", payload as "payload!", tries as "tries!", extract(epoch from now() - received_at)::float8 as "age_seconds!"
         from (select id, tries, due_at from inbox_open where status <> 'dead' and due_at <= now()
               order by due_at limit 256 for update skip locked) as open
              cross join lateral (select payload, received_at from inbox where inbox.id = open.id offset 0) as event
         order by due_at"#,
    )
    .fetch_all(connection)
    .await
}

/// Takes this event, if it still waits and no other worker has taken it.
pub(crate) async fn take_one(
    connection: &mut PgConnection,
    id: &str,
) -> sqlx::Result<Option<Waiting>> {
    sqlx::query_as!(
        Waiting,
        r#"select open.id, payload, tries, extract(epoch from now() - received_at)::float8 as "age_seconds!"
         from inbox_open as open join inbox on inbox.id = open.id
         where open.id = $1 and status <> 'dead' for update of open skip locked"#,
        id,
    )
    .fetch_optional(connection)
    .await
}

/// Writes the dispositions of events: those that wait or are dead stay open, the others get a result. One that is to be
/// processed again is due after a second, then twice as late each time, up to ten minutes.
pub(crate) async fn mark(
    connection: &mut PgConnection,
    processed: &[Processed],
) -> sqlx::Result<()> {
    let (open, done): (Vec<&Processed>, Vec<&Processed>) = processed
        .iter()
        .partition(|event| event.disposition.is_open());
    if !done.is_empty() {
        close(connection, &done).await?;
    }
    if !open.is_empty() {
        keep_open(connection, &open).await?;
    }
    Ok(())
}

async fn close(connection: &mut PgConnection, done: &[&Processed]) -> sqlx::Result<()> {
    let ids: Vec<String> = done.iter().map(|event| event.id.clone()).collect();
    let dispositions: Vec<String> = done
        .iter()
        .map(|event| event.disposition.status().to_owned())
        .collect();
    let payments: Vec<Option<Uuid>> = done.iter().map(|event| event.payment).collect();
    let errors: Vec<Option<String>> = done
        .iter()
        .map(|event| event.disposition.error().map(str::to_owned))
        .collect();
    sqlx::query!(
        "with closed as (
            delete from inbox_open
            using unnest($1::text[], $2::text[], $3::uuid[], $4::text[]) as t (id, disposition, payment_id, error)
            where inbox_open.id = t.id
            returning t.id, t.disposition, t.payment_id, t.error, inbox_open.tries)
         insert into inbox_result (id, disposition, payment_id, error, tries, done_at)
         select id, disposition, payment_id, error, tries + 1, now() from closed",
        &ids,
        &dispositions,
        &payments as &[Option<Uuid>],
        &errors as &[Option<String>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn keep_open(connection: &mut PgConnection, open: &[&Processed]) -> sqlx::Result<()> {
    #[derive(Serialize)]
    struct Row<'a> {
        id: &'a str,
        status: &'a str,
        error: Option<&'a str>,
        payment_id: Option<Uuid>,
    }
    let marked: Vec<Row<'_>> = open
        .iter()
        .map(|event| Row {
            id: &event.id,
            status: event.disposition.status(),
            error: event.disposition.error(),
            payment_id: event.payment,
        })
        .collect();
    sqlx::query!(
        "update inbox_open as open set
            status = t.status, error = t.error, payment_id = t.payment_id, tries = open.tries + 1,
            due_at = now() + least(interval '1 second' * power(2, least(open.tries, 12)), interval '10 minutes')
         from json_populate_recordset(null::inbox_open, $1::text::json) as t
         where open.id = t.id",
        rows(&marked)?,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Puts events off that were not looked at: they are due again after `delay`, and this is no try.
pub(crate) async fn put_off(
    connection: &mut PgConnection,
    ids: &[String],
    delay: Duration,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update inbox_open set due_at = now() + $2::interval where id = any($1)",
        ids,
        interval(delay),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes an event due now: one that waits or is dead is brought forward, and the result of one that was done at that moment is
/// replaced by a row that waits. Two requests at once leave one row.
pub(crate) async fn open_again(
    connection: &mut PgConnection,
    id: &str,
    done_at: Option<OffsetDateTime>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with closed as (
            delete from inbox_result where id = $1 and done_at = $2 returning payment_id, tries)
         insert into inbox_open (id, status, payment_id, tries, due_at)
         select $1, 'retrying', (select payment_id from closed), 0, now()
         on conflict (id) do update set status = 'retrying', tries = 0, due_at = now()",
        id,
        done_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes events that were received more than 30 days ago and are not open, and results as old; Stripe lists the events no
/// longer either. Returns how many rows of the larger share there were.
pub(crate) async fn delete_expired(connection: &mut PgConnection, limit: i64) -> sqlx::Result<u64> {
    let events = sqlx::query!(
        "delete from inbox where ctid in
            (select ctid from inbox where received_at < now() - interval '30 days'
               and not exists (select from inbox_open where inbox_open.id = inbox.id) limit $1)",
        limit,
    )
    .execute(&mut *connection)
    .await?;
    let results = sqlx::query!(
        "delete from inbox_result where ctid in
            (select ctid from inbox_result where done_at < now() - interval '30 days' limit $1)",
        limit,
    )
    .execute(connection)
    .await?;
    Ok(events.rows_affected().max(results.rows_affected()))
}
