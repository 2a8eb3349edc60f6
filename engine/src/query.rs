//! The queries of clients. An object of another account is treated like one that does not exist.

mod filter;

use std::time::Duration;

use contracts::id::{EventId, PaymentId};
use contracts::view::{CaptureView, EventView, PaymentView, RefundView};
use infra::postgres;
use tokio::time::Instant;
use uuid::Uuid;
use workflows::refund;

use crate::cache::Cached;
use crate::record::{Record, RefundRecord, View};
use crate::store::{payment, transition};
use crate::{Engine, Error, Page, store};

pub use filter::{PaymentFilter, RefundFilter};

/// The first and the longest pause between two reads of a waiting request.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSE_AT_MOST: Duration = Duration::from_millis(100);

impl Engine {
    /// A payment of the account, from the cache where it is, else from Postgres.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when neither answers.
    pub async fn payment(&self, account: Uuid, id: Uuid) -> Result<Option<View>, Error> {
        let cached = self.cached(id).await;
        self.payment_from(account, id, cached).await
    }

    /// What the cache holds of a payment, for [`Engine::payment_from`]. Within 200 ms.
    pub async fn cached(&self, id: Uuid) -> Option<Cached> {
        self.inner.cache.read(id).await.ok().flatten()
    }

    /// [`Engine::payment`] with what the cache was just found to hold.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it is not cached and Postgres does not answer.
    pub async fn payment_from(
        &self,
        account: Uuid,
        id: Uuid,
        cached: Option<Cached>,
    ) -> Result<Option<View>, Error> {
        if let Some(cached) = cached {
            let view = View {
                version: cached.version,
                settled: cached.settled,
                body: cached.body,
            };
            return Ok((cached.account == account).then_some(view));
        }
        let asked = Instant::now();
        let record = self.record(id).await?;
        if let Some(record) = &record {
            // Not stored if the read took so long that something newer may have come and gone.
            self.inner.cache.fill(record.cache_entry(), asked);
        }
        Ok(record
            .filter(|record| record.account == account)
            .map(|record| record.render()))
    }

