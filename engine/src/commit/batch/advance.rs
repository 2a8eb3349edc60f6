//! Commands of clients, results of jobs and expiries: each batch is one transaction around [`advance`].

use std::collections::HashMap;
use std::time::Duration;

use infra::postgres;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::{Batch, LONG_PATIENCE, PATIENCE};
use crate::commit;
use crate::commit::advance::{Advance, Origin, Outcome, State, advance};
use crate::commit::{After, Fold};
use crate::request::{RequestKey, SavedAnswer};
use crate::store::job::{Ending, Held};
use crate::store::timer::Kind;
use crate::store::{idempotency, job, timer};

/// Commits batches of [`Advance`].
pub(crate) struct Advances {
    pub(crate) pool: PgPool,
    pub(crate) after: After,
    /// In a worker, how long it leases a job. A gateway leases none and leaves every job to the workers.
    pub(crate) lease: Option<Duration>,
}

impl Batch for Advances {
    const NAME: &'static str = "advances";
    type Request = Advance;
    type Outcome = Outcome;

    /// The result of a job is better late than lost, as long as its lease may be valid.
    fn patience(request: &Advance) -> Duration {
        match request.origin {
            Origin::Command { .. }
            | Origin::Operator { .. }
            | Origin::Expiry
            | Origin::Reminder { .. } => PATIENCE,
            Origin::Job { .. } => LONG_PATIENCE,
        }
    }

    async fn commit(&self, requests: &[Advance]) -> sqlx::Result<Vec<Option<Outcome>>> {
        let Decided {
            transaction,
            fold,
            outcomes,
            due,
        } = postgres::within(self.decide(requests)).await?;
        if outcomes.iter().any(Option::is_some) {
            commit::commit(&self.pool, transaction, fold.transitions().first()).await?;
            self.after.committed(due, fold);
        }
        Ok(outcomes)
    }
}

/// A transaction in which all is written that was decided.
struct Decided {
    transaction: Transaction<'static, Postgres>,
    fold: Fold,
    /// None for a request whose payment another transaction has locked.
    outcomes: Vec<Option<Outcome>>,
    /// The jobs that are due.
    due: Vec<Uuid>,
}

impl Advances {
    /// Decides about the requests whose payments can be locked, and writes what follows.
    async fn decide(&self, requests: &[Advance]) -> sqlx::Result<Decided> {
        let mut transaction = self.pool.begin().await?;
        let events = requests
            .iter()
            .map(|request| (request.payment, request.origin.event()));
        let (fold, busy) = commit::lock(&mut transaction, events).await?;
        let is_locked = |request: &&Advance| !busy.contains(&request.payment);
        let locked: Vec<&Advance> = requests.iter().filter(is_locked).collect();
        let mut state = State {
            fold,
            held: finish_jobs(&mut transaction, &locked).await?,
            answers: read_answers(&mut transaction, &locked).await?,
            dead_letters: Vec::new(),
            expired: Vec::new(),
            reminded: Vec::new(),
            leases_calls: self.lease.is_some(),
        };

        let outcomes: Vec<Option<Outcome>> = requests
            .iter()
            .map(|request| is_locked(&request).then(|| advance(&mut state, request)))
            .collect();

        let due = self.write(&mut transaction, &state).await?;
        keep_answers(&mut transaction, requests, &outcomes).await?;
        Ok(Decided {
            transaction,
            fold: state.fold,
            outcomes,
            due,
        })
    }

    /// Writes what was decided; returns the jobs that are due.
    async fn write(&self, connection: &mut PgConnection, state: &State) -> sqlx::Result<Vec<Uuid>> {
        let mut due =
            commit::write(connection, &state.fold, self.lease.unwrap_or_default()).await?;
        let run_again = |(job, held): (&Uuid, &Held)| (*held == Held::RunAgain).then_some(*job);
        due.extend(state.held.iter().filter_map(run_again));
        for (job, error) in &state.dead_letters {
            job::dead_letter(connection, *job, error).await?;
        }
        if !state.expired.is_empty() {
            timer::remove(connection, Kind::Expire, &state.expired).await?;
        }
        for (payment, kind) in &state.reminded {
            let record = state.fold.record(*payment);
            match record.and_then(|record| commit::fires_at(*kind, &record.stream)) {
                // It fires again after some minutes, when the call that is under way may have ended.
                Some(_) if record.is_some_and(|it| it.stream.payment.open_call.is_some()) => {}
                Some(at) => timer::set(connection, *kind, &[*payment], &[at]).await?,
                None => timer::remove(connection, *kind, &[*payment]).await?,
            }
        }
        Ok(due)
    }
}

/// Ends or puts off the jobs of the batch, each under its lease; returns those whose lease was still held.
async fn finish_jobs(
    connection: &mut PgConnection,
    requests: &[&Advance],
) -> sqlx::Result<HashMap<Uuid, Held>> {
    let endings: Vec<Ending<'_>> = requests
        .iter()
        .filter_map(|request| match &request.origin {
            Origin::Job {
                job,
                lease,
                finish,
                calls,
                ..
            } => Some(Ending {
                id: *job,
                lease: *lease,
                finish,
                calls,
            }),
            _ => None,
        })
        .collect();
    if endings.is_empty() {
        return Ok(HashMap::new());
    }
    job::finish(connection, &endings).await
}

/// The answers that were given before to requests with the keys of this batch.
async fn read_answers(
    connection: &mut PgConnection,
    requests: &[&Advance],
) -> sqlx::Result<HashMap<RequestKey, SavedAnswer>> {
    let mut answers = HashMap::new();
    for request in requests {
        if let Origin::Command { idempotency, .. } = &request.origin
            && let Some(saved) = idempotency::read(connection, idempotency).await?
        {
            answers.insert(idempotency.unique(), saved);
        }
    }
    Ok(answers)
}

/// Keeps the new answers. Their keys are free: their path names the payment, whose lock is held.
async fn keep_answers(
    connection: &mut PgConnection,
    requests: &[Advance],
    outcomes: &[Option<Outcome>],
) -> sqlx::Result<()> {
    let rows: Vec<idempotency::New<'_>> = requests
        .iter()
        .zip(outcomes)
        .filter_map(|(request, outcome)| match (&request.origin, outcome) {
            (Origin::Command { idempotency, .. }, Some(Outcome::Answered(answer)))
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
    let new = rows.len();
    let taken = idempotency::take(connection, rows).await?;
    if taken.len() < new {
        return Err(sqlx::Error::Protocol(
            "a command's key was taken while its payment was locked".into(),
        ));
    }
    Ok(())
}
