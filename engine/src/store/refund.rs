//! Table `refund`.

mod page;

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::refund::{Refund, Status};
use workflows::stream::{Needs, Stream};

use super::decode::{document, name, rows};
use crate::record::{Change, Record, RefundRecord};

pub(crate) use page::Criteria;

/// A row as Postgres holds it, before its status and its error are decoded.
struct Row {
    id: Uuid,
    payment_id: Uuid,
    status: String,
    amount: i64,
    currency: String,
    stripe_id: Option<String>,
    reason: Option<String>,
    error: Option<Value>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl Row {
    fn decode(self) -> sqlx::Result<RefundRecord> {
        Ok(RefundRecord {
            refund: Refund {
                id: self.id,
                status: name::<Status>("refund.status", &self.status)?,
                amount: self.amount,
                stripe_id: self.stripe_id,
                reason: self.reason,
                error: document("refund.error", self.error)?,
            },
            payment: self.payment_id,
            currency: self.currency,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// Reads the refunds of the payments that need them into their records, the oldest first.
pub(super) async fn load(
    connection: &mut PgConnection,
    needs: &BTreeMap<Uuid, Needs>,
    records: &mut HashMap<Uuid, Record>,
) -> sqlx::Result<()> {
    let payments: Vec<Uuid> = needs
        .iter()
        .filter(|(payment, needs)| needs.refunds && records.contains_key(payment))
        .map(|(payment, _)| *payment)
        .collect();
    if payments.is_empty() {
        return Ok(());
    }
    for found in list(connection, &payments).await? {
        if let Some(record) = records.get_mut(&found.payment) {
            record.stream.refunds.push(found.refund);
        }
    }
    Ok(())
}

/// Writes the refunds that are new or changed.
pub(super) async fn write(
    connection: &mut PgConnection,
    changes: &[Change<'_>],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    #[derive(Serialize)]
    struct Row<'a> {
        payment_id: Uuid,
        account_id: Uuid,
        #[serde(flatten)]
        refund: &'a Refund,
    }
    let written: Vec<Row<'_>> = changes
        .iter()
        .flat_map(|change| {
            let record = change.after;
            change
                .changed(|stream| &stream.refunds)
                .map(move |refund| Row {
                    payment_id: record.stream.payment.id,
                    account_id: record.account,
                    refund,
                })
        })
        .collect();
    if written.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into refund as r (payment_id, account_id, id, status, amount, stripe_id, reason, error, created_at, updated_at)
         select payment_id, account_id, id, status, amount, stripe_id, reason, error, $2, $2
         from json_populate_recordset(null::refund, $1::text::json)
         on conflict (id) do update set
            status = excluded.status, stripe_id = excluded.stripe_id, error = excluded.error,
            reason = excluded.reason, updated_at = excluded.updated_at",
        rows(&written)?,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The facts that the history keeps of a refund that moved.
pub(super) fn facts(after: &Stream, id: Uuid) -> Value {
    let refund = after.refunds.iter().find(|it| it.id == id);
    json!({
        "amount": refund.map(|it| it.amount),
        "stripe_id": refund.and_then(|it| it.stripe_id.as_deref()),
        "reason": refund.and_then(|it| it.reason.as_deref()),
        "error": refund.and_then(|it| it.error.as_ref()),
    })
}

/// All refunds of the payments, the oldest first.
pub(crate) async fn list(
    connection: &mut PgConnection,
    payments: &[Uuid],
) -> sqlx::Result<Vec<RefundRecord>> {
    sqlx::query_as!(
        Row,
        "select r.id, payment_id, r.status, r.amount, currency, stripe_id, reason, error, r.created_at, r.updated_at
         from refund r join payment p on p.id = r.payment_id where payment_id = any($1) order by r.id",
        payments,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(Row::decode)
    .collect()
}

/// The payment of a refund, by our id of it or by Stripe's.
pub(crate) async fn payment_of(
    connection: &mut PgConnection,
    id: Option<Uuid>,
    stripe_id: Option<&str>,
) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "select payment_id from refund where id = $1 union all select payment_id from refund where stripe_id = $2 limit 1",
        id,
        stripe_id,
    )
    .fetch_optional(connection)
    .await
    .map(Option::flatten)
}

/// The accounts and the refunds that bear these ids of Stripe's.
pub(crate) async fn of_stripe(
    connection: &mut PgConnection,
    ids: &[String],
) -> sqlx::Result<Vec<(Uuid, RefundRecord)>> {
    let rows = sqlx::query!(
        "select account_id, id from refund where stripe_id = any($1)",
        ids
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(record) = read(connection, row.account_id, row.id).await? {
            found.push((row.account_id, record));
        }
    }
    Ok(found)
}

/// One refund of an account.
pub(crate) async fn read(
    connection: &mut PgConnection,
    account: Uuid,
    id: Uuid,
) -> sqlx::Result<Option<RefundRecord>> {
    sqlx::query_as!(
        Row,
        "select r.id, payment_id, r.status, r.amount, currency, stripe_id, reason, error, r.created_at, r.updated_at
         from refund r join payment p on p.id = r.payment_id where r.id = $1 and r.account_id = $2",
        id,
        account,
    )
    .fetch_optional(connection)
    .await?
    .map(Row::decode)
    .transpose()
}

/// The first refunds that meet the criteria.
pub(crate) async fn page(
    connection: &mut PgConnection,
    criteria: &Criteria<'_>,
) -> sqlx::Result<Vec<RefundRecord>> {
    let ids = page::ids(connection, criteria).await?;
    let rows = sqlx::query_as!(
        Row,
        "select r.id, payment_id, r.status, r.amount, currency, stripe_id, reason, error, r.created_at, r.updated_at
         from refund r join payment p on p.id = r.payment_id where r.id = any($1)",
        &ids,
    )
    .fetch_all(connection)
    .await?;
    let mut refunds: Vec<RefundRecord> = rows
        .into_iter()
        .map(Row::decode)
        .collect::<sqlx::Result<_>>()?;
    refunds.sort_by_key(|record| record.refund.id);
    if !criteria.oldest_first {
        refunds.reverse();
    }
    Ok(refunds)
}
