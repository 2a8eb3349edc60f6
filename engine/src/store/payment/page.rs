//! Pages of an account's payments, narrowed by what a client asks for.
//!
//! Ids grow with time, so a page is a stretch of the index over account and id, and a range of `created_at` is nearly a
//! range of ids. Only metadata has an index of its own (migration 0008).

use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::read;
use crate::record::Record;

/// Which payments are wanted, in the order of their ids.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
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
    /// Pairs that must all be there.
    pub(crate) metadata: Option<Value>,
    pub(crate) limit: i64,
}

/// The first payments that are wanted, each with its latest attempt.
pub(crate) async fn page(
    connection: &mut PgConnection,
    wanted: &Wanted<'_>,
) -> sqlx::Result<Vec<Record>> {
    let ids = match (&wanted.metadata, wanted.oldest_first) {
        (Some(metadata), _) => tagged(connection, wanted, metadata).await?,
        (None, true) => oldest(connection, wanted).await?,
        (None, false) => newest(connection, wanted).await?,
    };
    let mut records = read(connection, &ids).await?;
    records.sort_by_key(|record| record.payment.id);
    if !wanted.oldest_first {
        records.reverse();
    }
    Ok(records)
}

async fn newest(connection: &mut PgConnection, wanted: &Wanted<'_>) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from payment
         where account_id = $1 and id > $2 and id < $3 and ($4::text is null or status = $4)
               and ($5::text is null or reference = $5) and amount between $6 and $7
               and created_at >= $8 and created_at < $9
         order by id desc limit $10",
        wanted.account,
        wanted.above,
        wanted.below,
        wanted.status,
        wanted.reference,
        wanted.amount.0,
        wanted.amount.1,
        wanted.created.0,
        wanted.created.1,
        wanted.limit,
    )
    .fetch_all(connection)
    .await
}

async fn oldest(connection: &mut PgConnection, wanted: &Wanted<'_>) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from payment
         where account_id = $1 and id > $2 and id < $3 and ($4::text is null or status = $4)
               and ($5::text is null or reference = $5) and amount between $6 and $7
               and created_at >= $8 and created_at < $9
         order by id limit $10",
        wanted.account,
        wanted.above,
        wanted.below,
        wanted.status,
        wanted.reference,
        wanted.amount.0,
        wanted.amount.1,
        wanted.created.0,
        wanted.created.1,
        wanted.limit,
    )
    .fetch_all(connection)
    .await
}

/// Materialized, because a plan that is made before the values are known would rather walk through all payments of the
/// account than use the index of metadata.
async fn tagged(
    connection: &mut PgConnection,
    wanted: &Wanted<'_>,
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
        wanted.account,
        wanted.above,
        wanted.below,
        wanted.status,
        wanted.reference,
        wanted.amount.0,
        wanted.amount.1,
        wanted.created.0,
        wanted.created.1,
        wanted.limit,
        metadata,
        wanted.oldest_first,
    )
    .fetch_all(connection)
    .await
}
