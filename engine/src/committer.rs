//! The group committer: requests that arrive while one transaction is committing form the next one.
//!
//! A commit is the most expensive thing here, so commits are shared. An idle lane adds no wait: a request that finds
//! nobody before it is a group of one. A group is all or nothing; one that fails is bisected, so that a member that can
//! never be written fails alone.

pub(crate) mod advance;
mod after;
mod check;
mod facts;
pub(crate) mod fold;
mod group;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use infra::metrics::Histograms;
use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, is_transient};

pub(crate) use after::{After, Shown, count};

static GROUPS: Histograms<1> = Histograms::new(
    "pawl_committer_group_size",
    "How many requests shared a commit.",
    ["lane"],
);

/// The most that one transaction takes in.
const GROUP: usize = 256;

/// Requests that wait for a group; more make their callers wait.
const WAITING: usize = 4096;

/// How often a group is run again when the moment, not the statement, failed.
const RETRIES: u32 = 4;

/// A kind of work that is committed in groups.
pub(crate) trait Work: Send + Sync + 'static {
    /// The lane's name in metrics.
    const LANE: &'static str;
    /// One request.
    type Member: Send + Sync + 'static;
    /// What its caller learns after the commit.
    type Outcome: Send + 'static;

    /// Commits all members in one transaction, or none. It may be called again with the same members.
    fn commit(
        &self,
        members: &[Self::Member],
    ) -> impl Future<Output = sqlx::Result<Vec<Self::Outcome>>> + Send;
}

type Waiting<W> = (
    <W as Work>::Member,
    oneshot::Sender<Result<<W as Work>::Outcome, Error>>,
);

/// A queue in front of one committing task.
pub(crate) struct Lane<W: Work> {
    sender: mpsc::Sender<Waiting<W>>,
}

impl<W: Work> Lane<W> {
    /// Starts the task. It ends when the lane is dropped and what it held is committed.
    pub(crate) fn start(work: W) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(run(Arc::new(work), receiver));
        Self { sender }
    }

    /// Hands a request over and waits until it is durable or refused.
    pub(crate) async fn submit(&self, member: W::Member) -> Result<W::Outcome, Error> {
        let gone = || Error::Internal("the committer ended; see the log for its panic".into());
        let (reply, outcome) = oneshot::channel();
        self.sender
            .send((member, reply))
            .await
            .map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }
}

async fn run<W: Work>(work: Arc<W>, mut receiver: mpsc::Receiver<Waiting<W>>) {
    let mut batch = Vec::with_capacity(GROUP);
    let sizes = GROUPS.with_labels([W::LANE]);
    while receiver.recv_many(&mut batch, GROUP).await > 0 {
        sizes.record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        let (members, replies): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        // In a task of its own: a panic costs this group, whose callers learn it, and not the lane.
        let group = Arc::clone(&work);
        let settled = tokio::spawn(async move { settle(group.as_ref(), &members).await }).await;
        match settled {
            Ok(outcomes) => {
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    // A caller that went away finds its answer by its key.
                    let _ = reply.send(outcome);
                }
            }
            Err(panic) => tracing::error!(%panic, "a group panicked; its callers get an error"),
        }
    }
}

/// Commits the group; halves it where it cannot be committed whole.
async fn settle<W: Work>(work: &W, members: &[W::Member]) -> Vec<Result<W::Outcome, Error>> {
    let mut outcomes = Vec::with_capacity(members.len());
    let mut parts = vec![members];
    while let Some(part) = parts.pop() {
        match commit_patiently(work, part).await {
            Ok(committed) => outcomes.extend(committed.into_iter().map(Ok)),
            Err(error) if part.len() > 1 && !is_transient(&error) => {
                let (first, second) = part.split_at(part.len() / 2);
                parts.push(second);
                parts.push(first);
            }
            Err(error) => {
                tracing::warn!(%error, members = part.len(), "a group was not committed");
                for _ in part {
                    outcomes.push(Err(share(&error)));
                }
            }
        }
    }
    outcomes
}

async fn commit_patiently<W: Work>(
    work: &W,
    members: &[W::Member],
) -> sqlx::Result<Vec<W::Outcome>> {
    let mut tries = 0;
    loop {
        match work.commit(members).await {
            Err(error)
                if is_transient(&error)
                    && tries < RETRIES
                    && !matches!(error, sqlx::Error::PoolTimedOut) =>
            {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(10 << tries)).await;
            }
            done => return done,
        }
    }
}

/// The same error for each of several callers.
fn share(error: &sqlx::Error) -> Error {
    if is_transient(error) {
        Error::Unavailable {
            retry_after: Duration::from_secs(1),
            cause: error.to_string(),
        }
    } else {
        Error::Internal(error.to_string())
    }
}

/// Commits, and when the answer to COMMIT was lost finds out by `is_there` what it was.
pub(crate) async fn commit<F, Fut>(
    transaction: sqlx::Transaction<'_, sqlx::Postgres>,
    is_there: F,
) -> sqlx::Result<()>
where
    F: Fn() -> Fut + Send,
    Fut: Future<Output = sqlx::Result<bool>> + Send,
{
    let Err(error) = transaction.commit().await else {
        return Ok(());
    };
    // A constraint checked at commit, or an abort that the server told us of, is an answer.
    if matches!(error, sqlx::Error::Database(_)) && !is_transient(&error) {
        return Err(error);
    }
    tracing::warn!(%error, "the answer to COMMIT was lost; reading back what it was");
    for wait in [10, 50, 200, 1000, 2000] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        match is_there().await {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(error),
            Err(away) => tracing::debug!(%away, "still away"),
        }
    }
    Err(error)
}
