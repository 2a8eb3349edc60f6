//! Table `payment`, which also holds the newest attempt of each payment.

mod decodable;
pub(crate) mod find;
mod lock;
mod page;
pub(crate) mod sums;

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;
use time::serde::rfc3339;
use uuid::Uuid;
use workflows::attempt;
use workflows::attempt::Attempt;
use workflows::capture::Multicapture;
use workflows::money::Money;
use workflows::payment::{Call, CaptureMethod, OnExpiry, Payment, Status};
use workflows::stream::Stream;
use workflows::stripe::StripeError;

use super::capture;
use super::decode::{column_error, document, name, rows};
use crate::record::{Change, Notes, Record};

pub(crate) use decodable::page;
pub(crate) use lock::check_unlocked;
pub(crate) use page::Criteria;

/// A row as Postgres holds it, before its names and documents are decoded.
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
    shown_error: Option<Value>,
    cancellation_reason: Option<String>,
    disputed: bool,
    open_disputes: i32,
    holds: Value,
    capture_before: Option<i64>,
    authorization_expiry: String,
    expiry_noted: Option<i64>,
    cancel_requested: bool,
    open_call: Option<String>,
    attempts: i32,
    multicapture: Option<String>,
    captures: i32,
    attempt_id: Option<Uuid>,
    attempt_status: Option<String>,
    attempt_charge_id: Option<String>,
    attempt_payment_method: Option<String>,
    attempt_error: Option<Value>,
    reference: Option<String>,
    #[expect(dead_code, reason = "only the statements of this module use it")]
    holds_reference: Option<bool>,
    customer: Option<Value>,
    description: Option<String>,
    statement_descriptor: Option<String>,
    payment_method_types: Vec<String>,
    metadata: Value,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

/// The columns of the newest attempt; its number is the column `attempts`.
#[derive(Default, Serialize)]
#[expect(clippy::struct_field_names, reason = "they are named like the columns")]
struct AttemptColumns<'a> {
    attempt_id: Option<Uuid>,
    attempt_status: Option<attempt::Status>,
    attempt_charge_id: Option<&'a str>,
    attempt_payment_method: Option<&'a str>,
    attempt_error: Option<&'a StripeError>,
}

impl<'a> AttemptColumns<'a> {
    fn of(attempt: &'a Attempt) -> Self {
        Self {
            attempt_id: Some(attempt.id),
            attempt_status: Some(attempt.status),
            attempt_charge_id: attempt.charge_id.as_deref(),
            attempt_payment_method: attempt.payment_method.as_deref(),
            attempt_error: attempt.error.as_ref(),
        }
    }
}

impl Row {
    /// A name that this version does not know stops this payment and not the worker.
    fn decode(mut self) -> sqlx::Result<Record> {
        let attempt = self.take_attempt()?;
        Ok(Record {
            stream: Stream {
                payment: Payment {
                    id: self.id,
                    status: name::<Status>("payment.status", &self.status)?,
                    money: Money::parse(self.amount, &self.currency)
                        .map_err(|error| column_error("payment.amount", error))?,
                    capture_method: name::<CaptureMethod>(
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
                    shown_error: document("payment.shown_error", self.shown_error)?,
                    cancellation_reason: self.cancellation_reason,
                    authorized: self.amount_authorized,
                    capturable: self.amount_capturable,
                    captured: self.amount_captured,
                    refunded: self.amount_refunded,
                    reserved: self.amount_reserved,
                    disputed: self.disputed,
                    open_disputes: self.open_disputes,
                    holds: document("payment.holds", Some(self.holds))?.unwrap_or_default(),
                    capture_before: self.capture_before,
                    authorization_expiry: name::<OnExpiry>(
                        "payment.authorization_expiry",
                        &self.authorization_expiry,
                    )?,
                    expiry_noted: self.expiry_noted,
                    cancel_requested: self.cancel_requested,
                    open_call: self
                        .open_call
                        .map(|call| name::<Call>("payment.open_call", &call))
                        .transpose()?,
                    attempts: self.attempts,
                    multicapture: self
                        .multicapture
                        .map(|it| name::<Multicapture>("payment.multicapture", &it))
                        .transpose()?,
                    captures: self.captures,
                    version: self.version,
                },
                attempts: attempt.into_iter().collect(),
                captures: Vec::new(),
                refunds: Vec::new(),
                disputes: Vec::new(),
            },
            account: self.account_id,
            notes: Notes {
                reference: self.reference,
                customer: document("payment.customer", self.customer)?,
                description: self.description,
                statement_descriptor: self.statement_descriptor,
                payment_method_types: self.payment_method_types,
                metadata: document("payment.metadata", Some(self.metadata))?.unwrap_or_default(),
            },
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }

    fn take_attempt(&mut self) -> sqlx::Result<Option<Attempt>> {
        let (Some(id), Some(status)) = (self.attempt_id, &self.attempt_status) else {
            return Ok(None);
        };
        Ok(Some(Attempt {
            id,
            number: self.attempts,
            status: name::<attempt::Status>("payment.attempt_status", status)?,
            charge_id: self.attempt_charge_id.take(),
            payment_method: self.attempt_payment_method.take(),
            error: document("payment.attempt_error", self.attempt_error.take())?,
        }))
    }
}

/// Locks those of the payments that no other transaction has locked, without waiting. One whose row cannot be decoded is
/// locked all the same.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> sqlx::Result<Vec<(Uuid, sqlx::Result<Record>)>> {
    let rows = sqlx::query_as!(
        Row,
        "select * from payment where id = any($1) order by id for update skip locked",
        ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.decode())).collect())
}

