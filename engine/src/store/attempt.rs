//! Table `attempt`: the attempts of each payment before its newest one, which is in `payment`. Rows are added, never
//! changed.

use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;
use workflows::attempt::Attempt;
use workflows::stream::Stream;

use super::decode::rows;
use crate::record::Change;

/// Adds the attempts that were followed by another one. The caller has locked their payments.
pub(super) async fn write(
    connection: &mut PgConnection,
    changes: &[Change<'_>],
) -> sqlx::Result<()> {
    #[derive(Serialize)]
    struct Row<'a> {
        payment_id: Uuid,
        #[serde(flatten)]
        attempt: &'a Attempt,
    }
    let followed: Vec<Row<'_>> = changes
        .iter()
        .flat_map(|change| {
            let after = &change.after.stream;
            let payment_id = after.payment.id;
            let earlier = after.earlier_attempts().iter();
            earlier.map(move |attempt| Row {
                payment_id,
                attempt,
            })
        })
        .collect();
    if followed.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into attempt (payment_id, number, id, status, charge_id, payment_method, error)
         select payment_id, number, id, status, charge_id, payment_method, error
         from json_populate_recordset(null::attempt, $1::text::json)",
        rows(&followed)?,
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
