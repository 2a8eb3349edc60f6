//! `advance`: commands of clients and results of jobs, committed in groups.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;
use workflows::{refund::Refund, stream::Event};

use super::{
    After, Work, commit,
    fold::{Applied, Fold, NotApplied},
};
use crate::{
    Answer, Error, Idempotency,
    record::{Record, json, refund_view},
    store::{
        idempotency::{self, Saved},
        job::{self, Claimed, Ending, Finish},
        timer, transition,
    },
};

/// An event for one payment, with where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Advance {
    pub(crate) payment: Uuid,
    pub(crate) cause: String,
    pub(crate) origin: Origin,
}

/// Where an event comes from decides what must hold before it is applied, and what is written besides.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// A client, who gets an answer that is kept under its key.
    Command {
        event: Event,
        idempotency: Idempotency,
        answers: Answers,
    },
    /// A job, under its lease. Without an event it is only put off or given up.
    Job {
        job: Uuid,
        lease: Uuid,
        finish: Finish,
        event: Option<Event>,
        expected_version: Option<i64>,
    },
    /// The moment at which an unfinished payment is to be canceled.
    Expiry,
}

/// What a command's answer shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answers {
    Payment,
    Refund(Uuid),
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answered(Answer),
    Refused(Error),
    /// The job is finished or put off, and its event applied. The calls that follow from it are in the hands of the
    /// worker that asked, if it has hands.
    Finished(Vec<Claim>),
    /// The lease had passed to another worker: nothing was written.
    Stale,
}

/// Commits groups of events.
pub(crate) struct Advances {
    pub(crate) pool: PgPool,
    pub(crate) after: After,
    /// In a worker, how long a job belongs to it. A door has no hands and leaves every job to the workers.
    pub(crate) lease: Option<Duration>,
}

/// A job in a worker's hands, with what it is about.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) job: Claimed,
    pub(crate) record: Option<Record>,
    pub(crate) refund: Option<Refund>,
}

impl Work for Advances {
    type Member = Advance;
    type Outcome = Outcome;

    async fn commit(&self, members: &[Advance]) -> sqlx::Result<Vec<Outcome>> {
        let mut transaction = self.pool.begin().await?;
        let payments: BTreeSet<Uuid> = members.iter().map(|member| member.payment).collect();
        let with_refunds: BTreeSet<Uuid> = members
            .iter()
            .filter(|member| member.looks_at_refunds())
            .map(|member| member.payment)
            .collect();
        let fold = Fold::lock(&mut transaction, &payments, &with_refunds).await?;
        let held = finish_jobs(&mut transaction, members).await?;
        let saved = saved_answers(&mut transaction, members).await?;

        let mut group = Group {
            fold,
            held,
            saved,
            given: HashMap::new(),
            buried: Vec::new(),
            over: Vec::new(),
            has_hands: self.lease.is_some(),
        };
        let outcomes: Vec<Outcome> = members.iter().map(|member| group.take(member)).collect();

        let Group {
            mut fold,
            buried,
            over,
            held,
            ..
        } = group;
        let mut due = fold
            .write(&mut transaction, self.lease.unwrap_or_default())
            .await?;
        due.extend(held.iter().filter(|(_, again)| **again).map(|(id, _)| *id));
        for (job, error) in &buried {
            job::bury(&mut transaction, *job, error).await?;
        }
        if !over.is_empty() {
            timer::remove_expiries(&mut transaction, &over).await?;
        }
        keep_answers(&mut transaction, members, &outcomes).await?;
        let witness = fold.witness().cloned();
        commit(transaction, || self.is_there(witness.as_ref())).await?;

        self.after.commit(due, fold.into_views());
        Ok(outcomes)
    }
}

impl Advances {
    /// Without a transition the group is safe to run again: leases and saved answers refuse what was written.
    async fn is_there(&self, witness: Option<&transition::New>) -> sqlx::Result<bool> {
        match witness {
            Some(witness) => transition::is_there(&mut *self.pool.acquire().await?, witness).await,
            None => Ok(false),
        }
    }
}

impl Advance {
    fn event(&self) -> Option<&Event> {
        match &self.origin {
            Origin::Command { event, .. } => Some(event),
            Origin::Job { event, .. } => event.as_ref(),
            Origin::Expiry => None,
        }
    }

