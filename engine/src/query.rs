//! Questions of clients. What another account owns is answered like what does not exist.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::id::{EventId, PaymentId};
use contracts::view::{EventView, PaymentView, RefundView};
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;
use workflows::attempt;
use workflows::payment::Status;

use crate::cache::Entry;
use crate::record::{Record, View, refund_view};
use crate::store::{payment, refund, transition};
use crate::{Engine, Error, store};

/// Which payments a list shows: those for which everything holds that is given.
#[derive(Debug, Clone, Default)]
pub struct PaymentFilter {
    /// Only those in this status.
    pub status: Option<Status>,
    /// Only the one with this order id of the merchant.
    pub reference: Option<String>,
    /// Only those of at least, and at most, this amount.
    pub amount: (Option<i64>, Option<i64>),
    /// Only those accepted at or after the first moment, and before the second.
    pub created: (Option<OffsetDateTime>, Option<OffsetDateTime>),
    /// Only those whose metadata holds all of this.
    pub metadata: BTreeMap<String, String>,
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

/// A process whose clock is set back goes on with the time that its last id bore: so far an id may be ahead of the time at
/// which its payment was accepted.
const CLOCK_STEPS: time::Duration = time::Duration::hours(1);

/// After every payment.
const FAR_FUTURE: OffsetDateTime = time::macros::datetime!(9999-01-01 0:00 UTC);

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
        let records = payment::page(&mut connection, &filter.wanted(account, page)).await?;
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

    /// Waits until Stripe has answered for a refund, at most until `deadline`, and answers how it is then. A wait is for a
    /// refund that exists.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn wait_for_refund(
        &self,
        account: Uuid,
        id: Uuid,
        deadline: Instant,
    ) -> Result<RefundView, Error> {
        let mut pause = LOOK;
        loop {
            let view = self.refund(account, id).await?.ok_or(Error::NotFound)?;
            let asked = view.status == workflows::refund::Status::LocalRequested.as_str();
            if !asked || Instant::now() + pause >= deadline {
                return Ok(view);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LOOK_AT_MOST);
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

impl PaymentFilter {
    fn wanted(&self, account: Uuid, page: &Page<Uuid>) -> payment::Wanted<'_> {
        let (from, to) = self.created;
        let above = from.map_or(Uuid::nil(), |from| {
            store::earliest_id(from.saturating_sub(CLOCK_STEPS))
        });
        let below = to.map_or(Uuid::max(), |to| {
            store::earliest_id(to.saturating_add(CLOCK_STEPS))
        });
        payment::Wanted {
            account,
            above: page.ending_before.unwrap_or_default().max(above),
            below: page.starting_after.unwrap_or(Uuid::max()).min(below),
            oldest_first: page.ending_before.is_some(),
            status: self.status.map(Status::as_str),
            reference: self.reference.as_deref(),
            amount: (
                self.amount.0.unwrap_or(0),
                self.amount.1.unwrap_or(i64::MAX),
            ),
            created: (
                from.unwrap_or(OffsetDateTime::UNIX_EPOCH),
                to.unwrap_or(FAR_FUTURE),
            ),
            metadata: (!self.metadata.is_empty()).then(|| json!(self.metadata)),
            limit: i64::from(page.limit) + 1,
        }
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
