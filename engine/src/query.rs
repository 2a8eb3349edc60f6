//! Questions of clients. What another account owns is answered like what does not exist.

use std::time::Duration;

use contracts::{
    id::{EventId, PaymentId},
    view::{EventView, PaymentView, RefundView},
};
use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;
use workflows::{attempt, payment::Status};

use crate::{
    Engine, Error,
    cache::Entry,
    record::{Record, View, refund_view},
    store::{payment, refund, transition},
};

/// Which payments a list shows.
#[derive(Debug, Clone, Default)]
pub struct PaymentFilter {
    /// Only those in this status.
    pub status: Option<Status>,
}

/// Which part of a list is asked for.
#[derive(Debug, Clone)]
pub struct Page<C> {
    /// How many at most.
    pub limit: u16,
    /// What comes after this one in the list, which shows the newest first.
    pub starting_after: Option<C>,
    /// What comes before it.
    pub ending_before: Option<C>,
}

/// How often a waiting request looks, at first and at most.
const LOOK: Duration = Duration::from_millis(5);
const LOOK_AT_MOST: Duration = Duration::from_millis(100);

impl Engine {
    /// A payment of the account, from the cache where it is, else from Postgres.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when neither answers.
    pub async fn payment(&self, account: Uuid, id: Uuid) -> Result<Option<View>, Error> {
        if let Ok(Some(cached)) = self.inner.cache.read(id).await {
            let view = View {
                version: cached.version,
                body: cached.body,
            };
            return Ok((cached.account == account).then_some(view));
        }
        let asked = Instant::now();
        let record = self.record(id).await?;
        if let Some(record) = &record {
            self.fill(record, asked);
        }
        Ok(record
            .filter(|record| record.account == account)
            .map(|record| record.rendered()))
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
            let mut connection = self.inner.pool.acquire().await?;
            let found = payment::of_intents(&mut connection, &[intent_id.to_owned()]).await?;
            found.first().map(|(_, id)| *id)
        };
        match id {
            Some(id) => self.payment(account, id).await,
            None => Ok(None),
        }
    }

    /// Waits for a version above `after` in which a payment asks something of its client or is at rest, at most until
    /// `deadline`, and answers how it is then: the cache may still be at an older version, and the version of a command
    /// is never its end.
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
        let mut pause = LOOK;
        loop {
            let view = self.payment(account, id).await?.ok_or(Error::NotFound)?;
            if Instant::now() + pause >= deadline || view.version > after && is_settled(&view) {
                return Ok(view);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LOOK_AT_MOST);
        }
    }

    /// Payments of an account, the newest first; one more than `limit` tells that there are more.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn payments(
        &self,
        account: Uuid,
        filter: &PaymentFilter,
        page: &Page<Uuid>,
    ) -> Result<(Vec<PaymentView>, bool), Error> {
        let mut connection = self.inner.pool.acquire().await?;
        let records = payment::page(
            &mut connection,
            account,
            filter.status.map(Status::as_str),
            page.starting_after,
            page.ending_before,
            i64::from(page.limit) + 1,
        )
        .await?;
        Ok(cut(records.iter().map(Record::listed).collect(), page))
    }

    /// A refund of the account.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn refund(&self, account: Uuid, id: Uuid) -> Result<Option<RefundView>, Error> {
        let mut connection = self.inner.pool.acquire().await?;
        Ok(refund::read(&mut connection, account, id)
            .await?
            .as_ref()
            .map(refund_view))
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
        self.own(account, payment).await?;
        let mut connection = self.inner.pool.acquire().await?;
        let mut stored = refund::of_payments(&mut connection, &[payment]).await?;
        stored.retain(|it| {
            page.starting_after.is_none_or(|after| it.refund.id < after)
                && page
                    .ending_before
                    .is_none_or(|before| it.refund.id > before)
        });
        if page.ending_before.is_none() {
            stored.reverse();
        }
        stored.truncate(usize::from(page.limit) + 1);
        Ok(cut(stored.iter().map(refund_view).collect(), page))
    }

    /// The moves of a payment, the newest first. A cursor is the version of a move.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn events(
        &self,
        account: Uuid,
        payment: Uuid,
        page: &Page<i64>,
    ) -> Result<(Vec<EventView>, bool), Error> {
        self.own(account, payment).await?;
        let mut connection = self.inner.pool.acquire().await?;
        let rows = transition::of_stream(
            &mut connection,
            payment,
            page.ending_before.unwrap_or(0),
            page.starting_after.unwrap_or(i64::MAX),
            i64::from(page.limit) + 1,
            page.ending_before.is_none(),
        )
        .await?;
        Ok(cut(
            rows.into_iter()
                .map(|row| event_view(payment, row))
                .collect(),
            page,
        ))
    }

    async fn own(&self, account: Uuid, id: Uuid) -> Result<(), Error> {
        match self.payment(account, id).await? {
            Some(_) => Ok(()),
            None => Err(Error::NotFound),
        }
    }

    async fn record(&self, id: Uuid) -> Result<Option<Record>, Error> {
        let mut connection = self.inner.pool.acquire().await?;
        Ok(payment::read(&mut connection, &[id]).await?.pop())
    }

    /// A miss fills the cache, unless the read took so long that something newer may have come and gone.
    fn fill(&self, record: &Record, asked: Instant) {
        let entry = Entry {
            payment: record.payment.id,
            account: record.account,
            intent_id: record.payment.intent_id.clone(),
            version: record.payment.version,
            body: record.rendered().body,
        };
        self.inner.cache.fill(entry, asked);
    }
}

