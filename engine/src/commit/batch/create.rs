//! New payments: each batch is one transaction that writes payments with their first transition, job and message.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use contracts::id::PaymentId;
use infra::metrics::Counters;
use infra::trace::KeyValue;
use infra::{postgres, trace};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::capture::Multicapture;
use workflows::payment::Payment;
use workflows::stream;

use super::Batch;
use crate::commit::{After, Cause, count};
use crate::error::Error;
use crate::record::{Notes, Record};
use crate::request::{Answer, Idempotency, NewPayment, RequestKey, RequestMark, SavedAnswer};
use crate::store::{idempotency, job, outbox, payment, timer, transition};
use crate::{commit, message, store};

static CREATED: Counters<0> = Counters::new(
    "pawl_payments_created_total",
    "Payments that were accepted.",
    [],
);

/// A payment ready to be written, with its first transition and its jobs.
pub(crate) struct Begun {
    pub(crate) record: Record,
    transitions: Vec<transition::New>,
    pub(crate) jobs: Vec<job::New>,
}

impl Begun {
    /// The first step of a payment.
    pub(crate) fn new(
        payment: Payment,
        account: Uuid,
        notes: Notes,
        cause: &Cause,
        created_at: OffsetDateTime,
    ) -> Result<Self, Error> {
        let id = payment.id;
        let step = stream::start(payment)?;
        let data = first_facts(&step.stream.payment, cause);
        let transitions = step.transitions.into_iter().map(|transition| {
            let (cause, data) = (cause.id.clone(), data.clone());
            transition::New {
                stream: id,
                transition,
                cause,
                data,
                moved: Value::Null,
            }
        });
        let jobs = step.effects.into_iter();
        let jobs = jobs.map(|effect| job::New::from_effect(id, effect));
        Ok(Self {
            transitions: transitions.collect(),
            jobs: jobs.collect(),
            record: Record {
                stream: step.stream,
                account,
                notes,
                created_at,
                updated_at: created_at,
            },
        })
    }

    fn id(&self) -> Uuid {
        self.record.stream.payment.id
    }
}

/// A payment that a client requests, and the answer that the client will get.
pub(crate) struct Create {
    begun: Begun,
    expires_seconds: Option<f64>,
    idempotency: Idempotency,
    answer: Answer,
    since: Option<trace::PendingSpan>,
}

/// The outcome of a request for a new payment.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// The payment is committed, or was by an earlier request with the same key.
    Answered(Answer),
    /// The key was used with another body.
    KeyReused,
    /// Another transaction has just released the key or the reference; the request may be sent again.
    InFlight,
    /// This payment of the account has the reference.
    ReferenceTaken(Uuid),
}

impl Create {
    /// The first step of a new payment. Nothing is written yet.
    pub(crate) fn prepare(
        new: NewPayment,
        idempotency: Idempotency,
        cause: &Cause,
    ) -> Result<Self, Error> {
        let (id, now) = (Uuid::now_v7(), store::now());
        let payment = Payment::new(
            id,
            new.money,
            new.capture_method,
            new.confirm,
            new.payment_method,
            new.return_url,
        );
        let payment = Payment {
            multicapture: new.multicapture.then_some(Multicapture::Requested),
            authorization_expiry: new.authorization_expiry,
            ..payment
        };
        let mark = RequestMark::of(&idempotency, new.notes.reference.clone());
        let account = idempotency.account;
        let mut begun = Begun::new(payment, account, new.notes, cause, now)?;
        for job in &mut begun.jobs {
            job.request = Some(mark.clone());
        }
        Ok(Self {
            expires_seconds: new.expires_in.map(|after| after.as_secs_f64()),
            answer: Answer::of_payment(&begun.record),
            begun,
            idempotency,
            since: trace::begin(),
        })
    }

    fn id(&self) -> Uuid {
        self.begun.id()
    }

