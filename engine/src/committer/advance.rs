//! `advance`: commands of clients and results of jobs, committed in groups.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;
use workflows::refund::Refund;
use workflows::stream::Event;

use super::fold::{Fold, NotApplied};
use super::group::Group;
use super::{After, Work, commit, count};
use crate::record::Record;
use crate::store::idempotency::Saved;
use crate::store::job::{Claimed, Ending, Finish};
use crate::store::{idempotency, job, timer, transition};
use crate::{Answer, Error, Idempotency};

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
    const LANE: &'static str = "advances";
    type Member = Advance;
    type Outcome = Outcome;

    async fn commit(&self, members: &[Advance]) -> sqlx::Result<Vec<Outcome>> {
        let mut transaction = self.pool.begin().await?;
        let payments: BTreeSet<Uuid> = members.iter().map(|member| member.payment).collect();
        let with_refunds: BTreeSet<Uuid> = members
            .iter()
            .filter(|member| member.event().is_some_and(|event| event.needs().refunds))
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

        count(fold.transitions());
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
}

pub(super) type Key = (Uuid, String, String, String);

pub(super) fn key(idempotency: &Idempotency) -> Key {
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
