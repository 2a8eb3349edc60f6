//! What Stripe did after the moment to which the database was restored. Payments that Stripe knows and the database does not
//! are written again, the others are compared with Stripe, and the answers of the lost requests are kept anew, so that no
//! client who repeats a request pays twice or gets money back twice.
//!
//! Intents and refunds bear in their metadata which request made them; see [`RequestMark`]. Nothing is sent to Stripe here. All
//! of it can be repeated: what is known already stays as it is.

mod lost;
mod refunds;

use std::collections::HashMap;

use contracts::id::PaymentId;
use infra::postgres;
use lost::Lost;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::payment::Status;
use workflows::stripe::{ACCOUNT_ID, PAYMENT_ID, id_of};

use crate::request::{Answer, Idempotency, RequestMark};
use crate::store;
use crate::store::payment::sums;
use crate::store::payment::sums::Sums;
use crate::store::{idempotency, job, payment};
use crate::stripe::{Client, EventRange, Failure, MadeIntent};

/// The path of the request that makes a payment.
const PAYMENTS: &str = "/api/v1/payments";

/// Why an adoption ended before its end. What it wrote before stays, and it can be repeated.
#[derive(Debug, thiserror::Error)]
pub enum AdoptionError {
    /// Stripe did not answer a read.
    #[error("Stripe: {0}")]
    Stripe(#[from] Box<Failure>),
    /// Postgres failed.
    #[error("Postgres: {0}")]
    Postgres(#[from] sqlx::Error),
}

/// Writes what the database lost.
pub struct Adopter {
    /// The database.
    pub pool: PgPool,
    /// Stripe's API.
    pub stripe: Client,
    /// Whether it only counts and writes nothing.
    pub is_dry: bool,
}

/// What was found at Stripe, and what was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adoption {
    /// Intents and refunds of ours that Stripe made in the range.
    pub seen: u64,
    /// Payments that were unknown, and are written again.
    pub adopted: Vec<PaymentId>,
    /// Comparisons with Stripe, each by a job, that were asked for because Stripe shows something else.
    pub compared: u64,
    /// Answers that are kept again under the keys of their clients.
    pub answers: u64,
    /// Adopted payments without their references, because another payment of the account holds them: the order may be paid
    /// twice.
    pub doubled: Vec<(PaymentId, String)>,
    /// Intents with our mark that cannot be payments, each with the reason.
    pub skipped: Vec<(String, String)>,
    /// Refunds that no job has read from Stripe yet: the workers do that.
    pub awaited: u64,
}

impl Adoption {
    /// Adds what was done in another transaction.
    fn add(&mut self, other: Self) {
        self.seen += other.seen;
        self.adopted.extend(other.adopted);
        self.compared += other.compared;
        self.answers += other.answers;
        self.doubled.extend(other.doubled);
        self.skipped.extend(other.skipped);
        self.awaited += other.awaited;
    }
}

/// An intent that bears our marks.
struct Ours {
    payment: Uuid,
    account: Uuid,
    intent: MadeIntent,
}

impl Ours {
    fn of(intent: MadeIntent) -> Option<Self> {
        Some(Self {
            payment: id_of(intent.metadata.get(PAYMENT_ID)?)?,
            account: id_of(intent.metadata.get(ACCOUNT_ID)?)?,
            intent,
        })
    }

    /// The request that made it, if its mark still names one.
    fn request(&self) -> Option<Idempotency> {
        let mark = RequestMark::in_metadata(&self.intent.metadata)?;
        mark.request(self.account, PAYMENTS.to_owned())
    }
}

impl Adopter {
    /// When the newest payment of the database was accepted; none where there is no payment.
    ///
    /// # Errors
    /// [`AdoptionError::Postgres`].
    pub async fn newest_payment(&self) -> Result<Option<OffsetDateTime>, AdoptionError> {
        let newest = postgres::within(async {
            let mut connection = self.pool.acquire().await?;
            payment::newest(&mut connection).await
        });
        Ok(newest.await?)
    }

    /// Adopts the payments whose intents Stripe made in the range, and has those compared that Stripe shows in another state.
    /// `progress` gets what was done after each page.
    ///
    /// # Errors
    /// [`AdoptionError`].
    pub async fn adopt_payments(
        &self,
        range: EventRange,
        done: &mut Adoption,
        progress: impl Fn(&Adoption),
    ) -> Result<(), AdoptionError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.stripe.list_intents_made(range, after.as_deref());
            let page = page.await.map_err(Box::new)?;
            let ours: Vec<Ours> = page.objects.into_iter().filter_map(Ours::of).collect();
            if !ours.is_empty() {
                // On the heap: the future holds a page of intents and of payments.
                done.add(Box::pin(postgres::within(self.adopt_page(ours))).await?);
            }
            progress(done);
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// How many comparisons with Stripe no worker has ended. Those that failed for good are not counted.
    ///
    /// # Errors
    /// [`AdoptionError::Postgres`].
    pub async fn open_comparisons(&self) -> Result<u64, AdoptionError> {
        let open = postgres::within(async {
            let mut connection = self.pool.acquire().await?;
            job::open_resyncs(&mut connection).await
        });
        Ok(u64::try_from(open.await?).unwrap_or_default())
    }

