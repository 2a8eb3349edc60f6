//! Batches: requests that arrive while one transaction is committing share the next one.
//!
//! A commit is the most expensive thing here, so commits are shared. An idle queue adds no wait: a request that finds no
//! other before it is a batch of one. Under load a queue waits some milliseconds until its batch is larger, because the
//! statements of a small batch cost as much as those of a large one. A batch is committed whole or not at all; one that fails is halved until the
//! request that cannot be written is alone and fails alone. Requests whose payment another transaction has locked are left
//! out, and tried again in batches of their own, so that they delay nobody else.

pub(crate) mod advance;
pub(crate) mod claim;
pub(crate) mod create;
pub(crate) mod receive;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use infra::health::{Loop, Loops};
use infra::metrics::Histograms;
use infra::postgres::is_transient;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};

use crate::error::Error;

static SIZES: Histograms<1> = Histograms::new(
    "pawl_committer_group_size",
    "How many requests shared a commit.",
    ["batch"],
);

/// The most requests that one transaction takes.
const LARGEST: usize = 256;

/// A queue is under load if its last batch had at least so many requests.
const LOAD: usize = 8;
/// Under load a queue waits until it has so many requests, but not longer than [`GATHER`].
const ENOUGH: usize = 100;
const GATHER: Duration = Duration::from_millis(8);

/// Requests that wait for a batch; while there are as many, callers wait to submit theirs.
const WAITING: usize = 4096;

/// How often a batch is run again after an error that may pass, and until when: it runs once more in any case.
const RETRIES: u32 = 4;
const RETRY_FOR: Duration = Duration::from_secs(4);

/// How long a client's request may wait for its turn, and for a payment that another transaction has locked.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The same for the results of work that is done already.
pub(crate) const LONG_PATIENCE: Duration = Duration::from_secs(30);

/// The pause before a request is tried again whose payment was locked; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// How one kind of request is committed.
pub(crate) trait Batch: Send + Sync + 'static {
    /// The batch's name in metrics.
    const NAME: &'static str;
    /// What a caller asks for.
    type Request: Send + Sync + 'static;
    /// What its caller learns after the commit.
    type Outcome: Send + 'static;

    /// How long the request may wait before its caller gets [`Error::Busy`], with nothing written.
    fn patience(_: &Self::Request) -> Duration {
        PATIENCE
    }

    /// Commits all requests in one transaction, or none, and returns an outcome for each. It may be called again with the
    /// same requests. A request without an outcome needs what another transaction has locked: nothing was written for it.
    fn commit(
        &self,
        requests: &[Self::Request],
    ) -> impl Future<Output = sqlx::Result<Vec<Option<Self::Outcome>>>> + Send;
}

/// A request with the way back to its caller.
struct Submitted<B: Batch> {
    request: B::Request,
    caller: Caller<B>,
}

/// Who waits for a request.
struct Caller<B: Batch> {
    reply: oneshot::Sender<Result<B::Outcome, Error>>,
    since: Instant,
    /// The pause before the request is tried again, if its payment is locked.
    pause: Duration,
}

/// The queue in front of one task that commits batches.
pub(crate) struct BatchQueue<B: Batch> {
    sender: mpsc::Sender<Submitted<B>>,
}

impl<B: Batch> BatchQueue<B> {
    /// Starts the task, and the one that tries requests again whose payments were locked; `loops` shows when one of them
    /// stands still. They end when the queue is dropped and all that was submitted is committed.
    pub(crate) fn start(batch: B, loops: &Loops) -> Self {
        let batch = Arc::new(batch);
        let (sender, receiver) = mpsc::channel(WAITING);
        let (again, locked) = mpsc::channel(WAITING);
        let weak = again.downgrade();
        let first = Committer {
            batch: Arc::clone(&batch),
            turn: loops.add(B::NAME),
            // While this task runs, the other one has a sender.
            again: move || Some(again.clone()),
        };
        let second = Committer {
            batch,
            turn: loops.add(B::NAME),
            again: move || weak.upgrade(),
        };
        tokio::spawn(first.run(receiver));
        tokio::spawn(second.run(locked));
        Self { sender }
    }

    /// Submits a request to [`Batch::commit`] and waits until it is durable or refused.
    pub(crate) async fn submit(&self, request: B::Request) -> Result<B::Outcome, Error> {
        let ended = || Error::Internal("the commit task ended; see the log for its panic".into());
        let (reply, outcome) = oneshot::channel();
        let caller = Caller {
            reply,
            since: Instant::now(),
            pause: FIRST_PAUSE,
        };
        self.sender
            .send(Submitted { request, caller })
            .await
            .map_err(|_| ended())?;
        outcome.await.map_err(|_| ended())?
    }
}

/// One of the two tasks of a queue.
struct Committer<B, A> {
    batch: Arc<B>,
    turn: Loop,
    /// The way to the task that tries requests again; none once the queue has ended.
    again: A,
}

