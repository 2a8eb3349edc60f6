//! Table `payment`, read together with the latest attempt of each payment.

mod page;

use std::collections::HashSet;
use std::str::FromStr;

use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::money::Money;
use workflows::payment::{Call, CaptureMethod, Payment, Status};

use crate::record::{Notes, Record};

pub(crate) use page::{Wanted, page};

/// A row as it stands, before its words are understood.
struct Row {
    id: Uuid,
    account_id: Uuid,
    status: String,
    version: i64,
    amount: i64,
    currency: String,
    capture_method: String,
    amount_authorized: i64,
    amount_capturable: i64,
    amount_captured: i64,
    amount_refunded: i64,
    amount_reserved: i64,
    confirm: bool,
    payment_method: Option<String>,
    return_url: Option<String>,
    intent_id: Option<String>,
    client_secret: Option<String>,
    next_action: Option<Value>,
    last_error: Option<Value>,
    cancellation_reason: Option<String>,
    capture_before: Option<i64>,
    cancel_requested: bool,
    open_call: Option<String>,
    attempts: i32,
    reference: Option<String>,
    customer: Option<Value>,
    description: Option<String>,
    statement_descriptor: Option<String>,
    metadata: Value,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    /// The latest attempt as the same snapshot shows it, where the statement asks for it.
    attempt: Option<Value>,
}

impl Row {
    /// A word that this version does not know stops this payment, not the worker (C27 of the faults).
    fn read(self) -> sqlx::Result<Record> {
        let capture_before = self.capture_before;
        Ok(Record {
            payment: Payment {
                id: self.id,
                status: word::<Status>("payment.status", &self.status)?,
                money: Money::parse(self.amount, &self.currency)
                    .map_err(|error| decode("payment.amount", error))?,
                capture_method: word::<CaptureMethod>(
                    "payment.capture_method",
                    &self.capture_method,
                )?,
                confirm: self.confirm,
                payment_method: self.payment_method,
                return_url: self.return_url,
                intent_id: self.intent_id,
                client_secret: self.client_secret,
                next_action: self.next_action,
                last_error: document("payment.last_error", self.last_error)?,
                cancellation_reason: self.cancellation_reason,
                authorized: self.amount_authorized,
                capturable: self.amount_capturable,
                captured: self.amount_captured,
                refunded: self.amount_refunded,
                reserved: self.amount_reserved,
                capture_before,
                cancel_requested: self.cancel_requested,
                open_call: self
                    .open_call
                    .map(|call| word::<Call>("payment.open_call", &call))
                    .transpose()?,
                attempts: self.attempts,
                version: self.version,
            },
            attempt: document("attempt", self.attempt)?,
            account: self.account_id,
            notes: Notes {
                reference: self.reference,
                customer: document("payment.customer", self.customer)?,
                description: self.description,
                statement_descriptor: self.statement_descriptor,
                metadata: document("payment.metadata", Some(self.metadata))?.unwrap_or_default(),
            },
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// A fault in what is stored: the payment stops, and the log says where.
pub(super) fn decode(
    column: &str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: Box::new(error),
    }
}

/// Understands one word of a machine.
pub(super) fn word<T: FromStr>(column: &str, text: &str) -> sqlx::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error| decode(column, error))
}

/// Understands a JSON column.
pub(super) fn document<T: serde::de::DeserializeOwned>(
    column: &str,
    value: Option<Value>,
) -> sqlx::Result<Option<T>> {
    value
        .map(serde_json::from_value)
        .transpose()
        .map_err(|error| decode(column, error))
}

/// Locks the payments in the order of their ids, so that two groups never wait for each other in a ring.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> sqlx::Result<Vec<sqlx::Result<Record>>> {
    let rows = sqlx::query_as!(Row, r#"select *, null::jsonb as attempt from payment where id = any($1) order by id for update"#, ids)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(Row::read).collect())
}

/// Reads payments without a lock, each with its latest attempt: what is committed now.
pub(crate) async fn read(connection: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Record>> {
    sqlx::query_as!(
        Row,
        "select p.*, (select to_jsonb(a) from attempt a where a.payment_id = p.id and a.number = p.attempts) as attempt
         from payment p where id = any($1)",
        ids,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(Row::read)
    .collect()
}

/// The payment of an intent of Stripe's.
pub(crate) async fn of_intents(
    connection: &mut PgConnection,
    intents: &[String],
) -> sqlx::Result<Vec<(String, Uuid)>> {
    let rows = sqlx::query!(
        r#"select intent_id as "intent_id!", id from payment where intent_id = any($1)"#,
        intents,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.intent_id, row.id))
        .collect())
}

/// The account's payment with this reference.
pub(crate) async fn of_reference(
    connection: &mut PgConnection,
    account: Uuid,
    reference: &str,
) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "select id from payment where account_id = $1 and reference = $2",
        account,
        reference
    )
    .fetch_optional(connection)
    .await
}

