//! The state of the database at the end of a campaign. No statement here writes.
//!
//! The queries are unchecked on purpose: a proof that shared the statements of the engine would share its mistakes.

use std::collections::BTreeMap;

use anyhow::Result;
use sqlx::Row as _;
use sqlx::postgres::{PgPool, PgRow};
use uuid::Uuid;

/// A payment as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payment {
    pub(crate) id: Uuid,
    pub(crate) status: String,
    pub(crate) version: i64,
}

/// Captured and refunded, in the currency's unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) captured: i64,
    pub(crate) refunded: i64,
}

/// Unfinished work, one line for each item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) jobs: Vec<String>,
    pub(crate) dead_jobs: Vec<String>,
    pub(crate) unknown_calls: Vec<String>,
    pub(crate) inbox: Vec<String>,
    pub(crate) outbox: Vec<String>,
}

impl Open {
    /// Whether all work is finished. A dead job counts as finished, but fails the verdict.
    pub(crate) fn is_quiet(&self) -> bool {
        self.jobs.is_empty()
            && self.unknown_calls.is_empty()
            && self.inbox.is_empty()
            && self.outbox.is_empty()
    }

    /// All lines.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &String> {
        [
            &self.jobs,
            &self.dead_jobs,
            &self.unknown_calls,
            &self.inbox,
            &self.outbox,
        ]
        .into_iter()
        .flatten()
    }
}

/// Those of `ids` that are neither a payment nor a refund.
pub(crate) async fn missing(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    let missing = "select id from unnest($1::uuid[]) as answered (id)
        where not exists (select from payment where payment.id = answered.id)
          and not exists (select from refund where refund.id = answered.id)";
    Ok(sqlx::query_scalar(missing)
        .bind(ids)
        .fetch_all(pool)
        .await?)
}

/// Every payment.
pub(crate) async fn payments(pool: &PgPool) -> Result<Vec<Payment>> {
    let rows = sqlx::query("select id, status, version from payment order by id")
        .fetch_all(pool)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Payment {
                id: row.try_get("id")?,
                status: row.try_get("status")?,
                version: row.try_get("version")?,
            })
        })
        .collect()
}

/// The present versions of these payments.
pub(crate) async fn versions(pool: &PgPool, ids: &[Uuid]) -> Result<BTreeMap<Uuid, i64>> {
    let rows = sqlx::query("select id, version from payment where id = any($1)")
        .bind(ids)
        .fetch_all(pool)
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("id")?, row.try_get("version")?)))
        .collect()
}

/// The money of all payments, by currency.
pub(crate) async fn sums(pool: &PgPool) -> Result<BTreeMap<String, Sums>> {
    let sums = "select currency, sum(amount_captured)::bigint as captured, sum(amount_refunded)::bigint as refunded
        from payment group by currency";
    let rows = sqlx::query(sums).fetch_all(pool).await?;
    rows.iter()
        .map(|row| {
            let sums = Sums {
                captured: row.try_get("captured")?,
                refunded: row.try_get("refunded")?,
            };
            Ok((row.try_get("currency")?, sums))
        })
        .collect()
}

/// Unfinished work, at most a hundred lines of each kind.
pub(crate) async fn open(pool: &PgPool) -> Result<Open> {
    let jobs = "select id, kind, payment_id, state || coalesce(', ' || error, '') as state from job
        where state in ('queued', 'running') order by id limit 100";
    let dead = "select id, kind, payment_id, state || coalesce(', ' || error, '') as state from job
        where state = 'dead' order by id limit 100";
    let unknown = "select id, kind, payment_id, state from job where unknown order by id limit 100";
    let inbox = "select id, type as kind, payment_id, coalesce(status, 'lost') || coalesce(', ' || error, '') as state from inbox_status
        where status is null or status in ('received', 'retrying', 'deferred', 'dead') order by received_at limit 100";
    let outbox = "select seq::text as id, 'messages' as kind, null::uuid as payment_id, 'number ' || count as state from outbox
        order by seq limit 100";
    Ok(Open {
        jobs: lines(pool, "job", jobs).await?,
        dead_jobs: lines(pool, "job", dead).await?,
        unknown_calls: lines(pool, "call of job", unknown).await?,
        inbox: lines(pool, "inbox", inbox).await?,
        outbox: lines(pool, "outbox", outbox).await?,
    })
}

async fn lines(pool: &PgPool, name: &str, query: &'static str) -> Result<Vec<String>> {
    let line = |row: &PgRow| -> Result<String> {
        let id = row
            .try_get::<String, _>("id")
            .or_else(|_| row.try_get::<Uuid, _>("id").map(|id| id.to_string()))?;
        let payment: Option<Uuid> = row.try_get("payment_id")?;
        let payment = payment.map(|id| id.to_string()).unwrap_or_default();
        let (kind, state): (String, String) = (row.try_get("kind")?, row.try_get("state")?);
        Ok(format!("{name} {id} {kind} of payment {payment}: {state}"))
    };
    sqlx::query(query)
        .fetch_all(pool)
        .await?
        .iter()
        .map(line)
        .collect()
}

/// The payments whose versions are not exactly 1..n.
pub(crate) async fn gaps(pool: &PgPool) -> Result<Vec<Uuid>> {
    let gaps =
        "select payment.id from payment left join transition on transition.stream = payment.id
        group by payment.id
        having count(transition.version) <> payment.version
            or max(transition.version) is distinct from payment.version
            or min(transition.version) is distinct from 1";
    Ok(sqlx::query_scalar(gaps).fetch_all(pool).await?)
}

/// The payments whose attempts before the newest one are not exactly 1..n-1.
pub(crate) async fn lost_attempts(pool: &PgPool) -> Result<Vec<String>> {
    let lost = "select payment.id::text || ': its attempts are not 1..' || payment.attempts
        from payment left join attempt on attempt.payment_id = payment.id
        group by payment.id
        having count(attempt.number) <> greatest(payment.attempts - 1, 0) or max(attempt.number) >= payment.attempts";
    Ok(sqlx::query_scalar(lost).fetch_all(pool).await?)
}

/// The transitions that are not in the table of edges, or do not start where the one before ended.
pub(crate) async fn illegal(pool: &PgPool) -> Result<Vec<String>> {
    let illegal = "with move as (
            select stream, version, machine, from_status, kind, to_status,
                coalesce(lag(to_status) over (partition by machine, subject order by version), 'none') as left_at
            from transition)
        select stream::text || ' version ' || version || ': ' || machine || ' ' || from_status || ' -' || kind || '-> ' || to_status
        from move
        where from_status <> left_at
           or not exists (select from edge where edge.machine = move.machine and edge.from_status = move.from_status
                and edge.kind = move.kind and edge.to_status = move.to_status)
        limit 100";
    Ok(sqlx::query_scalar(illegal).fetch_all(pool).await?)
}

/// Every transition, as stream and version.
pub(crate) async fn transitions(pool: &PgPool) -> Result<Vec<(Uuid, i64)>> {
    let rows = sqlx::query("select stream, version from transition order by stream, version")
        .fetch_all(pool)
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("stream")?, row.try_get("version")?)))
        .collect()
}
