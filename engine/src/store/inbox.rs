//! Table `inbox`: Stripe's webhooks, from the moment they are durable until what they mean is known.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

/// An event as it came in.
#[derive(Debug, Clone)]
pub(crate) struct New {
    pub(crate) id: String,
    pub(crate) r#type: String,
    pub(crate) payload: Vec<u8>,
}

/// An event that waits to be applied.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) id: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) tries: i32,
    /// Seconds since it came in.
    pub(crate) age_seconds: f64,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It moved something, or asked for a look at Stripe.
    Applied,
    /// It told nothing new, or nothing of ours.
    Ignored,
    /// What it is about does not exist yet.
    Deferred(String),
    /// It could not be applied for a passing reason.
    Retrying(String),
    /// Given up; an operator may replay it.
    Dead(String),
}

impl Fate {
    /// The word in the database and in metrics.
    pub(crate) fn status(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Ignored => "ignored",
            Self::Deferred(_) => "deferred",
            Self::Retrying(_) => "retrying",
            Self::Dead(_) => "dead",
        }
    }

    fn error(&self) -> Option<&str> {
        match self {
            Self::Applied | Self::Ignored => None,
            Self::Deferred(error) | Self::Retrying(error) | Self::Dead(error) => Some(error),
        }
    }
}

/// Keeps the events that are not here yet, to be applied after a moment: a webhook overtakes the answer of the call that
/// caused it, and once that answer is written there is nothing to apply. Deliveries of one event after another change
/// nothing.
pub(crate) async fn add(
    pool: &PgPool,
    rows: &[New],
    now: OffsetDateTime,
    moment: Duration,
) -> sqlx::Result<()> {
    // Ordered, so that two groups that share events do not wait for each other in a ring.
    let mut ordered: Vec<&New> = rows.iter().collect();
    ordered.sort_by(|one, other| one.id.cmp(&other.id));
    let ids: Vec<String> = ordered.iter().map(|row| row.id.clone()).collect();
    let types: Vec<String> = ordered.iter().map(|row| row.r#type.clone()).collect();
    let payloads: Vec<Vec<u8>> = ordered.iter().map(|row| row.payload.clone()).collect();
    sqlx::query!(
        "insert into inbox (id, type, payload, status, due_at, received_at)
         select id, type, payload, 'received', $4::timestamptz + $5::interval, $4 from unnest($1::text[], $2::text[], $3::bytea[]) as t (id, type, payload)
         on conflict (id) do nothing",
        &ids,
        &types,
        &payloads,
        now,
        infra::postgres::interval(moment),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Whether any event is due.
pub(crate) async fn is_due(pool: &PgPool) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select 1 from inbox
           where status in ('received', 'retrying', 'deferred') and due_at <= now()) as "due!""#
    )
    .fetch_one(pool)
    .await
}

/// How many events wait to be applied, counted up to 100,000.
pub(crate) async fn waiting(pool: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from
           (select 1 from inbox where status in ('received', 'retrying', 'deferred') limit 100000) as w"#
    )
    .fetch_one(pool)
    .await
}

/// Takes events that are due, for the length of the transaction; another worker takes others.
pub(crate) async fn take(connection: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Waiting>> {
    sqlx::query_as!(
        Waiting,
        r#"select id, payload, tries, extract(epoch from now() - received_at)::float8 as "age_seconds!"
         from inbox where status in ('received', 'retrying', 'deferred') and due_at <= now()
         order by due_at limit $1 for update skip locked"#,
        limit,
    )
    .fetch_all(connection)
    .await
}

/// Takes one event again, if it still waits.
pub(crate) async fn take_one(
    connection: &mut PgConnection,
    id: &str,
) -> sqlx::Result<Option<Waiting>> {
    sqlx::query_as!(
        Waiting,
        r#"select id, payload, tries, extract(epoch from now() - received_at)::float8 as "age_seconds!"
         from inbox where id = $1 and status in ('received', 'retrying', 'deferred') for update skip locked"#,
        id,
    )
    .fetch_optional(connection)
    .await
}

/// Writes what became of events. One that waits on is due again later each time, from a second up to ten minutes.
pub(crate) async fn mark(
    connection: &mut PgConnection,
    rows: &[(String, Fate, Option<Uuid>)],
) -> sqlx::Result<()> {
    let ids: Vec<String> = rows.iter().map(|(id, _, _)| id.clone()).collect();
    let statuses: Vec<String> = rows
        .iter()
        .map(|(_, fate, _)| fate.status().to_owned())
        .collect();
    let errors: Vec<Option<String>> = rows
        .iter()
        .map(|(_, fate, _)| fate.error().map(str::to_owned))
        .collect();
    let payments: Vec<Option<Uuid>> = rows.iter().map(|(_, _, payment)| *payment).collect();
    sqlx::query!(
        "update inbox set
            status = t.status, error = t.error, payment_id = t.payment_id, tries = tries + 1,
            due_at = now() + least(interval '1 second' * power(2, least(tries, 12)), interval '10 minutes'),
            done_at = case when t.status in ('applied', 'ignored', 'dead') then now() end
         from unnest($1::text[], $2::text[], $3::text[], $4::uuid[]) as t (id, status, error, payment_id)
         where inbox.id = t.id",
        &ids,
        &statuses,
        &errors as &[Option<String>],
        &payments as &[Option<Uuid>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets events that came in more than 30 days ago and were dealt with, as long as Stripe itself can list them.
pub(crate) async fn forget_old(connection: &mut PgConnection, limit: i64) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from inbox where ctid in
            (select ctid from inbox where received_at < now() - interval '30 days' and status in ('applied', 'ignored') limit $1)",
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
