//! Table `dispute`.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::dispute::{Dispute, Evidence, Funds, Status};
use workflows::payment::Call;
use workflows::stream::{Needs, Stream};

use super::decode::{document, name, rows};
use crate::record::{Change, DisputeRecord, Record};

/// A row as Postgres holds it, before its names and its error are decoded.
struct Row {
    id: Uuid,
    payment_id: Uuid,
    #[expect(dead_code, reason = "only the statements of this module use it")]
    account_id: Uuid,
    stripe_id: String,
    charge_id: Option<String>,
    status: String,
    funds: Option<String>,
    evidence: Option<String>,
    amount: i64,
    currency: String,
    reason: String,
    due_by: Option<i64>,
    reminded_due_by: Option<i64>,
    open_call: Option<String>,
    error: Option<Value>,
    #[expect(dead_code, reason = "only the statements of this module use it")]
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl Row {
    fn decode(self) -> sqlx::Result<DisputeRecord> {
        let funds = self.funds.as_deref();
        let evidence = self.evidence.as_deref();
        let open_call = self.open_call.as_deref();
        Ok(DisputeRecord {
            dispute: Dispute {
                id: self.id,
                stripe_id: self.stripe_id,
                charge_id: self.charge_id,
                status: name::<Status>("dispute.status", &self.status)?,
                funds: funds
                    .map(|text| name::<Funds>("dispute.funds", text))
                    .transpose()?,
                evidence: evidence
                    .map(|text| name::<Evidence>("dispute.evidence", text))
                    .transpose()?,
                amount: self.amount,
                currency: self.currency,
                reason: self.reason,
                due_by: self.due_by,
                reminded_due_by: self.reminded_due_by,
                open_call: open_call
                    .map(|text| name::<Call>("dispute.open_call", text))
                    .transpose()?,
                error: document("dispute.error", self.error)?,
            },
            payment: self.payment_id,
            updated_at: self.updated_at,
        })
    }
}

/// Which disputes of an account a page shows, in the order of their ids.
#[derive(Debug)]
pub(crate) struct Criteria {
    pub(crate) account: Uuid,
    pub(crate) status: Option<Status>,
    pub(crate) payment: Option<Uuid>,
    /// Only ids above this one, and below that one.
    pub(crate) above: Uuid,
    pub(crate) below: Uuid,
    /// From the oldest on, not from the newest.
    pub(crate) oldest_first: bool,
    pub(crate) limit: i64,
}

/// Reads the disputes of the payments that need them into their records, the oldest first.
pub(super) async fn load(
    connection: &mut PgConnection,
    needs: &BTreeMap<Uuid, Needs>,
    records: &mut HashMap<Uuid, Record>,
) -> sqlx::Result<()> {
    let payments: Vec<Uuid> = needs
        .iter()
        .filter(|(payment, needs)| needs.disputes && records.contains_key(payment))
        .map(|(payment, _)| *payment)
        .collect();
    if payments.is_empty() {
        return Ok(());
    }
    let found = sqlx::query_as!(
        Row,
        "select * from dispute where payment_id = any($1) order by id",
        &payments
    )
    .fetch_all(connection)
    .await?;
    for row in found {
        let found = row.decode()?;
        if let Some(record) = records.get_mut(&found.payment) {
            record.stream.disputes.push(found.dispute);
        }
    }
    Ok(())
}

/// All disputes of a payment, the oldest first.
pub(crate) async fn of_payment(
    connection: &mut PgConnection,
    payment: Uuid,
) -> sqlx::Result<Vec<DisputeRecord>> {
    let found = sqlx::query_as!(
        Row,
        "select * from dispute where payment_id = $1 order by id",
        payment
    )
    .fetch_all(connection)
    .await?;
    found.into_iter().map(Row::decode).collect()
}

/// Writes the disputes that are new or changed.
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
        dispute: &'a Dispute,
    }
    let written: Vec<Row<'_>> = changes
        .iter()
        .flat_map(|change| {
            let record = change.after;
            change
                .changed(|stream| &stream.disputes)
                .map(move |dispute| Row {
                    payment_id: record.stream.payment.id,
                    account_id: record.account,
                    dispute,
                })
        })
        .collect();
    if written.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into dispute as d (payment_id, account_id, id, stripe_id, charge_id, status, funds, evidence, amount, currency,
                                   reason, due_by, reminded_due_by, open_call, error, created_at, updated_at)
         select payment_id, account_id, id, stripe_id, charge_id, status, funds, evidence, amount, currency,
                reason, due_by, reminded_due_by, open_call, error, $2, $2
         from json_populate_recordset(null::dispute, $1::text::json)
         on conflict (id) do update set
            charge_id = excluded.charge_id, status = excluded.status, funds = excluded.funds,
            evidence = excluded.evidence, amount = excluded.amount, currency = excluded.currency,
            reason = excluded.reason, due_by = excluded.due_by, reminded_due_by = excluded.reminded_due_by,
            open_call = excluded.open_call, error = excluded.error, updated_at = excluded.updated_at",
        rows(&written)?,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The facts that the history keeps of a dispute of which something moved. Never its evidence.
