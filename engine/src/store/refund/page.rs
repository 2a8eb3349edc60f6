//! Pages of an account's refunds over all of its payments.
//!
//! As with payments, ids grow with time, so that a page is a stretch of the index over account and id.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// Which refunds a page shows, in the order of their ids.
#[derive(Debug)]
pub(crate) struct Criteria<'a> {
    pub(crate) account: Uuid,
    /// Only ids above this one, and below that one.
    pub(crate) above: Uuid,
    pub(crate) below: Uuid,
    /// From the oldest on, not from the newest.
    pub(crate) oldest_first: bool,
    /// Only those of this payment.
    pub(crate) payment: Option<Uuid>,
    pub(crate) status: Option<&'a str>,
    /// From the first, included, to the second, which is not.
    pub(crate) created: (OffsetDateTime, OffsetDateTime),
    pub(crate) limit: i64,
}

/// The ids of the first refunds that meet the criteria, in no certain order.
pub(super) async fn ids(
    connection: &mut PgConnection,
    criteria: &Criteria<'_>,
) -> sqlx::Result<Vec<Uuid>> {
    match (criteria.payment, criteria.oldest_first) {
        (Some(payment), _) => of_payment(connection, criteria, payment).await,
        (None, true) => oldest(connection, criteria).await,
        (None, false) => newest(connection, criteria).await,
    }
}

/// Reads the index over account and id from one end until the page is full. The conditions have the form of those of the
/// list of payments, for the same reason: the planner would otherwise sort all refunds of the account.
async fn newest(connection: &mut PgConnection, criteria: &Criteria<'_>) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from refund
         where (account_id, id) > ($1, $2) and (account_id, id) < ($1, $3)
               and case when ($4::text is null or status = $4) and created_at >= $5 and created_at < $6
                        then true else false end
         order by account_id desc, id desc limit $7",
        criteria.account,
        criteria.above,
        criteria.below,
        criteria.status,
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
        "select id from refund
         where (account_id, id) > ($1, $2) and (account_id, id) < ($1, $3)
               and case when ($4::text is null or status = $4) and created_at >= $5 and created_at < $6
                        then true else false end
         order by account_id, id limit $7",
        criteria.account,
        criteria.above,
        criteria.below,
        criteria.status,
        criteria.created.0,
        criteria.created.1,
        criteria.limit,
    )
    .fetch_all(connection)
    .await
}

/// A payment has few refunds.
async fn of_payment(
    connection: &mut PgConnection,
    criteria: &Criteria<'_>,
    payment: Uuid,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from refund
         where payment_id = $1
               and case when account_id = $2 and id > $3 and id < $4 and ($5::text is null or status = $5)
                             and created_at >= $6 and created_at < $7 then true else false end
         order by case when $9::bool then id end, id desc limit $8",
        payment,
        criteria.account,
        criteria.above,
        criteria.below,
        criteria.status,
        criteria.created.0,
        criteria.created.1,
        criteria.limit,
        criteria.oldest_first,
    )
    .fetch_all(connection)
    .await
}
