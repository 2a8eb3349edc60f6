//! The I/O around a [`Fold`]: locking its streams, writing the difference, and the commit itself.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use infra::postgres;
use infra::postgres::is_transient;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;
use workflows::dispute::Dispute;
use workflows::stream::{Effect, Event, Needs, Stream};

use super::check_timer;
use super::check_timer::FIRST_CHECK;
use super::fold::Fold;
use crate::record::Change;
use crate::store::timer::Kind;
use crate::store::{job, outbox, timer, transition};
use crate::{message, store};

/// Locks the streams that the events are about, with the subjects that `step` reads to decide about them. Returns also the
/// payments that another transaction has locked: they are not in the fold, and nothing may be decided about them.
pub(crate) async fn lock<'a>(
    connection: &mut PgConnection,
    events: impl Iterator<Item = (Uuid, Option<&'a Event>)>,
) -> sqlx::Result<(Fold, HashSet<Uuid>)> {
    let mut needs: BTreeMap<Uuid, Needs> = BTreeMap::new();
    for (payment, event) in events {
        let needs = needs.entry(payment).or_default();
        *needs = needs.and(event.map(Event::needs).unwrap_or_default());
    }
    let locked = store::stream::lock(connection, &needs).await?;
    Ok((Fold::new(locked.records, store::now()), locked.busy))
}

/// Writes what was decided: the changed streams, their history, messages, timers and jobs. Returns the jobs that can be
/// pushed to the queue after the commit. Jobs that the caller leased to itself are leased for `lease`.
pub(crate) async fn write(
    connection: &mut PgConnection,
    fold: &Fold,
    lease: Duration,
) -> sqlx::Result<Vec<Uuid>> {
    let changes: Vec<Change<'_>> = fold.changes().collect();
    store::stream::write(connection, &changes, fold.now).await?;
    let checks: Vec<timer::Check> = changes.iter().filter_map(check).collect();
    if !checks.is_empty() {
        timer::set_checks(connection, &checks).await?;
    }
    write_reminders(connection, &changes).await?;
    if !fold.transitions.is_empty() {
        transition::add(connection, &fold.transitions, fold.now).await?;
        let messages: Vec<outbox::New<'_>> = fold
            .transitions
            .iter()
            .filter_map(|row| Some(message::of(row, fold.record(row.stream)?, fold.now)))
            .collect::<sqlx::Result<_>>()?;
        outbox::add(connection, &messages, fold.now).await?;
    }
    if !fold.superseded.is_empty() {
        let payments: Vec<Uuid> = fold.superseded.iter().copied().collect();
        job::supersede(connection, &payments).await?;
    }
    let resyncs = fold
        .resyncs
        .iter()
        .map(|payment| job::New::from_effect(*payment, Effect::Resync));
    let jobs: Vec<job::New> = fold.jobs.iter().cloned().chain(resyncs).collect();
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    job::add(connection, &jobs, fold.now, lease).await
}

/// Sets or removes the timers before the last moments of payments: for evidence of their disputes, and for their captures.
async fn write_reminders(
    connection: &mut PgConnection,
    changes: &[Change<'_>],
) -> sqlx::Result<()> {
    write_timers(connection, changes, Kind::Evidence).await?;
    write_timers(connection, changes, Kind::Authorization).await
}

/// When the timer of this kind fires before a last moment of the payment, in Unix seconds; none if nothing is due.
pub(crate) fn fires_at(kind: Kind, stream: &Stream) -> Option<i64> {
    match kind {
        Kind::Evidence => stream.disputes.iter().filter_map(Dispute::remind_at).min(),
        Kind::Authorization => stream.payment.acts_at(),
        Kind::Check | Kind::Expire => None,
    }
}

async fn write_timers(
    connection: &mut PgConnection,
    changes: &[Change<'_>],
    kind: Kind,
) -> sqlx::Result<()> {
    let (mut payments, mut moments, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        let payment = change.after.stream.payment.id;
        match (
            fires_at(kind, change.before),
            fires_at(kind, &change.after.stream),
        ) {
            (before, after) if before == after => {}
            (_, Some(after)) => {
                payments.push(payment);
                moments.push(after);
            }
            (_, None) => removed.push(payment),
        }
    }
    if !payments.is_empty() {
        timer::set(connection, kind, &payments, &moments).await?;
    }
    if !removed.is_empty() {
        timer::remove(connection, kind, &removed).await?;
    }
    Ok(())
}

/// The change of a payment's check timer, if there is one.
fn check(change: &Change<'_>) -> Option<timer::Check> {
    let before = check_timer::wait(&change.before.payment);
    let after = check_timer::wait(&change.after.stream.payment);
    (before != after).then_some(timer::Check {
        payment: change.after.stream.payment.id,
        after_seconds: after.map(|_| FIRST_CHECK),
    })
}

/// Commits. When the answer to COMMIT is lost, reads back whether `written`, a transition of this transaction, is there.
///
/// Without a transition the transaction counts as not committed and is run again. That is safe: a lease, a saved answer
/// or the disposition of a webhook refuses what was committed before.
pub(crate) async fn commit(
    pool: &PgPool,
    transaction: Transaction<'_, Postgres>,
    written: Option<&transition::New>,
) -> sqlx::Result<()> {
    let Err(error) = postgres::commit(transaction).await else {
        return Ok(());
    };
    // A constraint that is checked at commit, or an abort that the server reported, is an answer.
    if matches!(error, sqlx::Error::Database(_)) && !is_transient(&error) {
        return Err(error);
    }
    let Some(written) = written else {
        return Err(error);
    };
    tracing::warn!(%error, "failed to get the answer to COMMIT; reading back whether it was committed");
    for wait in [10, 50, 200, 1000, 2000] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        match is_committed(pool, written).await {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(error),
            Err(error) => {
                tracing::debug!(%error, "failed to read back a transition; retrying");
            }
        }
    }
    Err(error)
}

async fn is_committed(pool: &PgPool, written: &transition::New) -> sqlx::Result<bool> {
    postgres::within(async { transition::exists(&mut *pool.acquire().await?, written).await }).await
}