    fn looks_at_refunds(&self) -> bool {
        self.event().is_some_and(looks_at_refunds)
    }
}

/// Whether `step` needs the payment's refunds to decide about this event.
pub(crate) fn looks_at_refunds(event: &Event) -> bool {
    match event {
        Event::RefundRequested { .. }
        | Event::RefundSeen { .. }
        | Event::RefundRejected { .. }
        | Event::Resynced { .. }
        | Event::CallProvedVoid {
            refund: Some(_), ..
        } => true,
        Event::ConfirmRequested { .. }
        | Event::CaptureRequested { .. }
        | Event::CancelRequested { .. }
        | Event::Forced { .. }
        | Event::IntentSeen { .. }
        | Event::IntentRejected { .. }
        | Event::ConfirmRefused { .. }
        | Event::CallRefused { .. }
        | Event::Hinted
        | Event::CallProvedVoid { refund: None, .. }
        | Event::ChargeSeen { .. } => false,
    }
}

type Key = (Uuid, String, String, String);

fn key(idempotency: &Idempotency) -> Key {
    (
        idempotency.account,
        idempotency.method.clone(),
        idempotency.path.clone(),
        idempotency.key.clone(),
    )
}

/// The jobs of the group that are really held, with whether each must look again.
async fn finish_jobs(
    connection: &mut PgConnection,
    members: &[Advance],
) -> sqlx::Result<HashMap<Uuid, bool>> {
    let endings: Vec<Ending<'_>> = members
        .iter()
        .filter_map(|member| match &member.origin {
            Origin::Job {
                job, lease, finish, ..
            } => Some(Ending {
                id: *job,
                lease: *lease,
                finish,
            }),
            _ => None,
        })
        .collect();
    if endings.is_empty() {
        return Ok(HashMap::new());
    }
    job::finish(connection, &endings).await
}

async fn saved_answers(
    connection: &mut PgConnection,
    members: &[Advance],
) -> sqlx::Result<HashMap<Key, Saved>> {
    let mut saved = HashMap::new();
    for member in members {
        if let Origin::Command { idempotency, .. } = &member.origin
            && let Some(found) = idempotency::saved(connection, idempotency).await?
        {
            saved.insert(key(idempotency), found);
        }
    }
    Ok(saved)
}