/// Adds new payments and returns the ids of those added: one whose reference is taken in its account is left out.
pub(crate) async fn add(
    connection: &mut PgConnection,
    rows: &[&Record],
) -> sqlx::Result<HashSet<Uuid>> {
    let texts = |field: fn(&Record) -> Option<String>| -> Vec<Option<String>> {
        rows.iter().map(|row| field(row)).collect()
    };
    let words = |field: fn(&Record) -> String| -> Vec<String> {
        rows.iter().map(|row| field(row)).collect()
    };
    let documents = |field: fn(&Record) -> Option<Value>| -> Vec<Option<Value>> {
        rows.iter().map(|row| field(row)).collect()
    };
    let ids: Vec<Uuid> = rows.iter().map(|row| row.payment.id).collect();
    let accounts: Vec<Uuid> = rows.iter().map(|row| row.account).collect();
    let amounts: Vec<i64> = rows.iter().map(|row| row.payment.money.amount()).collect();
    let confirms: Vec<bool> = rows.iter().map(|row| row.payment.confirm).collect();
    let created: Vec<OffsetDateTime> = rows.iter().map(|row| row.created_at).collect();
    let versions: Vec<i64> = rows.iter().map(|row| row.payment.version).collect();
    let added = sqlx::query_scalar!(
        "insert into payment (id, account_id, status, version, amount, currency, capture_method, confirm, payment_method,
                              return_url, open_call, reference, customer, description, statement_descriptor, metadata,
                              created_at, updated_at)
         select id, account_id, status, version, amount, currency, capture_method, confirm, payment_method,
                return_url, open_call, reference, customer, description, statement_descriptor, metadata, created_at, created_at
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::int8[], $5::int8[], $6::text[], $7::text[], $8::bool[],
                     $9::text[], $10::text[], $11::text[], $12::text[], $13::jsonb[], $14::text[], $15::text[],
                     $16::jsonb[], $17::timestamptz[])
              as t (id, account_id, status, version, amount, currency, capture_method, confirm, payment_method,
                    return_url, open_call, reference, customer, description, statement_descriptor, metadata, created_at)
         on conflict (account_id, reference) where reference is not null do nothing
         returning id",
        &ids,
        &accounts,
        &words(|row| row.payment.status.to_string()),
        &versions,
        &amounts,
        &words(|row| row.payment.money.currency().code()),
        &words(|row| row.payment.capture_method.to_string()),
        &confirms,
        &texts(|row| row.payment.payment_method.clone()) as &[Option<String>],
        &texts(|row| row.payment.return_url.clone()) as &[Option<String>],
        &texts(|row| row.payment.open_call.map(|call| call.to_string())) as &[Option<String>],
        &texts(|row| row.notes.reference.clone()) as &[Option<String>],
        &documents(|row| serde_json::to_value(row.notes.customer.as_ref()?).ok()) as &[Option<Value>],
        &texts(|row| row.notes.description.clone()) as &[Option<String>],
        &texts(|row| row.notes.statement_descriptor.clone()) as &[Option<String>],
        &documents(|row| serde_json::to_value(&row.notes.metadata).ok()) as &[Option<Value>],
        &created,
    )
    .fetch_all(connection)
    .await?;
    Ok(added.into_iter().collect())
}

/// Writes what moves of a payment. The rows are locked by the caller.
pub(crate) async fn write(
    connection: &mut PgConnection,
    rows: &[&Record],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let texts = |field: fn(&Payment) -> Option<String>| -> Vec<Option<String>> {
        rows.iter().map(|row| field(&row.payment)).collect()
    };
    let numbers = |field: fn(&Payment) -> i64| -> Vec<i64> {
        rows.iter().map(|row| field(&row.payment)).collect()
    };
    let documents = |field: fn(&Payment) -> Option<Value>| -> Vec<Option<Value>> {
        rows.iter().map(|row| field(&row.payment)).collect()
    };
    let ids: Vec<Uuid> = rows.iter().map(|row| row.payment.id).collect();
    let statuses: Vec<String> = rows
        .iter()
        .map(|row| row.payment.status.as_str().to_owned())
        .collect();
    let cancels: Vec<bool> = rows
        .iter()
        .map(|row| row.payment.cancel_requested)
        .collect();
    let before: Vec<Option<i64>> = rows.iter().map(|row| row.payment.capture_before).collect();
    let attempts: Vec<i32> = rows.iter().map(|row| row.payment.attempts).collect();
    sqlx::query!(
        "update payment as p set
            status = t.status, version = t.version,
            amount_authorized = t.authorized, amount_capturable = t.capturable, amount_captured = t.captured,
            amount_refunded = t.refunded, amount_reserved = t.reserved,
            payment_method = t.payment_method, return_url = t.return_url, intent_id = t.intent_id,
            client_secret = t.client_secret, next_action = t.next_action, last_error = t.last_error,
            cancellation_reason = t.cancellation_reason, capture_before = t.capture_before,
            cancel_requested = t.cancel_requested, open_call = t.open_call, attempts = t.attempts, updated_at = $20
         from unnest($1::uuid[], $2::text[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::int8[],
                     $9::text[], $10::text[], $11::text[], $12::text[], $13::jsonb[], $14::jsonb[], $15::text[],
                     $16::int8[], $17::bool[], $18::text[], $19::int4[])
              as t (id, status, version, authorized, capturable, captured, refunded, reserved, payment_method, return_url,
                    intent_id, client_secret, next_action, last_error, cancellation_reason, capture_before,
                    cancel_requested, open_call, attempts)
         where p.id = t.id",
        &ids,
        &statuses,
        &numbers(|it| it.version),
        &numbers(|it| it.authorized),
        &numbers(|it| it.capturable),
        &numbers(|it| it.captured),
        &numbers(|it| it.refunded),
        &numbers(|it| it.reserved),
        &texts(|it| it.payment_method.clone()) as &[Option<String>],
        &texts(|it| it.return_url.clone()) as &[Option<String>],
        &texts(|it| it.intent_id.clone()) as &[Option<String>],
        &texts(|it| it.client_secret.clone()) as &[Option<String>],
        &documents(|it| it.next_action.clone()) as &[Option<Value>],
        &documents(|it| it.last_error.as_ref().and_then(|error| serde_json::to_value(error).ok())) as &[Option<Value>],
        &texts(|it| it.cancellation_reason.clone()) as &[Option<String>],
        &before as &[Option<i64>],
        &cancels,
        &texts(|it| it.open_call.map(|call| call.as_str().to_owned())) as &[Option<String>],
        &attempts,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}
