//! Batches: requests that arrive while one transaction is committing share the next one.
//!
//! A commit is the most expensive thing here, so commits are shared. An idle queue adds no wait: a request that finds no
//! other before it is a batch of one. A batch is committed whole or not at all; one that fails is halved until the
//! request that cannot be written is alone and fails alone.

pub(crate) mod advance;
pub(crate) mod claim;
pub(crate) mod create;
pub(crate) mod receive;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use infra::metrics::Histograms;
use infra::postgres::is_transient;
use tokio::sync::{mpsc, oneshot};

use crate::error::Error;

static SIZES: Histograms<1> = Histograms::new(
    "pawl_committer_group_size",
    "How many requests shared a commit.",
    ["batch"],
);

/// The most requests that one transaction takes.
const LARGEST: usize = 256;

/// Requests that wait for a batch; while there are as many, callers wait to submit theirs.
const WAITING: usize = 4096;

/// How often a batch is run again after an error that may pass.
const RETRIES: u32 = 4;

/// How one kind of request is committed.
pub(crate) trait Batch: Send + Sync + 'static {
    /// The batch's name in metrics.
    const NAME: &'static str;
    /// What a caller asks for.
    type Request: Send + Sync + 'static;
    /// What its caller learns after the commit.
    type Outcome: Send + 'static;

    /// Commits all requests in one transaction, or none, and returns an outcome for each. It may be called again with the
    /// same requests.
    fn commit(
        &self,
        requests: &[Self::Request],
    ) -> impl Future<Output = sqlx::Result<Vec<Self::Outcome>>> + Send;
}

/// A request with the way back to its caller.
type Submitted<B> = (
    <B as Batch>::Request,
    oneshot::Sender<Result<<B as Batch>::Outcome, Error>>,
);

/// The queue in front of one task that commits batches.
pub(crate) struct BatchQueue<B: Batch> {
    sender: mpsc::Sender<Submitted<B>>,
}

impl<B: Batch> BatchQueue<B> {
    /// Starts the task. It ends when the queue is dropped and all that was submitted is committed.
    pub(crate) fn start(batch: B) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(run(Arc::new(batch), receiver));
        Self { sender }
    }

    /// Submits a request to [`Batch::commit`] and waits until it is durable or refused.
    pub(crate) async fn submit(&self, request: B::Request) -> Result<B::Outcome, Error> {
        let ended = || Error::Internal("the commit task ended; see the log for its panic".into());
        let (reply, outcome) = oneshot::channel();
        self.sender
            .send((request, reply))
            .await
            .map_err(|_| ended())?;
        outcome.await.map_err(|_| ended())?
    }
}

async fn run<B: Batch>(batch: Arc<B>, mut receiver: mpsc::Receiver<Submitted<B>>) {
    let mut submitted = Vec::with_capacity(LARGEST);
    let sizes = SIZES.with_labels([B::NAME]);
    while receiver.recv_many(&mut submitted, LARGEST).await > 0 {
        sizes.record(u32::try_from(submitted.len()).unwrap_or(u32::MAX));
        let (requests, replies): (Vec<_>, Vec<_>) = submitted.drain(..).unzip();
        // In a task of its own: a panic fails the requests of this batch, and the queue goes on.
        let batch = Arc::clone(&batch);
        let committed =
            tokio::spawn(async move { commit_or_halve(batch.as_ref(), &requests).await }).await;
        match committed {
            Ok(outcomes) => {
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    // A caller that went away finds its answer by its idempotency key.
                    let _ = reply.send(outcome);
                }
            }
            Err(panic) => {
                tracing::error!(%panic, batch = B::NAME, "a batch failed with a panic; its callers get an error");
            }
        }
    }
}

/// Commits the requests together, and halves them where they cannot be committed together.
async fn commit_or_halve<B: Batch>(
    batch: &B,
    requests: &[B::Request],
) -> Vec<Result<B::Outcome, Error>> {
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
) -> sqlx::Result<Vec<B::Outcome>> {
    let mut tries = 0;
    loop {
        match batch.commit(requests).await {
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
