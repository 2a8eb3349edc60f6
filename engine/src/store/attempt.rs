//! Table `attempt`: one confirmation of a payment each.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::attempt::{Attempt, Status};
use workflows::stream::{Needs, Stream};

use super::decode::{document, name, rows};
use crate::record::{Change, Record};

/// Reads the newest attempt of each payment into its record. Called after the payments are locked: a snapshot taken by
/// the locking statement itself could show attempts from before the wait for the lock.
pub(super) async fn load(
    connection: &mut PgConnection,
    _needs: &BTreeMap<Uuid, Needs>,
    records: &mut HashMap<Uuid, Record>,
) -> sqlx::Result<()> {
    let payments: Vec<Uuid> = records
        .values()
        .map(|record| &record.stream.payment)
        .filter(|payment| payment.attempts > 0)
        .map(|payment| payment.id)
        .collect();
    if payments.is_empty() {
        return Ok(());
    }
    let found = sqlx::query!(
        "select a.payment_id, a.id, a.number, a.status, a.charge_id, a.payment_method, a.error
         from payment p join attempt a on a.payment_id = p.id and a.number = p.attempts
         where p.id = any($1)",
        &payments,
    )
    .fetch_all(connection)
    .await?;
    for row in found {
        let Some(record) = records.get_mut(&row.payment_id) else {
            continue;
        };
        record.stream.attempts = vec![Attempt {
            id: row.id,
            number: row.number,
            status: name::<Status>("attempt.status", &row.status)?,
            charge_id: row.charge_id,
            payment_method: row.payment_method,
            error: document("attempt.error", row.error)?,
        }];
    }
    Ok(())
}

/// Writes the attempts that are new or changed. Closed ones go first: a payment may close one attempt and open the next
/// in one transaction, and at no moment may it have two open.
pub(super) async fn write(
    connection: &mut PgConnection,
    changes: &[Change<'_>],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    #[derive(Serialize)]
    struct Row<'a> {
        payment_id: Uuid,
        #[serde(flatten)]
        attempt: &'a Attempt,
    }
    let mut written: Vec<Row<'_>> = changes
        .iter()
        .flat_map(|change| {
            let payment_id = change.after.stream.payment.id;
            change
                .changed(|stream| &stream.attempts)
                .map(move |attempt| Row {
                    payment_id,
                    attempt,
                })
        })
        .collect();
    if written.is_empty() {
        return Ok(());
    }
    written.sort_by_key(|row| row.attempt.number);
    sqlx::query!(
        "insert into attempt as a (payment_id, id, number, status, charge_id, payment_method, error, created_at, updated_at)
         select payment_id, id, number, status, charge_id, payment_method, error, $2, $2
         from json_populate_recordset(null::attempt, $1::text::json)
         on conflict (id) do update set
            status = excluded.status, charge_id = excluded.charge_id, payment_method = excluded.payment_method,
            error = excluded.error, updated_at = excluded.updated_at",
        rows(&written)?,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The facts that the history keeps of an attempt that moved.
pub(super) fn facts(after: &Stream, id: Uuid) -> Value {
    let attempt = after.attempts.iter().find(|it| it.id == id);
    json!({
        "number": attempt.map(|it| it.number),
        "charge_id": attempt.and_then(|it| it.charge_id.as_deref()),
        "error": attempt.and_then(|it| it.error.as_ref()),
    })
}
