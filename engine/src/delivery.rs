//! Telling merchants: every event that an endpoint asked for is sent there until it is taken, or given up after a day.
//!
//! A delivery is written in the transaction of its transition (`outbox::add`) and carried out as a job of the same kind
//! as calls to Stripe: leases, tries and crash points are theirs. What is different is the hands. A `Courier` takes
//! deliveries straight from Postgres, in turn from all endpoints that have some and few of each at once: however slow
//! receivers are, no call to Stripe waits for them, and no merchant for another one's receiver.

mod address;
mod call;
mod manage;
mod outcome;
mod schedule;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::webhook::DeliveryStatus;
use infra::crash;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use self::call::{Caller, Verdict};
use self::outcome::{Outcome, Outcomes};
use crate::committer::Lane;
use crate::store::delivery::{Mark, Parcel};
use crate::store::job::{Claimed, Finish, Room};
use crate::store::{delivery, job};

pub use address::{Address, AddressError, Guard, Reach, Resolve, is_public};
pub use call::CallerError;
pub use manage::{EndpointChange, MOST_ENDPOINTS, NewEndpoint};

/// Deliveries that one worker has in the air.
const AT_ONCE: usize = 64;

/// The same for one endpoint, and for one that failed last.
const USUAL: i64 = 4;
const FAILING: i64 = 1;

/// Deliveries in the air to endpoints that failed last: those that hang leave room for the others.
const FAILING_AT_ONCE: usize = AT_ONCE / 2;

/// Between two looks when nothing was due. A look goes through all endpoints that have work, so one that took long is
/// followed by a rest that is ten times as long.
const REST: Duration = Duration::from_millis(100);
const REST_FOR_LOOK: u32 = 10;

/// After a delivery ended, so that several that end together cost one look.
const GATHER: Duration = Duration::from_millis(10);

/// Between tries while Postgres is away.
const AWAY: Duration = Duration::from_secs(1);

/// How merchants are told.
#[derive(Clone)]
pub struct Config {
    /// Which addresses may be called.
    pub guard: Guard,
    /// How long one call may last. Shorter than the lease of a job.
    pub timeout: Duration,
}

/// Takes deliveries and makes their calls. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Courier {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    caller: Caller,
    outcomes: Lane<Outcomes>,
    lease: Duration,
    line: Mutex<Line>,
    freed: Notify,
}

/// A delivery in this worker's hands.
struct Work {
    job: Claimed,
    /// None when it was forgotten meanwhile.
    parcel: Option<Parcel>,
    _flight: Option<Flight>,
}

