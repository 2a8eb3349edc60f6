//! Table `attempt`: one confirmation of a payment each.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::attempt::{Attempt, Status};

use super::payment::{document, word};

/// The latest attempt of each payment, by payment. Called after the payments are locked: a snapshot taken by the
/// locking statement itself could show attempts from before the wait.
pub(crate) async fn latest(
    connection: &mut PgConnection,
    payments: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Attempt>> {
    if payments.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        "select a.payment_id, a.id, a.number, a.status, a.charge_id, a.payment_method, a.error
         from payment p join attempt a on a.payment_id = p.id and a.number = p.attempts
         where p.id = any($1)",
        payments,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let attempt = Attempt {
                id: row.id,
                number: row.number,
                status: word::<Status>("attempt.status", &row.status)?,
                charge_id: row.charge_id,
                payment_method: row.payment_method,
                error: document("attempt.error", row.error)?,
            };
            Ok((row.payment_id, attempt))
        })
        .collect()
}

/// Writes attempts, new or changed. Closed ones go first: a payment may close one attempt and open the next at once,
/// and at no moment may it have two open.
pub(crate) async fn write(
    connection: &mut PgConnection,
    rows: &[(Uuid, &Attempt)],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let mut ordered: Vec<_> = rows.iter().collect();
    ordered.sort_by_key(|(_, attempt)| attempt.number);
    let payments: Vec<Uuid> = ordered.iter().map(|(payment, _)| *payment).collect();
    let ids: Vec<Uuid> = ordered.iter().map(|(_, it)| it.id).collect();
    let numbers: Vec<i32> = ordered.iter().map(|(_, it)| it.number).collect();
    let statuses: Vec<String> = ordered
        .iter()
        .map(|(_, it)| it.status.as_str().to_owned())
        .collect();
    let charges: Vec<Option<String>> = ordered.iter().map(|(_, it)| it.charge_id.clone()).collect();
    let methods: Vec<Option<String>> = ordered
        .iter()
        .map(|(_, it)| it.payment_method.clone())
        .collect();
    let errors: Vec<Option<Value>> = ordered
        .iter()
        .map(|(_, it)| {
            it.error
                .as_ref()
                .and_then(|error| serde_json::to_value(error).ok())
        })
        .collect();
    sqlx::query!(
        "insert into attempt as a (payment_id, id, number, status, charge_id, payment_method, error, created_at, updated_at)
         select payment_id, id, number, status, charge_id, payment_method, error, $8, $8
         from unnest($1::uuid[], $2::uuid[], $3::int4[], $4::text[], $5::text[], $6::text[], $7::jsonb[])
              as t (payment_id, id, number, status, charge_id, payment_method, error)
         on conflict (id) do update set
            status = excluded.status, charge_id = excluded.charge_id, payment_method = excluded.payment_method,
            error = excluded.error, updated_at = excluded.updated_at",
        &payments,
        &ids,
        &numbers,
        &statuses,
        &charges as &[Option<String>],
        &methods as &[Option<String>],
        &errors as &[Option<Value>],
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}