/// Those of the payments that exist.
pub(crate) async fn existing(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> sqlx::Result<HashSet<Uuid>> {
    let rows = sqlx::query_scalar!("select id from payment where id = any($1)", ids)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().collect())
}

/// When the newest payment was made; none where there is none.
pub(crate) async fn newest(connection: &mut PgConnection) -> sqlx::Result<Option<OffsetDateTime>> {
    sqlx::query_scalar!("select created_at from payment order by id desc limit 1")
        .fetch_optional(connection)
        .await
}

/// Reads payments without a lock, as they are committed now, each with its newest attempt and its captures.
pub(crate) async fn read(connection: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Record>> {
    let rows = sqlx::query_as!(Row, "select * from payment where id = any($1)", ids)
        .fetch_all(&mut *connection)
        .await?;
    let mut records = rows
        .into_iter()
        .map(Row::decode)
        .collect::<sqlx::Result<Vec<Record>>>()?;
    capture::load(connection, records.iter_mut()).await?;
    Ok(records)
}

/// Finds the payments of Stripe's intents, by the intents' ids.
pub(crate) async fn find_by_intents(
    connection: &mut PgConnection,
    intents: &[String],
) -> sqlx::Result<HashMap<String, Uuid>> {
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

/// Finds the account's payment that holds this reference: one that Stripe refused to make holds none.
pub(crate) async fn find_by_reference(
    connection: &mut PgConnection,
    account: Uuid,
    reference: &str,
) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "select id from payment where account_id = $1 and reference = $2 and holds_reference",
        account,
        reference
    )
    .fetch_optional(connection)
    .await
}

/// Adds new payments and returns the ids of those added: one whose reference another payment of its account
/// holds is left out.
pub(crate) async fn add(
    connection: &mut PgConnection,
    records: &[&Record],
) -> sqlx::Result<HashSet<Uuid>> {
    #[derive(Serialize)]
    struct Row<'a> {
        account_id: Uuid,
        #[serde(flatten)]
        payment: &'a Payment,
        #[serde(flatten)]
        notes: &'a Notes,
        #[serde(with = "rfc3339")]
        created_at: OffsetDateTime,
    }
    let new: Vec<Row<'_>> = records
        .iter()
        .map(|record| Row {
            account_id: record.account,
            payment: &record.stream.payment,
            notes: &record.notes,
            created_at: record.created_at,
        })
        .collect();
    let added = sqlx::query_scalar!(
        "insert into payment (id, account_id, status, version, amount, currency, capture_method, confirm, payment_method,
                              return_url, intent_id, open_call, multicapture, authorization_expiry, reference, customer, description, statement_descriptor,
                              payment_method_types, metadata, created_at, updated_at)
         select id, account_id, status, version, amount, currency, capture_method, confirm, payment_method,
                return_url, intent_id, open_call, multicapture, authorization_expiry, reference, customer, description, statement_descriptor,
                payment_method_types, metadata, created_at, created_at
         from json_populate_recordset(null::payment, $1::text::json)
         on conflict (account_id, reference, holds_reference) where reference is not null do nothing
         returning id",
        rows(&new)?,
    )
    .fetch_all(connection)
    .await?;
    Ok(added.into_iter().collect())
}

/// Writes the columns that a step may change. The caller has locked the rows.
///
/// A payment that Stripe refuses to make releases its reference for ever: another payment may hold it when a resync moves
/// this one.
pub(super) async fn write(
    connection: &mut PgConnection,
    changes: &[Change<'_>],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    #[derive(Serialize)]
    struct Row<'a> {
        #[serde(flatten)]
        payment: &'a Payment,
        #[serde(flatten)]
        attempt: AttemptColumns<'a>,
    }
    let written: Vec<Row<'_>> = changes
        .iter()
        .map(|change| &change.after.stream)
        .map(|stream| Row {
            payment: &stream.payment,
            attempt: stream
                .newest_attempt()
                .map(AttemptColumns::of)
                .unwrap_or_default(),
        })
        .collect();
    if written.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update payment as p set
            status = t.status, version = t.version,
            holds_reference = case when p.status = 'local_created' and t.status = 'local_rejected'
                                        and t.intent_id is null
                                   then null else p.holds_reference end,
            amount_authorized = t.amount_authorized, amount_capturable = t.amount_capturable,
            amount_captured = t.amount_captured, amount_refunded = t.amount_refunded,
            amount_reserved = t.amount_reserved,
            payment_method = t.payment_method, return_url = t.return_url, intent_id = t.intent_id,
            client_secret = t.client_secret, next_action = t.next_action, last_error = t.last_error,
            shown_error = t.shown_error,
            cancellation_reason = t.cancellation_reason, disputed = t.disputed, open_disputes = t.open_disputes,
            holds = t.holds, capture_before = t.capture_before, expiry_noted = t.expiry_noted,
            cancel_requested = t.cancel_requested, open_call = t.open_call, attempts = t.attempts,
            multicapture = t.multicapture, captures = t.captures,
            attempt_id = t.attempt_id, attempt_status = t.attempt_status, attempt_charge_id = t.attempt_charge_id,
            attempt_payment_method = t.attempt_payment_method, attempt_error = t.attempt_error, updated_at = $2
         from json_populate_recordset(null::payment, $1::text::json) as t
         where p.id = t.id",
        rows(&written)?,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The facts that the history keeps of a payment that moved, beside its sums.
pub(super) fn facts(after: &Stream) -> Value {
    let mut facts = json!({ "error": after.payment.last_error });
    if let Some(reason) = &after.payment.cancellation_reason {
        facts["cancellation_reason"] = json!(reason);
    }
    facts
}