    /// Adopts a page in one transaction.
    async fn adopt_page(&self, ours: Vec<Ours>) -> sqlx::Result<Adoption> {
        let mut next = Adoption::default();
        next.seen += count(ours.iter());
        let mut transaction = self.pool.begin().await?;
        let ids: Vec<Uuid> = ours.iter().map(|it| it.payment).collect();
        let known = payment::existing(&mut transaction, &ids).await?;
        let (known, lost): (Vec<Ours>, Vec<Ours>) =
            ours.into_iter().partition(|it| known.contains(&it.payment));
        compare(&mut transaction, &known, &mut next).await?;
        let lost = Lost::read(lost, &mut next.skipped);
        lost::add(&mut transaction, lost, &mut next).await?;
        keep_answers(&mut transaction, known, &mut next).await?;
        self.end(transaction).await?;
        Ok(next)
    }

    async fn end(&self, transaction: Transaction<'_, Postgres>) -> sqlx::Result<()> {
        if self.is_dry {
            transaction.rollback().await
        } else {
            transaction.commit().await
        }
    }
}

fn count(all: impl Iterator) -> u64 {
    u64::try_from(all.count()).unwrap_or_default()
}

/// Has the payments compared with Stripe that Stripe shows in another state. The job that is to make an intent which Stripe has
/// made already learns since when its key is known there.
async fn compare(
    connection: &mut PgConnection,
    known: &[Ours],
    done: &mut Adoption,
) -> sqlx::Result<()> {
    let intents: Vec<String> = known.iter().map(|it| it.intent.id.clone()).collect();
    let rows = sums::of_intents(connection, &intents).await?;
    let rows: HashMap<&str, &Sums> = rows
        .iter()
        .map(|row| (row.intent_id.as_str(), row))
        .collect();
    let (mut moved, mut payments, mut made) = (Vec::new(), Vec::new(), Vec::new());
    for Ours {
        payment, intent, ..
    } in known
    {
        let Some(row) = rows.get(intent.id.as_str()) else {
            payments.push(*payment);
            made.push(intent.created);
            continue;
        };
        let status = Status::of_intent(intent.status);
        let is_other = status.is_some_and(|status| status.as_str() != row.status);
        if is_other || intent.amount_received != row.captured {
            moved.push(row.id);
        }
    }
    job::note_intents_made(connection, &payments, &made).await?;
    ask(connection, &moved, done).await
}

/// Asks for a job that compares each of the payments with Stripe.
async fn ask(
    connection: &mut PgConnection,
    payments: &[Uuid],
    done: &mut Adoption,
) -> sqlx::Result<()> {
    if !payments.is_empty() {
        job::add_resyncs(connection, payments, store::now()).await?;
    }
    done.compared += count(payments.iter());
    Ok(())
}

/// Keeps the answers to the requests that made known payments, where they are not kept any more.
async fn keep_answers(
    connection: &mut PgConnection,
    known: Vec<Ours>,
    done: &mut Adoption,
) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = known.iter().map(|it| it.payment).collect();
    let records = payment::read(connection, &ids).await?;
    let records: HashMap<Uuid, _> = records
        .into_iter()
        .map(|record| (record.stream.payment.id, record))
        .collect();
    let kept = known.iter().filter_map(|it| {
        let record = records.get(&it.payment)?;
        // Another program's copy of the marks names no request of this payment.
        let is_its_intent = record.stream.payment.intent_id.as_deref() == Some(&it.intent.id);
        let request = it.request().filter(|_| is_its_intent)?;
        (request.account == record.account).then(|| (request, Answer::of_payment(record)))
    });
    keep(connection, &kept.collect::<Vec<_>>(), done).await
}

async fn keep(
    connection: &mut PgConnection,
    answers: &[(Idempotency, Answer)],
    done: &mut Adoption,
) -> sqlx::Result<()> {
    if answers.is_empty() {
        return Ok(());
    }
    let rows = answers
        .iter()
        .map(|(idempotency, answer)| idempotency::New {
            idempotency,
            answer,
        });
    let taken = idempotency::take(connection, rows.collect()).await?;
    done.answers += count(taken.iter());
    Ok(())
}
