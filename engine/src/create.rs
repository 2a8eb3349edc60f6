//! `create`: a payment is accepted by one row of each kind, in one transaction, before its client hears of it.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use contracts::id::PaymentId;
use infra::metrics::Counters;
use infra::trace;
use infra::trace::KeyValue;
use serde_json::json;
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::payment::{Payment, Status};
use workflows::stream;

use crate::committer::advance::request_cause;
use crate::committer::{After, Shown, Work, commit, count};
use crate::record::Record;
use crate::store::{idempotency, job, outbox, payment, timer, transition};
use crate::{Answer, Engine, Error, Idempotency, NewPayment, View};

static CREATED: Counters<0> = Counters::new(
    "pawl_payments_created_total",
    "Payments that were accepted.",
    [],
);

/// A payment ready to be written, and the answer that will be given for it.
pub(crate) struct Create {
    record: Record,
    transitions: Vec<transition::New>,
    jobs: Vec<job::New>,
    expires_seconds: Option<f64>,
    idempotency: Idempotency,
    answer: Answer,
    since: Option<trace::PendingSpan>,
}

/// What became of it.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Answered(Answer),
    KeyReused,
    InFlight,
    ReferenceTaken(Uuid),
}

impl Engine {
    /// Accepts a payment: when this returns it is durable, and it will be driven to an end whatever dies.
    ///
    /// # Errors
    /// [`Error::KeyReused`], [`Error::InFlight`], [`Error::ReferenceTaken`], [`Error::IntakePaused`] and
    /// [`Error::Unavailable`]; nothing was written then.
    pub async fn create(&self, new: NewPayment, idempotency: Idempotency) -> Result<Answer, Error> {
        if self.inner.intake.is_paused(&self.inner.pool).await? {
            return self.accepted_before(&idempotency).await;
        }
        let create = Create::prepare(new, idempotency, Uuid::now_v7(), OffsetDateTime::now_utc())?;
        match self.inner.creates.submit(create).await? {
            Outcome::Answered(answer) => {
                trace::link(answer.payment);
                Ok(answer)
            }
            Outcome::KeyReused => Err(Error::KeyReused),
            Outcome::InFlight => Err(Error::InFlight),
            Outcome::ReferenceTaken(payment) => Err(Error::ReferenceTaken { payment }),
        }
    }

    /// While no new payments are taken, who asks again for one that was accepted is still answered.
    async fn accepted_before(&self, idempotency: &Idempotency) -> Result<Answer, Error> {
        let mut connection = self.inner.pool.acquire().await?;
        match idempotency::saved(&mut connection, idempotency).await? {
            Some(saved) if saved.body_hash == idempotency.body_hash => Ok(saved.answer),
            Some(_) => Err(Error::KeyReused),
            None => Err(Error::IntakePaused),
        }
    }
}

impl Create {
    fn prepare(
        new: NewPayment,
        idempotency: Idempotency,
        id: Uuid,
        now: OffsetDateTime,
    ) -> Result<Self, Error> {
        let now = as_kept(now);
        let step = stream::start(Payment {
            id,
            status: Status::LocalCreated,
            money: new.money,
            capture_method: new.capture_method,
            confirm: new.confirm,
            payment_method: new.payment_method,
            return_url: new.return_url,
            intent_id: None,
            client_secret: None,
            next_action: None,
            last_error: None,
            cancellation_reason: None,
            authorized: 0,
            capturable: 0,
            captured: 0,
            refunded: 0,
            reserved: 0,
            capture_before: None,
            cancel_requested: false,
            open_call: None,
            attempts: 0,
            version: 0,
        })?;
        let record = Record {
            payment: step.stream.payment,
            attempt: None,
            account: idempotency.account,
            notes: new.notes,
            created_at: now,
            updated_at: now,
        };
        let View { version, body } = record.rendered();
        let cause = request_cause();
        let data = json!({
            "amount": record.payment.money.amount(),
            "currency": record.payment.money.currency().code(),
            // What a late relay would otherwise read from the payment as it is by then.
            "amount_capturable": 0, "amount_captured": 0, "amount_refunded": 0, "amount_reserved": 0,
        });
        Ok(Self {
            transitions: step
                .transitions
                .into_iter()
                .map(|transition| transition::New {
                    stream: id,
                    transition,
                    cause: cause.clone(),
                    data: data.clone(),
                })
                .collect(),
            jobs: step
                .effects
                .iter()
                .map(|effect| job::New::of(id, effect))
                .collect(),
            expires_seconds: new.expires_in.map(|after| after.as_secs_f64()),
            answer: Answer {
                status: 201,
                body,
                replayed: false,
                payment: id,
                version,
            },
            record,
            idempotency,
            since: trace::begin(),
        })
    }
}

