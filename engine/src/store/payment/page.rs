//! Pages of an account's payments, narrowed by the filters of a client.
//!
//! Ids grow with time, so a page is a stretch of the index over account and id, and a range of `created_at` is nearly a
//! range of ids. Only reference and metadata have indexes of their own (migration 0005). With a filter by status or amount a
//! page reads the account's payments until it is full.

use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// Which payments a page shows, in the order of their ids.
#[derive(Debug, Clone)]
pub(crate) struct Criteria<'a> {
    pub(crate) account: Uuid,
    /// Only ids above this one, and below that one.
    pub(crate) above: Uuid,
    pub(crate) below: Uuid,
    /// From the oldest on, not from the newest.
    pub(crate) oldest_first: bool,
    pub(crate) status: Option<&'a str>,
    pub(crate) reference: Option<&'a str>,
    /// From the first to the second, both included.
    pub(crate) amount: (i64, i64),
    /// From the first, included, to the second, which is not.
    pub(crate) created: (OffsetDateTime, OffsetDateTime),
    /// Pairs that must all be in the payment's metadata.
    pub(crate) metadata: Option<Value>,
    pub(crate) limit: i64,
}

/// The ids of the first payments that meet the criteria, in no certain order.
pub(super) async fn ids(
    connection: &mut PgConnection,
    criteria: &Criteria<'_>,
) -> sqlx::Result<Vec<Uuid>> {
    match (
        &criteria.metadata,
        criteria.reference,
        criteria.oldest_first,
    ) {
        (Some(metadata), ..) => by_metadata(connection, criteria, metadata).await,
        (None, Some(reference), _) => by_reference(connection, criteria, reference).await,
        (None, None, true) => oldest(connection, criteria).await,
        (None, None, false) => newest(connection, criteria).await,
    }
}

/// Reads the index over account and id from one end until the page is full.
///
/// The form of the conditions keeps the planner from reading and sorting all payments of the account: of a comparison of rows
/// and of a `case` it assumes that many rows pass, of ranges between parameters that hardly any does.
async fn newest(connection: &mut PgConnection, criteria: &Criteria<'_>) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from payment
         where (account_id, id) > ($1, $2) and (account_id, id) < ($1, $3)
               and case when ($4::text is null or status = $4) and amount between $5 and $6
                             and created_at >= $7 and created_at < $8 then true else false end
         order by account_id desc, id desc limit $9",
        criteria.account,
        criteria.above,
        criteria.below,
        criteria.status,
        criteria.amount.0,
        criteria.amount.1,
        criteria.created.0,
        criteria.created.1,
        criteria.limit,
    )
    .fetch_all(connection)
    .await
}

/// As [`newest`], from the other end.
async fn oldest(connection: &mut PgConnection, criteria: &Criteria<'_>) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from payment
         where (account_id, id) > ($1, $2) and (account_id, id) < ($1, $3)
               and case when ($4::text is null or status = $4) and amount between $5 and $6
                             and created_at >= $7 and created_at < $8 then true else false end
         order by account_id, id limit $9",
        criteria.account,
        criteria.above,
        criteria.below,
        criteria.status,
        criteria.amount.0,
        criteria.amount.1,
        criteria.created.0,
        criteria.created.1,
        criteria.limit,
    )
    .fetch_all(connection)
    .await
}

/// Few payments: one that holds the reference, and those with it that Stripe refused to make.
async fn by_reference(
    connection: &mut PgConnection,
    criteria: &Criteria<'_>,
    reference: &str,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from payment
         where account_id = $1 and reference = $2
               and case when id > $3 and id < $4 and ($5::text is null or status = $5) and amount between $6 and $7
                             and created_at >= $8 and created_at < $9 then true else false end
         order by case when $11::bool then id end, id desc limit $10",
        criteria.account,
        reference,
        criteria.above,
        criteria.below,
        criteria.status,
        criteria.amount.0,
        criteria.amount.1,
        criteria.created.0,
        criteria.created.1,
        criteria.limit,
        criteria.oldest_first,
    )
    .fetch_all(connection)
    .await
}

/// Materialized, because the generic plan would read all payments of the account instead of using the index over
/// metadata.
async fn by_metadata(
    connection: &mut PgConnection,
    criteria: &Criteria<'_>,
    metadata: &Value,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"with tagged as materialized
               (select id, account_id, status, reference, amount, created_at from payment
                where metadata @> $11 and metadata <> '{}')
         select id as "id!" from tagged
         where account_id = $1 and id > $2 and id < $3 and ($4::text is null or status = $4)
               and ($5::text is null or reference = $5) and amount between $6 and $7
               and created_at >= $8 and created_at < $9
         order by case when $12::bool then id end, id desc limit $10"#,
        criteria.account,
        criteria.above,
        criteria.below,
        criteria.status,
        criteria.reference,
        criteria.amount.0,
        criteria.amount.1,
        criteria.created.0,
        criteria.created.1,
        criteria.limit,
        metadata,
        criteria.oldest_first,
    )
    .fetch_all(connection)
    .await
}
