//! Table `capture`: the captures of payments that are captured by hand.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::capture::{Capture, Status};
use workflows::stream::Stream;

use super::decode::{document, name, rows};
use crate::record::{Change, Record};

/// Reads the captures of the payments that have any into their records, the oldest first. A payment that is captured at
/// once has none and costs no statement.
pub(super) async fn load(
    connection: &mut PgConnection,
    records: impl Iterator<Item = &mut Record>,
) -> sqlx::Result<()> {
    let mut records: HashMap<Uuid, &mut Record> = records
        .filter(|record| record.stream.payment.captures > 0)
        .map(|record| (record.stream.payment.id, record))
        .collect();
    if records.is_empty() {
        return Ok(());
    }
    let payments: Vec<Uuid> = records.keys().copied().collect();
    let found = sqlx::query!(
        "select id, payment_id, status, amount, final, error from capture where payment_id = any($1) order by id",
        &payments,
    )
    .fetch_all(connection)
    .await?;
    for row in found {
        let capture = Capture {
            id: row.id,
            status: name::<Status>("capture.status", &row.status)?,
            amount: row.amount,
            is_final: row.r#final,
            error: document("capture.error", row.error)?,
        };
        if let Some(record) = records.get_mut(&row.payment_id) {
            record.stream.captures.push(capture);
        }
    }
    Ok(())
}

/// Writes the captures that are new or changed. The caller has locked and written their payments.
pub(super) async fn write(
    connection: &mut PgConnection,
    changes: &[Change<'_>],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    #[derive(Serialize)]
    struct Row<'a> {
        payment_id: Uuid,
        #[serde(flatten)]
        capture: &'a Capture,
    }
    let written: Vec<Row<'_>> = changes
        .iter()
        .flat_map(|change| {
            let payment_id = change.after.stream.payment.id;
            let rows = change.changed(|stream| &stream.captures);
            rows.map(move |capture| Row {
                payment_id,
                capture,
            })
        })
        .collect();
    if written.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into capture (id, payment_id, status, amount, final, error, created_at, updated_at)
         select id, payment_id, status, amount, final, error, $2, $2
         from json_populate_recordset(null::capture, $1::text::json)
         on conflict (id) do update set
            status = excluded.status, error = excluded.error, updated_at = excluded.updated_at",
        rows(&written)?,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The facts that the history keeps of a capture that moved.
pub(super) fn facts(after: &Stream, id: Uuid) -> Value {
    let capture = after.captures.iter().find(|it| it.id == id);
    json!({
        "amount": capture.map(|it| it.amount),
        "final": capture.map(|it| it.is_final),
        "error": capture.and_then(|it| it.error.as_ref()),
    })
}
