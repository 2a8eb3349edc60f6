//! Pages of payments of which a row cannot be decoded: the others are listed.

use contracts::id::PaymentId;
use infra::metrics::Counters;
use sqlx::PgConnection;
use uuid::Uuid;

use super::page::{Criteria, ids};
use super::read;
use crate::record::Record;

static LEFT_OUT: Counters<0> = Counters::new(
    "pawl_payments_left_out_total",
    "Payments that a list left out because this version cannot decode their rows.",
    [],
);

/// The first payments that meet the criteria, in their order. One whose row cannot be decoded is logged, counted and left out,
/// and the next ones take its place: a page that is shorter than its limit is the last.
pub(crate) async fn page(
    connection: &mut PgConnection,
    criteria: &Criteria<'_>,
) -> sqlx::Result<Vec<Record>> {
    let mut records = Vec::new();
    let mut rest = criteria.clone();
    loop {
        let ids = ids(connection, &rest).await?;
        let found = decodable(connection, &ids).await?;
        let left_out = ids.len().saturating_sub(found.len());
        records.extend(found);
        let read = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        let (Some(first), Some(last)) = (ids.iter().min(), ids.iter().max()) else {
            break;
        };
        if left_out == 0 || read < rest.limit {
            break;
        }
        rest.limit = i64::try_from(left_out).unwrap_or(i64::MAX);
        if rest.oldest_first {
            rest.above = *last;
        } else {
            rest.below = *first;
        }
    }
    records.sort_by_key(|record| record.stream.payment.id);
    if !criteria.oldest_first {
        records.reverse();
    }
    Ok(records)
}

/// Reads the payments together, and one by one only if a row among them cannot be decoded.
async fn decodable(connection: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Record>> {
    match read(connection, ids).await {
        Err(sqlx::Error::ColumnDecode { .. }) => {}
        read => return read,
    }
    let mut records = Vec::with_capacity(ids.len());
    for id in ids {
        match read(connection, &[*id]).await {
            Ok(found) => records.extend(found),
            Err(error @ sqlx::Error::ColumnDecode { .. }) => {
                LEFT_OUT.with_labels([]).increment(1);
                let payment = PaymentId::from(*id);
                tracing::error!(%payment, %error, "failed to decode a payment; lists leave it out until an operator corrects its row");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(records)
}