    /// The account's payment behind an intent of Stripe's.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn payment_by_intent(
        &self,
        account: Uuid,
        intent_id: &str,
    ) -> Result<Option<View>, Error> {
        let id = if let Ok(Some(id)) = self.inner.cache.read_intent(intent_id).await {
            Some(id)
        } else {
            let intents = [intent_id.to_owned()];
            let found = postgres::within(async {
                let mut connection = self.inner.pool.acquire().await?;
                payment::find_by_intents(&mut connection, &intents).await
            });
            found.await?.get(intent_id).copied()
        };
        match id {
            Some(id) => self.payment(account, id).await,
            None => Ok(None),
        }
    }

    /// Waits until the payment is settled ([`View::settled`]) in a version above `after`, at most until `deadline`, and
    /// returns its view then. A command's own version does not count, and the cache may still be at an older one.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn wait(
        &self,
        account: Uuid,
        id: Uuid,
        after: i64,
        deadline: Instant,
    ) -> Result<View, Error> {
        let mut pause = PAUSE;
        loop {
            let view = self.payment(account, id).await?.ok_or(Error::NotFound)?;
            if Instant::now() + pause >= deadline || (view.version > after && view.settled) {
                return Ok(view);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(PAUSE_AT_MOST);
        }
    }

    /// Payments of an account, the newest first, and whether there are more.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn payments(
        &self,
        account: Uuid,
        filter: &PaymentFilter,
        page: &Page<Uuid>,
    ) -> Result<(Vec<PaymentView>, bool), Error> {
        let records = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            payment::page(&mut connection, &filter.criteria(account, page)).await
        });
        let records = records.await?;
        Ok(page.cut(records.iter().map(Record::list_view).collect()))
    }

    /// A refund of the account.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn refund(&self, account: Uuid, id: Uuid) -> Result<Option<RefundView>, Error> {
        let refund = self.refund_record(account, id).await?;
        Ok(refund.as_ref().map(RefundRecord::view))
    }

    pub(crate) async fn refund_record(
        &self,
        account: Uuid,
        id: Uuid,
    ) -> Result<Option<RefundRecord>, Error> {
        let refund = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            store::refund::read(&mut connection, account, id).await
        });
        Ok(refund.await?)
    }

    /// Waits until Stripe has answered the call that makes a refund, at most until `deadline`, and returns its view then.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn wait_for_refund(
        &self,
        account: Uuid,
        id: Uuid,
        deadline: Instant,
    ) -> Result<RefundView, Error> {
        let mut pause = PAUSE;
        loop {
            let found = self.refund_record(account, id).await?;
            let record = found.ok_or(Error::NotFound)?;
            let requested = record.refund.status == refund::Status::LocalRequested;
            if !requested || Instant::now() + pause >= deadline {
                return Ok(record.view());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(PAUSE_AT_MOST);
        }
    }

    /// The refunds of a payment, the newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn refunds(
        &self,
        account: Uuid,
        payment: Uuid,
        page: &Page<Uuid>,
    ) -> Result<(Vec<RefundView>, bool), Error> {
        self.check_owner(account, payment).await?;
        let stored = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            store::refund::list(&mut connection, &[payment]).await
        });
        let (stored, more) = page.select(stored.await?, |it| it.refund.id);
        Ok((stored.iter().map(RefundRecord::view).collect(), more))
    }

    /// Refunds of all payments of an account, the newest first, and whether there are more.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn refunds_of_account(
        &self,
        account: Uuid,
        filter: &RefundFilter,
        page: &Page<Uuid>,
    ) -> Result<(Vec<RefundView>, bool), Error> {
        let refunds = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            store::refund::page(&mut connection, &filter.criteria(account, page)).await
        });
        let refunds = refunds.await?;
        Ok(page.cut(refunds.iter().map(RefundRecord::view).collect()))
    }

    /// The captures of a payment, the newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for a cursor that is no capture of the payment, [`Error::Unavailable`].
    pub async fn captures(
        &self,
        account: Uuid,
        payment: Uuid,
        page: &Page<Uuid>,
    ) -> Result<(Vec<CaptureView>, bool), Error> {
        let record = self.record(payment).await?;
        let record = record.filter(|record| record.account == account);
        let captures = record.ok_or(Error::NotFound)?.captures();
        let exists = |id: &Uuid| captures.iter().any(|capture| capture.id.uuid() == *id);
        if !page.cursors().all(exists) {
            return Err(Error::NotFound);
        }
        Ok(page.select(captures, |capture| capture.id.uuid()))
    }

    /// The transitions of a payment, the newest first. A cursor is the version of a transition.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn events(
        &self,
        account: Uuid,
        payment: Uuid,
        page: &Page<i64>,
    ) -> Result<(Vec<EventView>, bool), Error> {
        self.check_owner(account, payment).await?;
        let rows = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            transition::list(
                &mut connection,
                payment,
                page.ending_before.unwrap_or(0),
                page.starting_after.unwrap_or(i64::MAX),
                page.rows(),
                page.ending_before.is_none(),
            )
            .await
        });
        let rows = rows.await?.into_iter();
        Ok(page.cut(rows.map(|row| event_view(payment, row)).collect()))
    }

    async fn check_owner(&self, account: Uuid, id: Uuid) -> Result<(), Error> {
        match self.payment(account, id).await? {
            Some(_) => Ok(()),
            None => Err(Error::NotFound),
        }
    }

    async fn record(&self, id: Uuid) -> Result<Option<Record>, Error> {
        let records = postgres::within(async {
            let mut connection = self.inner.pool.acquire().await?;
            payment::read(&mut connection, &[id]).await
        });
        Ok(records.await?.pop())
    }
}

pub(crate) fn event_view(payment: Uuid, row: transition::Written) -> EventView {
    EventView {
        id: EventId {
            payment: PaymentId::from_uuid(payment),
            version: row.version,
        },
        object: "event".into(),
        r#type: row.event_type().unwrap_or("unknown").into(),
        payment_id: PaymentId::from_uuid(payment),
        subject: contracts::id::subject(&row.machine, row.subject),
        machine: row.machine.into(),
        kind: row.kind.into(),
        from: (row.from_status != "none").then(|| row.from_status.into()),
        to: row.to_status.into(),
        version: row.version,
        cause: row.cause,
        created_at: row.created_at,
    }
}
