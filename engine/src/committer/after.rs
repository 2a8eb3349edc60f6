//! What follows a commit and may be lost: waking workers and refreshing views. Postgres has the facts, the sweeper
//! pushes again, a miss of the cache reads Postgres; so nothing here makes a caller wait or fail.

use bytes::Bytes;
use infra::metrics::Counters;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::cache::{Cache, Entry};
use crate::queue::Queue;
use crate::record::Record;
use crate::store::transition;

static TRANSITIONS: Counters<2> = Counters::new(
    "pawl_transitions_total",
    "Moves of payments, attempts and refunds that were committed.",
    ["machine", "kind"],
);

/// Jobs that wait to be pushed; beyond it they are left to the sweeper.
const WAITING: usize = 4096;

/// The most ids in one push.
const PUSH: usize = 1000;

/// A payment as its clients see it after a commit.
pub(crate) struct Shown {
    pub(crate) record: Record,
    pub(crate) body: Bytes,
    /// Its version is new.
    pub(crate) moved: bool,
}

/// Counts moves that are committed.
pub(crate) fn count(moves: &[transition::New]) {
    for moved in moves {
        let (machine, kind) = (moved.transition.machine.as_str(), moved.transition.kind);
        TRANSITIONS.with_labels([machine, kind]).increment(1);
    }
}

/// The hand that reaches to Redis after a commit.
#[derive(Clone)]
pub(crate) struct After {
    jobs: mpsc::Sender<Vec<Uuid>>,
    cache: Cache,
}

impl After {
    /// Starts the task that pushes.
    pub(crate) fn start(queue: Queue, cache: Cache) -> Self {
        let (jobs, receiver) = mpsc::channel(WAITING);
        tokio::spawn(push(queue, receiver));
        Self { jobs, cache }
    }

    /// Called after a commit with the jobs that are due and the views that changed.
    pub(crate) fn commit(&self, jobs: Vec<Uuid>, views: impl Iterator<Item = Shown>) {
        if !jobs.is_empty() && self.jobs.try_send(jobs).is_err() {
            tracing::debug!("the pusher is behind; the sweeper will push these jobs");
        }
        let (moved, same): (Vec<Shown>, Vec<Shown>) = views.partition(|view| view.moved);
        // An error that was noted without a move: the cached view bears the same version and would stay as it is.
        self.cache.invalidate(
            same.iter()
                .map(|view| (view.record.payment.id, view.record.payment.version + 1)),
        );
        self.cache.offer(moved.into_iter().map(|view| Entry {
            payment: view.record.payment.id,
            account: view.record.account,
            intent_id: view.record.payment.intent_id,
            version: view.record.payment.version,
            body: view.body,
        }));
    }
}

async fn push(queue: Queue, mut receiver: mpsc::Receiver<Vec<Uuid>>) {
    let mut batches = Vec::new();
    while receiver.recv_many(&mut batches, PUSH).await > 0 {
        let ids: Vec<Uuid> = batches.drain(..).flatten().collect();
        for portion in ids.chunks(PUSH) {
            if let Err(error) = queue.push(portion).await {
                tracing::debug!(%error, jobs = portion.len(), "not pushed; the sweeper will");
            }
        }
    }
}