pub(super) fn facts(after: &Stream, id: Uuid) -> Value {
    let dispute = after.disputes.iter().find(|it| it.id == id);
    json!({
        "status": dispute.map(|it| it.status),
        "amount": dispute.map(|it| it.amount),
        "currency": dispute.map(|it| it.currency.as_str()),
        "reason": dispute.map(|it| it.reason.as_str()),
        "due_by": dispute.and_then(|it| it.due_by),
        "stripe_id": dispute.map(|it| it.stripe_id.as_str()),
        // What Stripe refused matters as long as the merchant is to answer.
        "error": dispute.filter(|it| it.status.needs_response()).and_then(|it| it.error.as_ref()),
    })
}

/// One dispute of an account.
pub(crate) async fn read(
    connection: &mut PgConnection,
    account: Uuid,
    id: Uuid,
) -> sqlx::Result<Option<DisputeRecord>> {
    sqlx::query_as!(
        Row,
        "select * from dispute where id = $1 and account_id = $2",
        id,
        account,
    )
    .fetch_optional(connection)
    .await?
    .map(Row::decode)
    .transpose()
}

/// The disputes with these ids of Stripe's.
pub(crate) async fn of_stripe(
    connection: &mut PgConnection,
    ids: &[String],
) -> sqlx::Result<Vec<DisputeRecord>> {
    let rows = sqlx::query_as!(Row, "select * from dispute where stripe_id = any($1)", ids)
        .fetch_all(connection)
        .await?;
    rows.into_iter().map(Row::decode).collect()
}

/// The first disputes that meet the criteria, from one end of the index over account and id.
pub(crate) async fn page(
    connection: &mut PgConnection,
    criteria: &Criteria,
) -> sqlx::Result<Vec<DisputeRecord>> {
    let status = criteria.status.map(Status::as_str);
    let rows = if criteria.oldest_first {
        sqlx::query_as!(
            Row,
            "select * from dispute
             where (account_id, id) > ($1, $2) and (account_id, id) < ($1, $3)
                   and case when ($4::text is null or status = $4) and ($5::uuid is null or payment_id = $5)
                            then true else false end
             order by account_id, id limit $6",
            criteria.account,
            criteria.above,
            criteria.below,
            status,
            criteria.payment,
            criteria.limit,
        )
        .fetch_all(connection)
        .await?
    } else {
        sqlx::query_as!(
            Row,
            "select * from dispute
             where (account_id, id) > ($1, $2) and (account_id, id) < ($1, $3)
                   and case when ($4::text is null or status = $4) and ($5::uuid is null or payment_id = $5)
                            then true else false end
             order by account_id desc, id desc limit $6",
            criteria.account,
            criteria.above,
            criteria.below,
            status,
            criteria.payment,
            criteria.limit,
        )
        .fetch_all(connection)
        .await?
    };
    let mut found: Vec<DisputeRecord> = rows
        .into_iter()
        .map(Row::decode)
        .collect::<sqlx::Result<_>>()?;
    if criteria.oldest_first {
        found.reverse();
    }
    Ok(found)
}