    /// Counts the payment and begins its trace. This happens here and not in the request's task, because the client may be
    /// gone by now.
    fn observe(&self) {
        CREATED.with_labels([]).increment(1);
        count(self.begun.transitions.iter().map(|new| &new.transition));
        if let Some(since) = &self.since {
            let id = KeyValue::new("payment", PaymentId::from(self.id()).to_string());
            since.record_first(self.id(), "payment accepted".to_owned(), vec![id]);
        }
    }

    /// The answer to an equal request of the same batch, of which `outcome` is the first one's.
    fn repeat(&self, first: &Self, outcome: Outcome) -> Outcome {
        if first.idempotency.body_hash != self.idempotency.body_hash {
            return Outcome::KeyReused;
        }
        match outcome {
            Outcome::Answered(answer) => Outcome::Answered(Answer {
                replayed: true,
                ..answer
            }),
            other => other,
        }
    }
}

/// The facts that the history keeps of the first transition. Its sums are zero; they are written so that a
/// delivery does not read later ones from the payment.
fn first_facts(payment: &Payment, cause: &Cause) -> Value {
    let mut facts = json!({
        "amount": payment.money.amount(),
        "currency": payment.money.currency().code(),
        "amount_capturable": 0, "amount_captured": 0, "amount_refunded": 0, "amount_reserved": 0,
    });
    cause.note_in(&mut facts);
    facts
}

/// Commits batches of [`Create`].
pub(crate) struct Creates {
    pub(crate) pool: PgPool,
    pub(crate) after: After,
}

impl Batch for Creates {
    const NAME: &'static str = "creates";
    type Request = Create;
    type Outcome = Outcome;

    async fn commit(&self, requests: &[Create]) -> sqlx::Result<Vec<Option<Outcome>>> {
        let mut first_of: HashMap<RequestKey, &Create> = HashMap::with_capacity(requests.len());
        let mut firsts: Vec<&Create> = Vec::with_capacity(requests.len());
        for request in requests {
            first_of
                .entry(request.idempotency.unique())
                .or_insert_with(|| {
                    firsts.push(request);
                    request
                });
        }
        let mut outcomes = self.create(firsts.clone()).await?;
        for first in firsts {
            if let Entry::Vacant(outcome) = outcomes.entry(first.id()) {
                outcome.insert(self.answered_before(first).await?);
            }
        }
        let outcome_of = |create: &Create| outcomes.get(&create.id()).cloned();
        let outcome = |request: &Create| {
            outcome_of(request).or_else(|| {
                let first = first_of.get(&request.idempotency.unique())?;
                Some(request.repeat(first, outcome_of(first)?))
            })
        };
        Ok(requests
            .iter()
            .map(|request| Some(outcome(request).unwrap_or(Outcome::InFlight)))
            .collect())
    }
}

impl Creates {
    /// Writes payments with different keys in one transaction. Returns the outcomes by payment, of those whose keys were
    /// free.
    async fn create(&self, creates: Vec<&Create>) -> sqlx::Result<HashMap<Uuid, Outcome>> {
        let now = store::now();
        let written = async {
            let mut transaction = self.pool.begin().await?;
            let creates = take_keys(&mut transaction, creates).await?;
            let (creates, refused) = insert(&mut transaction, creates).await?;
            let outcomes = refuse(&mut transaction, &refused).await?;
            set_expiries(&mut transaction, &creates).await?;
            let begun: Vec<&Begun> = creates.iter().map(|create| &create.begun).collect();
            let due = write(&mut transaction, &begun, now).await?;
            Ok((transaction, creates, outcomes, due))
        };
        let (transaction, creates, mut outcomes, due) = postgres::within(written).await?;
        match creates.first() {
            Some(create) => {
                commit::commit(&self.pool, transaction, create.begun.transitions.first()).await?;
            }
            // The refused ones have released their keys: there is nothing to write.
            None => transaction.rollback().await?,
        }
        for create in &creates {
            create.observe();
            outcomes.insert(create.id(), Outcome::Answered(create.answer.clone()));
        }
        self.after.push(due);
        Ok(outcomes)
    }