impl<B: Batch, A: Fn() -> Option<mpsc::Sender<Submitted<B>>>> Committer<B, A> {
    async fn run(self, mut receiver: mpsc::Receiver<Submitted<B>>) {
        let (mut submitted, mut last) = (Vec::with_capacity(LARGEST), 0);
        let sizes = SIZES.with_labels([B::NAME]);
        while receiver.recv_many(&mut submitted, LARGEST).await > 0 {
            if last >= LOAD {
                gather(&mut receiver, &mut submitted).await;
            }
            last = submitted.len();
            sizes.record(u32::try_from(submitted.len()).unwrap_or(u32::MAX));
            let _turn = self.turn.round();
            let waiting = submitted.drain(..).filter_map(Submitted::unless_too_late);
            self.commit(waiting.collect()).await;
        }
    }

    async fn commit(&self, submitted: Vec<Submitted<B>>) {
        let (requests, callers): (Vec<_>, Vec<_>) = submitted
            .into_iter()
            .map(|submitted| (submitted.request, submitted.caller))
            .unzip();
        // In a task of its own: a panic fails the requests of this batch, and the queue goes on.
        let batch = Arc::clone(&self.batch);
        let committed = tokio::spawn(async move {
            let outcomes = commit_or_halve(batch.as_ref(), &requests).await;
            (requests, outcomes)
        });
        match committed.await {
            Ok((requests, outcomes)) => {
                for ((request, caller), outcome) in requests.into_iter().zip(callers).zip(outcomes)
                {
                    match outcome.transpose() {
                        // A caller that went away finds its answer by its idempotency key.
                        Some(outcome) => drop(caller.reply.send(outcome)),
                        None => self.try_again(Submitted { request, caller }),
                    }
                }
            }
            Err(panic) => {
                tracing::error!(%panic, batch = B::NAME, "a batch failed with a panic; its callers get an error");
            }
        }
    }

    /// Submits a request once more, after a pause.
    fn try_again(&self, mut submitted: Submitted<B>) {
        let pause = submitted.caller.pause;
        submitted.caller.pause = LONGEST_PAUSE.min(pause * 2);
        let Some(again) = (self.again)() else {
            return submitted.refuse();
        };
        tokio::spawn(async move {
            sleep(pause).await;
            // The task ends only by a panic; then the caller is told that it ended.
            again.send(submitted).await.ok();
        });
    }
}

impl<B: Batch> Submitted<B> {
    /// The request, unless it has waited for too long: then its caller is told so.
    fn unless_too_late(self) -> Option<Self> {
        if self.caller.since.elapsed() <= B::patience(&self.request) {
            return Some(self);
        }
        self.refuse();
        None
    }

    fn refuse(self) {
        let waited = self.caller.since.elapsed();
        self.caller.reply.send(Err(Error::Busy { waited })).ok();
    }
}

/// Waits until `gathered` has [`ENOUGH`] requests or [`GATHER`] is over.
async fn gather<T>(receiver: &mut mpsc::Receiver<T>, gathered: &mut Vec<T>) {
    let until = Instant::now() + GATHER;
    while gathered.len() < ENOUGH {
        let room = LARGEST - gathered.len();
        match timeout_at(until, receiver.recv_many(gathered, room)).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
    }
}

/// Commits the requests together, and halves them where they cannot be committed together.
async fn commit_or_halve<B: Batch>(
    batch: &B,
    requests: &[B::Request],
) -> Vec<Result<Option<B::Outcome>, Error>> {
    let mut outcomes = Vec::with_capacity(requests.len());
    let mut parts = vec![requests];
    while let Some(part) = parts.pop() {
        match commit_with_retries(batch, part).await {
            Ok(committed) => outcomes.extend(committed.into_iter().map(Ok)),
            Err(error) if part.len() > 1 && !is_transient(&error) => {
                let (first, second) = part.split_at(part.len() / 2);
                parts.push(second);
                parts.push(first);
            }
            Err(error) => {
                tracing::warn!(%error, batch = B::NAME, requests = part.len(), "failed to commit a batch; its callers get an error");
                outcomes.extend(part.iter().map(|_| Err(Error::from(&error))));
            }
        }
    }
    outcomes
}

async fn commit_with_retries<B: Batch>(
    batch: &B,
    requests: &[B::Request],
) -> sqlx::Result<Vec<Option<B::Outcome>>> {
    let (mut tries, began) = (0, Instant::now());
    loop {
        match batch.commit(requests).await {
            Err(error)
                if is_transient(&error)
                    && tries < RETRIES
                    && (tries == 0 || began.elapsed() < RETRY_FOR)
                    && !matches!(error, sqlx::Error::PoolTimedOut) =>
            {
                tries += 1;
                sleep(Duration::from_millis(10 << tries)).await;
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests;
