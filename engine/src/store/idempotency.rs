//! Table `idempotency`: answers that were given, by the key of the request.

use std::collections::HashSet;

use bytes::Bytes;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Answer, Idempotency};

/// An answer as it was first given.
#[derive(Debug, Clone)]
pub(crate) struct Saved {
    pub(crate) body_hash: Vec<u8>,
    pub(crate) answer: Answer,
}

/// A key together with the answer to be kept under it.
pub(crate) struct New<'a> {
    pub(crate) idempotency: &'a Idempotency,
    pub(crate) answer: &'a Answer,
}

/// Takes the keys that are still free and returns the positions of those it took. A key that another transaction is
/// taking right now is waited for, up to `lock_timeout`. The rows go in ordered by key, so that two groups that share
/// keys cannot wait for each other in a ring.
pub(crate) async fn take(
    connection: &mut PgConnection,
    rows: &[New<'_>],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<bool>> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&at| {
        (
            rows[at].idempotency.account,
            rows[at].idempotency.key.as_str(),
        )
    });
    let pick = |field: fn(&Idempotency) -> &str| -> Vec<String> {
        order
            .iter()
            .map(|&at| field(rows[at].idempotency).to_owned())
            .collect()
    };
    let accounts: Vec<Uuid> = order
        .iter()
        .map(|&at| rows[at].idempotency.account)
        .collect();
    let hashes: Vec<Vec<u8>> = order
        .iter()
        .map(|&at| rows[at].idempotency.body_hash.to_vec())
        .collect();
    let statuses: Vec<i16> = order
        .iter()
        .map(|&at| i16::try_from(rows[at].answer.status).unwrap_or(500))
        .collect();
    let bodies: Vec<Vec<u8>> = order
        .iter()
        .map(|&at| rows[at].answer.body.to_vec())
        .collect();
    let payments: Vec<Uuid> = order.iter().map(|&at| rows[at].answer.payment).collect();
    let versions: Vec<i64> = order.iter().map(|&at| rows[at].answer.version).collect();
    let taken = sqlx::query!(
        "insert into idempotency (account_id, method, path, key, body_hash, status, body, payment_id, version, created_at)
         select account_id, method, path, key, body_hash, status, body, payment_id, version, $10
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::int2[], $7::bytea[], $8::uuid[], $9::int8[])
              as t (account_id, method, path, key, body_hash, status, body, payment_id, version)
         on conflict do nothing
         returning account_id, method, path, key",
        &accounts,
        &pick(|row| &row.method),
        &pick(|row| &row.path),
        &pick(|row| &row.key),
        &hashes,
        &statuses,
        &bodies,
        &payments,
        &versions,
        now,
    )
    .fetch_all(connection)
    .await?;
    // Several commands of one group may be about one payment, so the whole key tells the rows apart.
    let taken: HashSet<_> = taken
        .into_iter()
        .map(|row| (row.account_id, row.method, row.path, row.key))
        .collect();
    Ok(rows
        .iter()
        .map(|row| {
            let it = row.idempotency;
            taken.contains(&(
                it.account,
                it.method.clone(),
                it.path.clone(),
                it.key.clone(),
            ))
        })
        .collect())
}

/// Gives back keys whose payment was refused after all: a refusal is not stored.
pub(crate) async fn give_back(
    connection: &mut PgConnection,
    rows: &[&Idempotency],
) -> sqlx::Result<()> {
    let accounts: Vec<Uuid> = rows.iter().map(|row| row.account).collect();
    let field = |field: fn(&Idempotency) -> &str| -> Vec<String> {
        rows.iter().map(|row| field(row).to_owned()).collect()
    };
    sqlx::query!(
        "delete from idempotency where (account_id, method, path, key) in
            (select account_id, method, path, key
             from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as t (account_id, method, path, key))",
        &accounts,
        &field(|row| &row.method),
        &field(|row| &row.path),
        &field(|row| &row.key),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The answer saved under a key.
pub(crate) async fn saved(
    connection: &mut PgConnection,
    idempotency: &Idempotency,
) -> sqlx::Result<Option<Saved>> {
    let row = sqlx::query!(
        "select body_hash, status, body, payment_id, version from idempotency
         where account_id = $1 and method = $2 and path = $3 and key = $4",
        idempotency.account,
        idempotency.method,
        idempotency.path,
        idempotency.key,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Saved {
        body_hash: row.body_hash,
        answer: Answer {
            status: u16::try_from(row.status).unwrap_or(500),
            body: Bytes::from(row.body),
            replayed: true,
            payment: row.payment_id,
            version: row.version,
        },
    }))
}

/// Forgets keys older than 24 hours, at most `limit` of them; returns how many.
pub(crate) async fn forget_old(connection: &mut PgConnection, limit: i64) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from idempotency where ctid in
            (select ctid from idempotency where created_at < now() - interval '24 hours' limit $1)",
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
