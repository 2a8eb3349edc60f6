//! The search of payments: by any id, order id, e-mail address, metadata, amount and status.

use std::collections::BTreeMap;

use contracts::id::{DeliveryId, EventId, JobId, PaymentId, RefundId};
use contracts::view::PaymentView;
use infra::postgres;
use serde_json::json;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::payment::Status;

use super::Scope;
use crate::record::Record;
use crate::store::payment::find;
use crate::store::{delivery, inbox, job, payment, refund};
use crate::{Engine, Error, store};

/// Which payments are searched: those that meet every condition that is set.
#[derive(Debug, Clone, Default)]
pub struct PaymentSearch {
    /// An id of Pawl's or of Stripe's, an order id of a merchant, or the e-mail address of a customer.
    pub text: Option<String>,
    /// Only those in this status.
    pub status: Option<Status>,
    /// Only those of at least, and at most, this amount in the currency's smallest unit.
    pub amount: (Option<i64>, Option<i64>),
    /// Only those accepted at or after the first moment, and before the second.
    pub created: (Option<OffsetDateTime>, Option<OffsetDateTime>),
    /// Only those whose metadata holds all of this.
    pub metadata: BTreeMap<String, String>,
}

impl Engine {
    /// The payments that meet the conditions, the newest first and below `after`, and whether there are more. Without a text
    /// and without metadata, the newest 10,000 below `after` are examined.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn search_payments(
        &self,
        scope: Scope,
        search: &PaymentSearch,
        after: Option<Uuid>,
        limit: u16,
    ) -> Result<(Vec<PaymentView>, bool), Error> {
        let records = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            let ids = ids(&mut connection, scope, search, after, i64::from(limit) + 1).await?;
            payment::read(&mut connection, &ids).await
        });
        let mut records = records.await?;
        records.retain(|record| scope.holds(record.account) && search.admits(record));
        records.sort_by_key(|record| std::cmp::Reverse(record.stream.payment.id));
        let more = records.len() > usize::from(limit);
        records.truncate(usize::from(limit));
        Ok((records.iter().map(Record::list_view).collect(), more))
    }

    /// A payment in the scope, without the fields that only its customer may know.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn payment_in(&self, scope: Scope, id: Uuid) -> Result<PaymentView, Error> {
        let records = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            payment::read(&mut connection, &[id]).await
        });
        let record = records.await?.pop();
        let record = record.filter(|record| scope.holds(record.account));
        record
            .as_ref()
            .map(Record::list_view)
            .ok_or(Error::NotFound)
    }
}

impl PaymentSearch {
    fn admits(&self, record: &Record) -> bool {
        let payment = &record.stream.payment;
        let amount = payment.money.amount();
        let (from, to) = self.created;
        self.status.is_none_or(|status| status == payment.status)
            && self.amount.0.is_none_or(|least| amount >= least)
            && self.amount.1.is_none_or(|most| amount <= most)
            && from.is_none_or(|from| record.created_at >= from)
            && to.is_none_or(|to| record.created_at < to)
            && self
                .metadata
                .iter()
                .all(|(key, value)| record.notes.metadata.get(key) == Some(value))
    }
}

async fn ids(
    connection: &mut PgConnection,
    scope: Scope,
    search: &PaymentSearch,
    after: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Uuid>> {
    let (from, to) = search.created;
    let below = to.map_or(Uuid::max(), store::earliest_id);
    let wanted = find::Search {
        account: scope.account(),
        status: search.status.map(Status::as_str),
        amount: (
            search.amount.0.unwrap_or(0),
            search.amount.1.unwrap_or(i64::MAX),
        ),
        above: from.map_or(Uuid::nil(), store::earliest_id),
        below: below.min(after.unwrap_or(Uuid::max())),
        limit,
    };
    match search.text.as_deref().map(str::trim) {
        Some(text) if !text.is_empty() => {
            let ids = match named(connection, text).await? {
                Some(id) => vec![id],
                None if text.contains('@') => find::by_email(connection, text, &wanted).await?,
                None => find::by_reference(connection, text, &wanted).await?,
            };
            // An id names one payment, which no later page shows again.
            Ok(ids.into_iter().filter(|id| *id < wanted.below).collect())
        }
        _ if search.metadata.is_empty() => find::newest(connection, &wanted).await,
        _ => find::by_metadata(connection, &json!(search.metadata), &wanted).await,
    }
}

/// The payment that an id of anything names: of Pawl's or of Stripe's, or a UUID of a payment.
async fn named(connection: &mut PgConnection, text: &str) -> sqlx::Result<Option<Uuid>> {
    if let Ok(id) = text.parse::<PaymentId>() {
        return Ok(Some(id.uuid()));
    }
    if let Ok(id) = text.parse::<EventId>() {
        return Ok(Some(id.payment.uuid()));
    }
    if let Ok(id) = text.parse::<JobId>() {
        let rows = job::rows(connection, &[id.uuid()]).await?;
        return Ok(rows.first().map(|row| row.payment_id));
    }
    if let Ok(id) = text.parse::<RefundId>() {
        return refund::payment_of(connection, Some(id.uuid()), None).await;
    }
    if let Ok(id) = text.parse::<DeliveryId>() {
        let found = delivery::find(connection, id.uuid()).await?;
        return Ok(found.map(|found| found.payment));
    }
    if let Ok(id) = text.parse::<Uuid>() {
        return Ok(Some(id));
    }
    match text.split_once('_') {
        Some(("pi", _)) => {
            let intents = [text.to_owned()];
            let found = payment::find_by_intents(connection, &intents).await?;
            Ok(found.get(text).copied())
        }
        Some(("re" | "pyr", _)) => refund::payment_of(connection, None, Some(text)).await,
        Some(("evt", _)) => {
            let found = inbox::find(connection, text).await?;
            Ok(found.and_then(|(found, _)| found.payment_id))
        }
        _ => Ok(None),
    }
}