impl Record {
    /// As a list shows it: without what only the one who pays may know.
    fn listed(&self) -> PaymentView {
        PaymentView {
            client_secret: None,
            next_action: None,
            ..self.view()
        }
    }
}

/// A page in the list's own order, and whether there is more beyond it.
pub(crate) fn cut<T, C>(mut rows: Vec<T>, page: &Page<C>) -> (Vec<T>, bool) {
    let more = rows.len() > usize::from(page.limit);
    rows.truncate(usize::from(page.limit));
    if page.ending_before.is_some() {
        rows.reverse();
    }
    (rows, more)
}

fn event_view(payment: Uuid, row: transition::Written) -> EventView {
    EventView {
        id: EventId {
            payment: PaymentId::from_uuid(payment),
            version: row.version,
        },
        object: "event".into(),
        payment_id: PaymentId::from_uuid(payment),
        subject: subject_id(&row.machine, row.subject),
        machine: row.machine.into(),
        kind: row.kind.into(),
        from: (row.from_status != "none").then(|| row.from_status.into()),
        to: row.to_status.into(),
        version: row.version,
        cause: row.cause,
        created_at: row.created_at,
    }
}

/// The id of what moved, as its machine writes it.
pub(crate) fn subject_id(machine: &str, subject: Uuid) -> String {
    match machine {
        "attempt" => contracts::id::AttemptId::from_uuid(subject).to_string(),
        "refund" => contracts::id::RefundId::from_uuid(subject).to_string(),
        _ => PaymentId::from_uuid(subject).to_string(),
    }
}

/// What of a view says whether there is something to wait for.
#[derive(Deserialize)]
struct Shown {
    status: Status,
    latest_attempt: Option<ShownAttempt>,
}

#[derive(Deserialize)]
struct ShownAttempt {
    status: attempt::Status,
}

/// Nothing of ours moves this payment now: it is at its end, or its client or its bank must act.
///
/// A charge's webhook may come before its intent's, and then the attempt is ahead of the payment: that is no rest.
fn is_settled(view: &View) -> bool {
    use attempt::Status as Attempt;
    let Ok(shown) = serde_json::from_slice::<Shown>(&view.body) else {
        return true;
    };
    let attempt = shown.latest_attempt.map(|it| it.status);
    match shown.status {
        Status::LocalCreated | Status::Processing => false,
        Status::RequiresPaymentMethod | Status::RequiresConfirmation => attempt
            .is_none_or(|it| matches!(it, Attempt::Failed | Attempt::Expired | Attempt::Voided)),
        Status::RequiresAction => {
            attempt.is_none_or(|it| matches!(it, Attempt::Started | Attempt::RequiresAction))
        }
        Status::RequiresCapture => attempt != Some(Attempt::Captured),
        Status::Succeeded | Status::Canceled | Status::LocalRejected => true,
    }
}
