//! Table `refund`.

use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::refund::{Refund, Status};

use super::payment::{document, word};

/// A refund with what only its row knows.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) refund: Refund,
    pub(crate) payment: Uuid,
    pub(crate) currency: String,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) updated_at: OffsetDateTime,
}

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
    fn read(self) -> sqlx::Result<Stored> {
        Ok(Stored {
            refund: Refund {
                id: self.id,
                status: word::<Status>("refund.status", &self.status)?,
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

/// All refunds of the payments, oldest first.
pub(crate) async fn of_payments(
    connection: &mut PgConnection,
    payments: &[Uuid],
) -> sqlx::Result<Vec<Stored>> {
    sqlx::query_as!(
        Row,
        "select r.id, payment_id, r.status, r.amount, currency, stripe_id, reason, error, r.created_at, r.updated_at
         from refund r join payment p on p.id = r.payment_id where payment_id = any($1) order by r.id",
        payments,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(Row::read)
    .collect()
}

/// One refund of an account.
pub(crate) async fn read(
    connection: &mut PgConnection,
    account: Uuid,
    id: Uuid,
) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as!(
        Row,
        "select r.id, payment_id, r.status, r.amount, currency, stripe_id, reason, error, r.created_at, r.updated_at
         from refund r join payment p on p.id = r.payment_id where r.id = $1 and r.account_id = $2",
        id,
        account,
    )
    .fetch_optional(connection)
    .await?
    .map(Row::read)
    .transpose()
}

/// Writes refunds, new or changed.
pub(crate) async fn write(
    connection: &mut PgConnection,
    rows: &[(Uuid, Uuid, &Refund)],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let payments: Vec<Uuid> = rows.iter().map(|(payment, _, _)| *payment).collect();
    let accounts: Vec<Uuid> = rows.iter().map(|(_, account, _)| *account).collect();
    let ids: Vec<Uuid> = rows.iter().map(|(_, _, it)| it.id).collect();
    let statuses: Vec<String> = rows
        .iter()
        .map(|(_, _, it)| it.status.as_str().to_owned())
        .collect();
    let amounts: Vec<i64> = rows.iter().map(|(_, _, it)| it.amount).collect();
    let stripe_ids: Vec<Option<String>> =
        rows.iter().map(|(_, _, it)| it.stripe_id.clone()).collect();
    let reasons: Vec<Option<String>> = rows.iter().map(|(_, _, it)| it.reason.clone()).collect();
    let errors: Vec<Option<Value>> = rows
        .iter()
        .map(|(_, _, it)| {
            it.error
                .as_ref()
                .and_then(|error| serde_json::to_value(error).ok())
        })
        .collect();
    sqlx::query!(
        "insert into refund as r (payment_id, account_id, id, status, amount, stripe_id, reason, error, created_at, updated_at)
         select payment_id, account_id, id, status, amount, stripe_id, reason, error, $9, $9
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::int8[], $6::text[], $7::text[], $8::jsonb[])
              as t (payment_id, account_id, id, status, amount, stripe_id, reason, error)
         on conflict (id) do update set
            status = excluded.status, stripe_id = excluded.stripe_id, error = excluded.error,
            reason = excluded.reason, updated_at = excluded.updated_at",
        &payments,
        &accounts,
        &ids,
        &statuses,
        &amounts,
        &stripe_ids as &[Option<String>],
        &reasons as &[Option<String>],
        &errors as &[Option<Value>],
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}