    /// The outcome of a request whose key was taken before.
    async fn answered_before(&self, create: &Create) -> sqlx::Result<Outcome> {
        let saved = postgres::within(async {
            let mut connection = self.pool.acquire().await?;
            idempotency::read(&mut connection, &create.idempotency).await
        });
        Ok(saved
            .await?
            .map_or(Outcome::InFlight, |saved: SavedAnswer| {
                let answer = saved.answer_to(&create.idempotency);
                answer.map_or(Outcome::KeyReused, Outcome::Answered)
            }))
    }
}

/// Takes the keys of the requests; returns those whose keys were free.
async fn take_keys<'a>(
    connection: &mut PgConnection,
    creates: Vec<&'a Create>,
) -> sqlx::Result<Vec<&'a Create>> {
    let rows = creates
        .iter()
        .map(|create| idempotency::New {
            idempotency: &create.idempotency,
            answer: &create.answer,
        })
        .collect();
    let taken = idempotency::take(connection, rows).await?;
    Ok(creates
        .into_iter()
        .filter(|create| taken.contains(&create.idempotency.unique()))
        .collect())
}

/// Inserts the payments; returns those that were inserted and those whose references are taken.
async fn insert<'a>(
    connection: &mut PgConnection,
    creates: Vec<&'a Create>,
) -> sqlx::Result<(Vec<&'a Create>, Vec<&'a Create>)> {
    if creates.is_empty() {
        return Ok((creates, Vec::new()));
    }
    let records: Vec<&Record> = creates.iter().map(|create| &create.begun.record).collect();
    let inserted = payment::add(connection, &records).await?;
    Ok(creates
        .into_iter()
        .partition(|create| inserted.contains(&create.id())))
}

/// Releases the keys of payments whose references are taken; returns their outcomes by payment.
async fn refuse(
    connection: &mut PgConnection,
    refused: &[&Create],
) -> sqlx::Result<HashMap<Uuid, Outcome>> {
    let mut outcomes = HashMap::new();
    if refused.is_empty() {
        return Ok(outcomes);
    }
    let keys: Vec<&Idempotency> = refused.iter().map(|create| &create.idempotency).collect();
    idempotency::release(connection, &keys).await?;
    for create in refused {
        let record = &create.begun.record;
        let reference = record.notes.reference.as_deref().unwrap_or_default();
        let holder = payment::find_by_reference(connection, record.account, reference).await?;
        let outcome = holder.map_or(Outcome::InFlight, Outcome::ReferenceTaken);
        outcomes.insert(create.id(), outcome);
    }
    Ok(outcomes)
}

/// Sets when the payments are to be canceled whose clients gave a time.
async fn set_expiries(connection: &mut PgConnection, creates: &[&Create]) -> sqlx::Result<()> {
    let (payments, seconds): (Vec<Uuid>, Vec<f64>) = creates
        .iter()
        .filter_map(|create| Some((create.id(), create.expires_seconds?)))
        .unzip();
    if payments.is_empty() {
        return Ok(());
    }
    timer::set_expiries(connection, &payments, &seconds).await
}

/// Writes what belongs to payments that were inserted; returns the jobs that are due.
pub(crate) async fn write(
    connection: &mut PgConnection,
    payments: &[&Begun],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Uuid>> {
    if payments.is_empty() {
        return Ok(Vec::new());
    }
    let transitions: Vec<transition::New> = payments
        .iter()
        .flat_map(|begun| begun.transitions.clone())
        .collect();
    transition::add(connection, &transitions, now).await?;
    let messages: Vec<outbox::New<'_>> = payments
        .iter()
        .flat_map(|begun| {
            let rows = begun.transitions.iter();
            rows.map(|row| message::of(row, &begun.record, now))
        })
        .collect::<sqlx::Result<_>>()?;
    outbox::add(connection, &messages, now).await?;
    let jobs: Vec<job::New> = payments
        .iter()
        .flat_map(|begun| begun.jobs.clone())
        .collect();
    job::add(connection, &jobs, now, Duration::ZERO).await
}
