//! Webhooks to merchants: each event is sent to every endpoint that asked for it, until the endpoint accepts it or a day
//! of tries has failed.
//!
//! A delivery is written in the transaction of its transition (`store::outbox::add`). A `DeliveryWorker` claims deliveries
//! from Postgres, in turn from all endpoints and few of each at once: however slow receivers are, they delay neither calls
//! to Stripe nor the deliveries of other merchants.

mod address;
mod call;
mod load;
mod manage;
mod results;
mod schedule;
mod test_event;

use std::sync::Arc;
use std::time::Duration;

use contracts::id::DeliveryId;
use contracts::webhook::DeliveryStatus;
use infra::health::{Loop, Loops};
use infra::{crash, postgres};
use parking_lot::{Mutex, MutexGuard};
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use self::call::{Caller, Verdict};
use self::load::{AT_ONCE, EndpointLoads, USUAL};
use self::results::{Outcome, Results};
use crate::commit::batch::BatchQueue;
use crate::store::delivery;
use crate::store::delivery::{Claimed, Finish, Request};

pub use address::{Address, AddressError, Guard, Reach, Resolve, is_public};
pub use call::{CallerError, Config};
pub use manage::{EndpointChange, MOST_ENDPOINTS, NewEndpoint};

/// The name in crash points.
const KIND: &str = "deliver_webhook";

/// The pause after a claim. A claim visits all endpoints that have waiting deliveries, so the pause is also at least ten
/// times as long as the claim took.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_PER_CLAIM: u32 = 10;

/// The pause after a delivery ended, so that one claim follows several that end together.
const GATHER: Duration = Duration::from_millis(10);

/// The pause before the next claim after Postgres failed.
const RETRY: Duration = Duration::from_secs(1);

/// Claims deliveries and sends them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct DeliveryWorker {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    caller: Caller,
    results: BatchQueue<Results>,
    claims: Loop,
    lease: Duration,
    loads: Mutex<EndpointLoads>,
    ended: Notify,
}

/// A claimed delivery with its request.
struct Work {
    claim: Claimed,
    request: Request,
    _in_flight: InFlight,
}

impl DeliveryWorker {
    pub(crate) fn new(
        pool: PgPool,
        config: Config,
        lease: Duration,
        loops: &Loops,
    ) -> Result<Self, CallerError> {
        let inner = Inner {
            caller: Caller::new(config)?,
            results: BatchQueue::start(Results { pool: pool.clone() }, loops),
            claims: loops.add("delivery claims"),
            pool,
            lease,
            loads: Mutex::default(),
            ended: Notify::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Sends deliveries until `shutdown`, then waits for the calls that are in flight.
    pub(crate) async fn run(&self, shutdown: &CancellationToken) {
        let running = TaskTracker::new();
        while !shutdown.is_cancelled() {
            let began = Instant::now();
            let pause = match self.claim(AT_ONCE.saturating_sub(running.len())).await {
                Ok(claimed) => {
                    for work in claimed {
                        let worker = self.clone();
                        running.spawn(async move {
                            worker.perform(work).await;
                            worker.inner.ended.notify_one();
                        });
                    }
                    PAUSE.max(began.elapsed() * PAUSE_PER_CLAIM)
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to claim webhook deliveries; retrying in 1 s");
                    RETRY
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.inner.ended.notified() => sleep(GATHER).await,
                () = shutdown.cancelled() => {}
            }
        }
        running.close();
        running.wait().await;
    }

    /// Sends the deliveries that are due at this moment, and returns how many they were.
    pub(crate) async fn round(&self) -> sqlx::Result<usize> {
        let claimed = self.claim(AT_ONCE).await?;
        let count = claimed.len();
        futures::future::join_all(claimed.into_iter().map(|work| self.perform(work))).await;
        Ok(count)
    }

    async fn claim(&self, limit: usize) -> sqlx::Result<Vec<Work>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let capacities = self.loads().capacities();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (pool, lease) = (&self.inner.pool, self.inner.lease);
        let _round = self.inner.claims.round();
        let claims = delivery::claim(pool, &capacities, USUAL, limit, lease);
        let claims = postgres::within(claims).await?;
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<Uuid> = claims.iter().map(|claim| claim.id).collect();
        let mut requests = postgres::within(delivery::requests(pool, &ids)).await?;
        // Each has a request: its transition was written with it, and only finished deliveries are deleted.
        let work = claims.into_iter().filter_map(|claim| {
            Some(Work {
                claim,
                request: requests.remove(&claim.id)?,
                _in_flight: self.begin(claim.endpoint),
            })
        });
        Ok(work.collect())
    }

    async fn perform(&self, work: Work) {
        crash::job_point(KIND, "claimed");
        let outcome = self.send(&work.claim, &work.request).await;
        crash::job_point(KIND, "called");
        let delivery = DeliveryId::from_uuid(work.claim.id);
        match self.inner.results.submit(outcome).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::debug!(%delivery, "the lease of a webhook delivery ran out before its call ended; another worker sends it again");
            }
            Err(error) => {
                tracing::warn!(%delivery, %error, "failed to store the result of a webhook delivery; it is sent again when its lease runs out");
            }
        }
        crash::job_point(KIND, "finished");
    }

    /// Makes the call, and decides by its verdict how the delivery goes on.
    async fn send(&self, claim: &Claimed, request: &Request) -> Outcome {
        let outcome = |status, call| Outcome {
            finish: Finish {
                id: claim.id,
                lease: claim.lease,
                status,
                retry_after: Duration::ZERO,
                call,
            },
            gone: None,
        };
        let Some(target) = &request.target else {
            return outcome(DeliveryStatus::Skipped, None);
        };
        let sent = self
            .inner
            .caller
            .send(claim.id, target, &request.message)
            .await;
        let (verdict, call) = (sent.verdict, Some(sent.call));
        self.loads()
            .set_failing(claim.endpoint, verdict == Verdict::Failed);
        match verdict {
            Verdict::Accepted => outcome(DeliveryStatus::Delivered, call),
            Verdict::Gone => Outcome {
                gone: Some((claim.endpoint, target.url.clone())),
                ..outcome(DeliveryStatus::Failed, call)
            },
            Verdict::Failed => {
                match schedule::pause_after(claim.failures, sent.retry_after, rand::random()) {
                    // Its merchant sees it as failed and may send it again; an operator of Pawl can do nothing about it.
                    None => outcome(DeliveryStatus::Failed, call),
                    Some(pause) => {
                        let mut outcome = outcome(DeliveryStatus::Pending, call);
                        outcome.finish.retry_after = pause;
                        outcome
                    }
                }
            }
        }
    }

    fn begin(&self, endpoint: Uuid) -> InFlight {
        self.loads().begin(endpoint);
        InFlight {
            worker: self.clone(),
            endpoint,
        }
    }

    fn loads(&self) -> MutexGuard<'_, EndpointLoads> {
        self.inner.loads.lock()
    }
}

/// A delivery that this worker is sending. It ends when this value is dropped, also by a panic.
struct InFlight {
    worker: DeliveryWorker,
    endpoint: Uuid,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.worker.loads().end(self.endpoint);
    }
}