impl Create {
    /// Counts the payment and begins its trace. Its client may be gone by now: it is told here and not where it was asked
    /// for.
    fn tell(&self) {
        CREATED.with_labels([]).increment(1);
        count(&self.transitions);
        if let Some(since) = &self.since {
            let payment = self.record.payment.id;
            let id = KeyValue::new("payment", PaymentId::from(payment).to_string());
            since.record_first(payment, "payment accepted".to_owned(), vec![id]);
        }
    }
}

/// The time as Postgres keeps it, in microseconds: the answer must show the time that a later read shows.
fn as_kept(time: OffsetDateTime) -> OffsetDateTime {
    let whole = time.replace_nanosecond(time.microsecond() * 1000);
    whole.unwrap_or(time)
}

/// Commits groups of new payments.
pub(crate) struct Creates {
    pub(crate) pool: PgPool,
    pub(crate) after: After,
}

impl Work for Creates {
    const LANE: &'static str = "creates";
    type Member = Create;
    type Outcome = Outcome;

    async fn commit(&self, members: &[Create]) -> sqlx::Result<Vec<Outcome>> {
        let first = first_of_equals(members);
        let asked: Vec<usize> = (0..members.len()).filter(|&at| first[at] == at).collect();
        let mut outcomes: Vec<Option<Outcome>> = vec![None; members.len()];

        let now = OffsetDateTime::now_utc();
        let mut transaction = self.pool.begin().await?;
        let keys: Vec<_> = asked
            .iter()
            .map(|&at| idempotency::New {
                idempotency: &members[at].idempotency,
                answer: &members[at].answer,
            })
            .collect();
        let taken = idempotency::take(&mut transaction, &keys, now).await?;
        let mut fresh: Vec<usize> = asked
            .iter()
            .zip(&taken)
            .filter(|(_, taken)| **taken)
            .map(|(&at, _)| at)
            .collect();

        if !fresh.is_empty() {
            let records: Vec<&Record> = fresh.iter().map(|&at| &members[at].record).collect();
            let added = payment::add(&mut transaction, &records).await?;
            let (written, refused): (Vec<usize>, Vec<usize>) = fresh
                .iter()
                .partition(|&&at| added.contains(&members[at].record.payment.id));
            if !refused.is_empty() {
                self.refuse(&mut transaction, members, &refused, &mut outcomes)
                    .await?;
            }
            fresh = written;
        }
        let mut due = Vec::new();
        if !fresh.is_empty() {
            due = write(&mut transaction, members, &fresh, now).await?;
        }
        match fresh.first().map(|&at| &members[at].transitions[0]) {
            Some(witness) => commit(transaction, || self.is_there(witness)).await?,
            None => transaction.rollback().await?,
        }

        for &at in &fresh {
            members[at].tell();
            outcomes[at] = Some(Outcome::Answered(members[at].answer.clone()));
        }
        self.after.commit(
            due,
            fresh.iter().map(|&at| {
                let create = &members[at];
                Shown {
                    record: create.record.clone(),
                    body: Bytes::clone(&create.answer.body),
                    moved: true,
                }
            }),
        );
        for at in 0..members.len() {
            if outcomes[at].is_none() {
                outcomes[at] = Some(
                    match outcomes[first[at]].clone().filter(|_| first[at] != at) {
                        Some(outcome) => replayed(&members[first[at]], &members[at], outcome),
                        None => self.saved(&members[at]).await?,
                    },
                );
            }
        }
        Ok(outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or(Outcome::InFlight))
            .collect())
    }
}

