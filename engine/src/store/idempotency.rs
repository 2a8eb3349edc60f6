//! Table `idempotency`: answers by the idempotency key of their request, kept for 24 hours.

use std::collections::HashSet;

use bytes::Bytes;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::request::{Answer, Idempotency, RequestKey, SavedAnswer};

/// A key together with the answer to be kept under it.
pub(crate) struct New<'a> {
    pub(crate) idempotency: &'a Idempotency,
    pub(crate) answer: &'a Answer,
}

/// Takes the keys that are free and returns them. A key that another transaction is taking right now is waited for, up to
/// `lock_timeout`. The rows are inserted in the order of their keys, so that two transactions that share keys cannot wait
/// for each other in a circle.
pub(crate) async fn take(
    connection: &mut PgConnection,
    mut rows: Vec<New<'_>>,
) -> sqlx::Result<HashSet<RequestKey>> {
    rows.sort_by_cached_key(|row| row.idempotency.unique());
    let texts = |field: fn(&Idempotency) -> &str| -> Vec<String> {
        rows.iter()
            .map(|row| field(row.idempotency).to_owned())
            .collect()
    };
    let accounts: Vec<Uuid> = rows.iter().map(|row| row.idempotency.account).collect();
    let hashes: Vec<Vec<u8>> = rows
        .iter()
        .map(|row| row.idempotency.body_hash.to_vec())
        .collect();
    let statuses: Vec<i16> = rows
        .iter()
        .map(|row| i16::try_from(row.answer.status).unwrap_or(500))
        .collect();
    let bodies: Vec<Vec<u8>> = rows.iter().map(|row| row.answer.body.to_vec()).collect();
    let payments: Vec<Uuid> = rows.iter().map(|row| row.answer.payment).collect();
    let subjects: Vec<Uuid> = rows.iter().map(|row| row.answer.subject).collect();
    let versions: Vec<i64> = rows.iter().map(|row| row.answer.version).collect();
    let taken = sqlx::query!(
        "insert into idempotency (account_id, method, path, key, body_hash, status, body, payment_id, subject, version, created_at)
         select account_id, method, path, key, body_hash, status, body, payment_id, subject, version, now()
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::int2[], $7::bytea[], $8::uuid[],
                     $9::uuid[], $10::int8[])
              as t (account_id, method, path, key, body_hash, status, body, payment_id, subject, version)
         on conflict do nothing
         returning account_id, method, path, key",
        &accounts,
        &texts(|row| &row.method),
        &texts(|row| &row.path),
        &texts(|row| &row.key),
        &hashes,
        &statuses,
        &bodies,
        &payments,
        &subjects,
        &versions,
    )
    .fetch_all(connection)
    .await?;
    Ok(taken
        .into_iter()
        .map(|row| RequestKey::new(row.account_id, row.method, row.path, row.key))
        .collect())
}

/// Releases keys whose payment is refused after they were taken: a refusal is not stored.
pub(crate) async fn release(
    connection: &mut PgConnection,
    rows: &[&Idempotency],
) -> sqlx::Result<()> {
    let accounts: Vec<Uuid> = rows.iter().map(|row| row.account).collect();
    let texts = |field: fn(&Idempotency) -> &str| -> Vec<String> {
        rows.iter().map(|row| field(row).to_owned()).collect()
    };
    sqlx::query!(
        "delete from idempotency where (account_id, method, path, key) in
            (select account_id, method, path, key
             from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as t (account_id, method, path, key))",
        &accounts,
        &texts(|row| &row.method),
        &texts(|row| &row.path),
        &texts(|row| &row.key),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Reads the answer that is kept under a key.
pub(crate) async fn read(
    connection: &mut PgConnection,
    idempotency: &Idempotency,
) -> sqlx::Result<Option<SavedAnswer>> {
    let row = sqlx::query!(
        "select body_hash, status, body, payment_id, subject, version from idempotency
         where account_id = $1 and method = $2 and path = $3 and key = $4",
        idempotency.account,
        idempotency.method,
        idempotency.path,
        idempotency.key,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| SavedAnswer {
        body_hash: row.body_hash,
        answer: Answer {
            status: u16::try_from(row.status).unwrap_or(500),
            body: Bytes::from(row.body),
            replayed: true,
            payment: row.payment_id,
            subject: row.subject,
            version: row.version,
        },
    }))
}

/// Deletes keys older than 24 hours, at most `limit` of them; returns how many.
pub(crate) async fn delete_expired(connection: &mut PgConnection, limit: i64) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from idempotency where ctid in
            (select ctid from idempotency where created_at < now() - interval '24 hours' limit $1)",
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
