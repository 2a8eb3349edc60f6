//! The effects of a commit that may be lost: waking workers and refreshing cached views.
//!
//! Postgres has the facts, the sweeper pushes lost jobs again, and a miss of the cache reads Postgres; so nothing here
//! makes a caller wait or fail.

use infra::metrics::Counters;
use tokio::sync::mpsc;
use uuid::Uuid;
use workflows::stream::Transition;

use super::fold::Fold;
use crate::cache::Cache;
use crate::queue::Queue;

static TRANSITIONS: Counters<2> = Counters::new(
    "pawl_transitions_total",
    "Moves of payments, attempts and refunds that were committed.",
    ["machine", "kind"],
);

/// Jobs that wait to be pushed; more are left to the sweeper.
const WAITING: usize = 4096;

/// The most ids in one push.
const PUSH: usize = 1000;

/// Publishes what was committed to the queue and the cache in Redis.
#[derive(Clone)]
pub(crate) struct After {
    jobs: mpsc::Sender<Vec<Uuid>>,
    cache: Cache,
}

impl After {
    /// Starts the task that pushes jobs to the queue.
    pub(crate) fn start(queue: Queue, cache: Cache) -> Self {
        let (jobs, receiver) = mpsc::channel(WAITING);
        tokio::spawn(push(queue, receiver));
        Self { jobs, cache }
    }

    /// Called after the commit of a fold, with the jobs that are due.
    pub(crate) fn committed(&self, jobs: Vec<Uuid>, fold: Fold) {
        count(fold.transitions().iter().map(|new| &new.transition));
        self.push(jobs);
        let (moved, same): (Vec<_>, Vec<_>) = fold.into_changed().partition(|(_, moved)| *moved);
        // A change without a transition, such as an error of Stripe's: the cached view has the same version and would not
        // be replaced.
        self.cache.invalidate(
            same.iter()
                .map(|(record, _)| &record.stream.payment)
                .map(|payment| (payment.id, payment.version + 1)),
        );
        // Between two calls to Stripe a view would be replaced before anybody reads it.
        let (settled, moving): (Vec<_>, Vec<_>) =
            moved.iter().partition(|(record, _)| record.is_settled());
        self.cache.moved(
            moving
                .iter()
                .map(|(record, _)| &record.stream.payment)
                .map(|payment| (payment.id, payment.version)),
        );
        self.cache
            .offer(settled.iter().map(|(record, _)| record.cache_entry()));
    }

    /// Pushes jobs that are due, after their commit.
    pub(crate) fn push(&self, jobs: Vec<Uuid>) {
        if !jobs.is_empty() && self.jobs.try_send(jobs).is_err() {
            tracing::debug!("failed to push jobs: too many wait; the sweeper will push them");
        }
    }
}

/// Counts transitions that are committed.
pub(crate) fn count<'a>(transitions: impl Iterator<Item = &'a Transition>) {
    for moved in transitions {
        TRANSITIONS
            .with_labels([moved.machine.as_str(), moved.kind])
            .increment(1);
    }
}

async fn push(queue: Queue, mut receiver: mpsc::Receiver<Vec<Uuid>>) {
    let mut waiting = Vec::new();
    while receiver.recv_many(&mut waiting, PUSH).await > 0 {
        let ids: Vec<Uuid> = waiting.drain(..).flatten().collect();
        for portion in ids.chunks(PUSH) {
            if let Err(error) = queue.push(portion).await {
                tracing::debug!(%error, jobs = portion.len(), "failed to push jobs; the sweeper will push them");
            }
        }
    }
}