/// Keeps the answers that were given now. Their keys are free: their path names the payment, whose lock is held.
async fn keep_answers(
    connection: &mut PgConnection,
    members: &[Advance],
    outcomes: &[Outcome],
) -> sqlx::Result<()> {
    let rows: Vec<idempotency::New<'_>> = members
        .iter()
        .zip(outcomes)
        .filter_map(|(member, outcome)| match (&member.origin, outcome) {
            (Origin::Command { idempotency, .. }, Outcome::Answered(answer))
                if !answer.replayed =>
            {
                Some(idempotency::New {
                    idempotency,
                    answer,
                })
            }
            _ => None,
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let taken = idempotency::take(connection, &rows, time::OffsetDateTime::now_utc()).await?;
    if taken.contains(&false) {
        return Err(sqlx::Error::Protocol(
            "a command's key was taken while its payment was locked".into(),
        ));
    }
    Ok(())
}

/// A group while it is folded.
struct Group {
    fold: Fold,
    held: HashMap<Uuid, bool>,
    saved: HashMap<Key, Saved>,
    /// Answers given within this group, to meet equal requests before the database.
    given: HashMap<Key, ([u8; 32], Answer)>,
    buried: Vec<(Uuid, String)>,
    over: Vec<Uuid>,
    has_hands: bool,
}

impl Group {
    fn take(&mut self, member: &Advance) -> Outcome {
        match &member.origin {
            Origin::Command {
                event,
                idempotency,
                answers,
            } => self.command(member, event, idempotency, *answers),
            Origin::Job {
                job,
                event,
                expected_version,
                ..
            } => {
                if self.held.contains_key(job) {
                    let calls = self.fold.calls();
                    self.job(member, *job, event.as_ref(), *expected_version);
                    Outcome::Finished(self.claim(calls))
                } else {
                    Outcome::Stale
                }
            }
            Origin::Expiry => {
                let event = Event::CancelRequested {
                    reason: Some("abandoned".into()),
                };
                if let Err(refusal) = self.fold.apply(member.payment, &event, &member.cause) {
                    tracing::debug!(payment = %member.payment, ?refusal, "an expiry found nothing to cancel");
                }
                self.over.push(member.payment);
                Outcome::Finished(Vec::new())
            }
        }
    }

    fn command(
        &mut self,
        member: &Advance,
        event: &Event,
        idempotency: &Idempotency,
        answers: Answers,
    ) -> Outcome {
        let key = key(idempotency);
        if self
            .fold
            .record(member.payment)
            .is_none_or(|record| record.account != idempotency.account)
        {
            return Outcome::Refused(Error::NotFound);
        }
        let before = match (self.saved.get(&key), self.given.get(&key)) {
            (Some(saved), _) => Some((saved.body_hash == idempotency.body_hash, &saved.answer)),
            (None, Some((hash, answer))) => Some((*hash == idempotency.body_hash, answer)),
            (None, None) => None,
        };
        match before {
            Some((true, answer)) => {
                return Outcome::Answered(Answer {
                    replayed: true,
                    ..answer.clone()
                });
            }
            Some((false, _)) => return Outcome::Refused(Error::KeyReused),
            None => {}
        }
        if let Err(refusal) = self.fold.apply(member.payment, event, &member.cause) {
            return Outcome::Refused(refusal.into());
        }
        match self.answer(member.payment, answers) {
            Some(answer) => {
                self.given
                    .insert(key, (idempotency.body_hash, answer.clone()));
                Outcome::Answered(answer)
            }
            None => Outcome::Refused(Error::Internal("a command left no object to show".into())),
        }
    }

    /// Takes the calls that followed from an answer into the hands that brought it: the next call of a payment needs no
    /// way through Redis. Should the worker die, their leases run out like any other.
    fn claim(&mut self, from: usize) -> Vec<Claim> {
        if !self.has_hands {
            return Vec::new();
        }
        let jobs = self.fold.claim_calls(from);
        jobs.into_iter()
            .map(|job| Claim {
                record: self.fold.record(job.payment).cloned(),
                refund: self
                    .fold
                    .refund(job.payment, job.subject)
                    .map(|stored| stored.refund.clone()),
                job,
            })
            .collect()
    }

    fn answer(&self, payment: Uuid, answers: Answers) -> Option<Answer> {
        let record = self.fold.record(payment)?;
        let version = record.payment.version;
        let (status, body) = match answers {
            Answers::Payment => (200, record.rendered().body),
            Answers::Refund(refund) => {
                let stored = self.fold.refund(payment, refund)?;
                (201, json(&refund_view(stored)))
            }
        };
        Some(Answer {
            status,
            body,
            replayed: false,
            payment,
            version,
        })
    }

    /// Applies the event of a job that is held. A resync whose payment moved while Stripe was asked looks again; an event
    /// that `step` refuses puts the job before a person.
    fn job(
        &mut self,
        member: &Advance,
        job: Uuid,
        event: Option<&Event>,
        expected_version: Option<i64>,
    ) {
        let Some(event) = event else { return };
        let current = self
            .fold
            .record(member.payment)
            .map(|record| record.payment.version);
        if expected_version.is_some() && expected_version != current {
            self.fold.resync(member.payment);
            return;
        }
        match self.fold.apply(member.payment, event, &member.cause) {
            Ok(Applied::Moved | Applied::Nothing) => {}
            Err(refusal) => {
                let error = match refusal {
                    NotApplied::NoPayment => {
                        "its payment does not exist or cannot be read".to_owned()
                    }
                    NotApplied::Refused(refusal) => format!("its answer was refused: {refusal}"),
                };
                tracing::error!(payment = %member.payment, %job, error, "a job is given up; a person must look");
                self.buried.push((job, error));
            }
        }
    }
}

impl From<NotApplied> for Error {
    fn from(refusal: NotApplied) -> Self {
        match refusal {
            NotApplied::NoPayment => Self::NotFound,
            NotApplied::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

/// The cause of a command: its request.
pub(crate) fn request_cause() -> String {
    format!("req_{}", Uuid::now_v7().simple())
}