impl Courier {
    pub(crate) fn new(pool: PgPool, config: Config, lease: Duration) -> Result<Self, CallerError> {
        let inner = Inner {
            caller: Caller::new(config)?,
            outcomes: Lane::start(Outcomes { pool: pool.clone() }),
            pool,
            lease,
            line: Mutex::default(),
            freed: Notify::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Delivers until `shutdown`, then lets running calls end.
    pub(crate) async fn run(&self, shutdown: &CancellationToken) {
        let running = TaskTracker::new();
        while !shutdown.is_cancelled() {
            let began = Instant::now();
            let rest = match self.take(AT_ONCE.saturating_sub(running.len())).await {
                Ok(work) => {
                    for work in work {
                        let courier = self.clone();
                        running.spawn(async move {
                            courier.perform(work).await;
                            courier.inner.freed.notify_one();
                        });
                    }
                    REST.max(began.elapsed() * REST_FOR_LOOK)
                }
                Err(error) => {
                    tracing::warn!(%error, "deliveries wait for Postgres");
                    AWAY
                }
            };
            tokio::select! {
                () = sleep(rest) => {}
                () = self.inner.freed.notified() => sleep(GATHER).await,
                () = shutdown.cancelled() => {}
            }
        }
        running.close();
        running.wait().await;
    }

    /// Performs the deliveries that are due at this moment, and returns how many they were.
    pub(crate) async fn round(&self) -> sqlx::Result<usize> {
        let work = self.take(AT_ONCE).await?;
        let done = work.len();
        futures::future::join_all(work.into_iter().map(|work| self.perform(work))).await;
        Ok(done)
    }

    async fn take(&self, most: usize) -> sqlx::Result<Vec<Work>> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let rooms = self.line().rooms();
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let jobs =
            job::claim_deliveries(&self.inner.pool, &rooms, USUAL, limit, self.inner.lease).await?;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let deliveries: Vec<Uuid> = jobs.iter().map(|job| job.subject).collect();
        let mut parcels: HashMap<Uuid, Parcel> = delivery::parcels(&self.inner.pool, &deliveries)
            .await?
            .into_iter()
            .collect();
        Ok(jobs
            .into_iter()
            .map(|job| {
                let parcel = parcels.remove(&job.subject);
                let flight = parcel.as_ref().map(|parcel| self.begin(parcel.endpoint));
                Work {
                    job,
                    parcel,
                    _flight: flight,
                }
            })
            .collect())
    }

    async fn perform(&self, work: Work) {
        let Work { job, parcel, .. } = &work;
        let kind = job.kind.as_str();
        crash::point_of(kind, "claimed");
        let outcome = match parcel {
            Some(parcel) => self.deliver(job, parcel).await,
            None => Outcome {
                job: job.id,
                lease: job.lease,
                finish: Finish::Done,
                mark: None,
                gone: None,
            },
        };
        crash::point_of(kind, "called");
        match self.inner.outcomes.submit(outcome).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::debug!(job = %job.id, "delivered late; another worker has it");
            }
            Err(error) => {
                tracing::warn!(job = %job.id, %error, "not finished; its lease will run out and it is delivered again");
            }
        }
        crash::point_of(kind, "finished");
    }

    /// Makes the call, and says what follows from its answer.
    async fn deliver(&self, job: &Claimed, parcel: &Parcel) -> Outcome {
        let ended = |status, call| Outcome {
            job: job.id,
            lease: job.lease,
            finish: Finish::Done,
            mark: Some(Mark {
                delivery: job.subject,
                status,
                seconds: 0.0,
                call,
            }),
            gone: None,
        };
        let Some(target) = &parcel.target else {
            return ended(DeliveryStatus::Skipped, None);
        };
        let (verdict, call) = self
            .inner
            .caller
            .send(job.subject, target, &parcel.message)
            .await;
        self.line()
            .note(parcel.endpoint, verdict == Verdict::Failed);
        match verdict {
            Verdict::Taken => ended(DeliveryStatus::Delivered, Some(call)),
            Verdict::Gone => Outcome {
                gone: Some((parcel.endpoint, target.url.clone())),
                ..ended(DeliveryStatus::Failed, Some(call))
            },
            Verdict::Failed => match schedule::pause_after(job.tries, rand::random()) {
                // Nobody at Pawl can help a merchant whose receiver takes nothing for a day: no dead job, but a delivery
                // that its merchant sees and may send again.
                None => ended(DeliveryStatus::Failed, Some(call)),
                Some(after) => {
                    let error = call.error.clone().unwrap_or_default();
                    let mut outcome = ended(DeliveryStatus::Pending, Some(call));
                    if let Some(mark) = &mut outcome.mark {
                        mark.seconds = after.as_secs_f64();
                    }
                    outcome.finish = Finish::Again {
                        after,
                        error,
                        unknown: false,
                        sent: true,
                    };
                    outcome
                }
            },
        }
    }

    fn begin(&self, endpoint: Uuid) -> Flight {
        self.line().standings.entry(endpoint).or_default().in_flight += 1;
        Flight {
            courier: self.clone(),
            endpoint,
        }
    }

    fn line(&self) -> std::sync::MutexGuard<'_, Line> {
        self.inner
            .line
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call in the air. It ends when this is dropped, be it by a panic.
struct Flight {
    courier: Courier,
    endpoint: Uuid,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.courier.line().end(self.endpoint);
    }
}

/// What this worker knows of endpoints. Those of which it knows nothing have the usual room.
#[derive(Default)]
struct Line {
    standings: HashMap<Uuid, Standing>,
}

#[derive(Default)]
struct Standing {
    in_flight: usize,
    failing: bool,
}

impl Line {
    fn rooms(&self) -> Vec<Room> {
        let failing = self.standings.values().filter(|it| it.failing);
        let mut left = FAILING_AT_ONCE.saturating_sub(failing.map(|it| it.in_flight).sum());
        self.standings
            .iter()
            .map(|(endpoint, standing)| {
                let usual = if standing.failing { FAILING } else { USUAL };
                let in_flight = i64::try_from(standing.in_flight).unwrap_or(i64::MAX);
                let mut jobs = usual.saturating_sub(in_flight).max(0);
                if standing.failing && jobs > 0 {
                    if left == 0 {
                        jobs = 0;
                    }
                    left = left.saturating_sub(1);
                }
                Room {
                    endpoint: *endpoint,
                    jobs,
                    failing: standing.failing,
                }
            })
            .collect()
    }

    fn note(&mut self, endpoint: Uuid, failing: bool) {
        self.standings.entry(endpoint).or_default().failing = failing;
    }

    fn end(&mut self, endpoint: Uuid) {
        if let Some(standing) = self.standings.get_mut(&endpoint) {
            standing.in_flight = standing.in_flight.saturating_sub(1);
            if standing.in_flight == 0 && !standing.failing {
                self.standings.remove(&endpoint);
            }
        }
    }
}