impl Creates {
    /// Gives the keys of payments back whose references are taken.
    async fn refuse(
        &self,
        transaction: &mut sqlx::PgConnection,
        members: &[Create],
        refused: &[usize],
        outcomes: &mut [Option<Outcome>],
    ) -> sqlx::Result<()> {
        let keys: Vec<&Idempotency> = refused.iter().map(|&at| &members[at].idempotency).collect();
        idempotency::give_back(transaction, &keys).await?;
        for &at in refused {
            let record = &members[at].record;
            let reference = record.notes.reference.as_deref().unwrap_or_default();
            let holder = payment::of_reference(transaction, record.account, reference).await?;
            outcomes[at] = Some(holder.map_or(Outcome::InFlight, Outcome::ReferenceTaken));
        }
        Ok(())
    }

    async fn is_there(&self, witness: &transition::New) -> sqlx::Result<bool> {
        transition::is_there(&mut *self.pool.acquire().await?, witness).await
    }

    /// What was answered when the key was taken.
    async fn saved(&self, create: &Create) -> sqlx::Result<Outcome> {
        let saved =
            idempotency::saved(&mut *self.pool.acquire().await?, &create.idempotency).await?;
        Ok(match saved {
            Some(saved) if saved.body_hash == create.idempotency.body_hash => {
                Outcome::Answered(saved.answer)
            }
            Some(_) => Outcome::KeyReused,
            None => Outcome::InFlight,
        })
    }
}

/// Writes what belongs to new payments; returns the jobs that can be taken.
async fn write(
    transaction: &mut sqlx::PgConnection,
    members: &[Create],
    fresh: &[usize],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Uuid>> {
    let transitions: Vec<transition::New> = fresh
        .iter()
        .flat_map(|&at| members[at].transitions.clone())
        .collect();
    transition::add(transaction, &transitions, now).await?;
    let messages: Vec<outbox::New<'_>> = fresh
        .iter()
        .flat_map(|&at| {
            let account = members[at].record.account;
            let rows = members[at].transitions.iter();
            rows.map(move |row| outbox::New { account, row })
        })
        .collect();
    outbox::add(transaction, &messages, now).await?;
    let expiries: Vec<(Uuid, f64)> = fresh
        .iter()
        .filter_map(|&at| {
            members[at]
                .expires_seconds
                .map(|seconds| (members[at].record.payment.id, seconds))
        })
        .collect();
    if !expiries.is_empty() {
        let (payments, seconds): (Vec<_>, Vec<_>) = expiries.into_iter().unzip();
        timer::set_expiries(transaction, &payments, &seconds).await?;
    }
    let jobs: Vec<job::New> = fresh
        .iter()
        .flat_map(|&at| members[at].jobs.clone())
        .collect();
    job::add(transaction, &jobs, now, Duration::ZERO).await
}

/// For each member the position of the first one with the same key: equal keys of one group meet here.
fn first_of_equals(members: &[Create]) -> Vec<usize> {
    let mut seen = HashMap::with_capacity(members.len());
    members
        .iter()
        .enumerate()
        .map(|(at, member)| {
            let it = &member.idempotency;
            *seen
                .entry((it.account, &it.method, &it.path, &it.key))
                .or_insert(at)
        })
        .collect()
}

/// What the second of two equal requests hears.
fn replayed(first: &Create, second: &Create, outcome: Outcome) -> Outcome {
    if first.idempotency.body_hash != second.idempotency.body_hash {
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
