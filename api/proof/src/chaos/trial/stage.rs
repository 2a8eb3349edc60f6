//! The processes and merchants of the trials.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use authz::api_key;
use servers::Progress;
use sqlx::postgres::PgPool;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::figures::count;
use super::load::Credential;
use super::{Check, Times};
use crate::fleet::{Fleet, FleetOptions, Sharing, run_name};

/// How long a process that got SIGTERM goes on; health is asked more often.
const NOTICE_SECONDS: u8 = 2;

/// Everything that a trial works with.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) fleet: Fleet,
    /// The second gateway.
    pub(super) second: SocketAddr,
    /// The merchant whom no fault should touch.
    pub(super) user: Credential,
    /// The merchant who floods, or whose receiver does not answer.
    pub(super) other: Credential,
    pub(super) other_account: Uuid,
    pub(super) times: Times,
}

impl Stage {
    /// Two gateways and the workers, behind proxies to Postgres.
    pub(super) async fn start(workers: u8, times: Times, progress: &mut Progress) -> Result<Stage> {
        let options = FleetOptions {
            name: run_name("trial"),
            workers: usize::from(workers),
            sharing: Sharing::Flushes,
            log: "info",
            operations: false,
            environment: vec![
                ("SHUTDOWN_NOTICE_SECONDS", NOTICE_SECONDS.to_string()),
                ("WEBHOOK_ALLOW_PRIVATE", "true".to_owned()),
            ],
        };
        let mut fleet = Fleet::start_behind(&options, true, progress).await?;
        let (second, _) = fleet.another_gateway(Vec::new()).await?;
        let other_account = fleet.another_merchant().await?;
        // Keys, which no clock makes invalid.
        let key = async |account| {
            let created = api_key::create(&fleet.pool, account, "trial", None).await?;
            anyhow::Ok(Credential::key(&created.0))
        };
        let user = key(fleet.account().await?).await?;
        let other = key(other_account).await?;
        Ok(Stage {
            fleet,
            second,
            user,
            other,
            other_account,
            times,
        })
    }

    /// Lets a fault last for its time.
    pub(super) async fn last(&self, window: Window, checks: Vec<Check>) -> Result<Happened> {
        sleep(self.times.fault).await;
        Ok(Happened::new(window.close(&self.fleet.pool).await?, checks))
    }

    /// Begins a part of a trial.
    pub(super) async fn window(&self) -> Result<Window> {
        Ok(Window {
            succeeded: succeeded(&self.fleet.pool).await?,
            from: Instant::now(),
        })
    }
}

/// A part of a trial that has begun.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) from: Instant,
    succeeded: i64,
}

/// A part of a trial.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) from: Instant,
    pub(super) until: Instant,
    /// Payments that succeeded per second.
    pub(super) succeeded: f64,
}

impl Window {
    /// Ends the part.
    pub(super) async fn close(self, pool: &PgPool) -> Result<Part> {
        let until = Instant::now();
        let more = usize::try_from(succeeded(pool).await? - self.succeeded).unwrap_or_default();
        Ok(Part {
            from: self.from,
            until,
            succeeded: count(more) / self.from.elapsed().as_secs_f64(),
        })
    }
}

/// What happened during a fault.
#[derive(Debug)]
pub(super) struct Happened {
    pub(super) part: Part,
    pub(super) checks: Vec<Check>,
    /// From the fault (or the end of a lock) to the first request after it that was answered 2xx.
    pub(super) accepted_after: Option<Duration>,
    /// The same to the first payment that was created after it and succeeded.
    pub(super) succeeded_after: Option<Duration>,
}

impl Happened {
    pub(super) fn new(part: Part, checks: Vec<Check>) -> Happened {
        Happened {
            part,
            checks,
            accepted_after: None,
            succeeded_after: None,
        }
    }
}

async fn succeeded(pool: &PgPool) -> Result<i64> {
    let count = "select count(*) from payment where status = 'succeeded'";
    Ok(sqlx::query_scalar(count).fetch_one(pool).await?)
}
