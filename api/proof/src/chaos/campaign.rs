//! A running campaign: payments at an even pace and faults at their times, until there are enough of both.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use engine::reconciliation;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use sqlx::postgres::PgPool;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::client::Client;
use super::plan::{Recurring, Schedule, Strike};
use super::verdict::Fired;
use super::{cache, plan};
use crate::fleet::Fleet;

/// A campaign is given up after so many times its planned time, if its faults have not all happened.
const OVERTIME: u32 = 4;
/// The interval between two checks of the processes and the cache.
const CHECK_EVERY: Duration = Duration::from_millis(500);

/// How often waiting payments are compared with Stripe's objects while webhooks may be lost.
pub(super) const RESYNC_EVERY: Duration = Duration::from_secs(5);
/// How many payments are locked at once, and for how long: shorter than a command waits for its payment.
const LOCKED: usize = 5;
const LOCKED_FOR: Duration = Duration::from_secs(4);
/// The time between the end of the Kafka broker and its next start.
const KAFKA_IS_AWAY: Duration = Duration::from_secs(2);

/// The faults that the campaign itself commits.
const OURS: [(Fault, Recurring); 4] = [
    (Fault::KillWorker, Recurring::KillWorker),
    (Fault::Flushall, Recurring::FlushAll),
    (Fault::LockPayments, Recurring::LockPayments),
    (Fault::RestartKafka, Recurring::RestartKafka),
];

/// The least that a campaign must do.
#[derive(Debug, Clone)]
pub(crate) struct Goal {
    pub(crate) seed: u64,
    pub(crate) payments: u64,
    /// The faults, with the least number of times that each must happen.
    pub(crate) faults: BTreeMap<Fault, u64>,
}

/// The faults of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub(crate) enum Fault {
    /// `kill -9` of a worker every 2 s.
    KillWorker,
    /// `FLUSHALL` in Redis about every 5 s.
    Flushall,
    /// Stripe performs a request, and its answer is lost.
    DropAnswer,
    /// A webhook is delivered more than once.
    DuplicateWebhook,
    /// Webhooks are delivered in another order.
    ShuffleWebhook,
    /// A webhook is never delivered.
    LoseWebhook,
    /// A transaction of somebody else locks five payments for 4 s.
    LockPayments,
    /// The Kafka broker is stopped and started again every 20 s.
    RestartKafka,
}

impl Fault {
    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Fault::KillWorker => "kill_worker",
            Fault::Flushall => "flushall",
            Fault::DropAnswer => "drop_answer",
            Fault::DuplicateWebhook => "duplicate_webhook",
            Fault::ShuffleWebhook => "shuffle_webhook",
            Fault::LoseWebhook => "lose_webhook",
            Fault::LockPayments => "lock_payments",
            Fault::RestartKafka => "restart_kafka",
        }
    }

    /// The simulator's name for the fault, if the simulator commits it.
    fn simulator_name(self) -> Option<&'static str> {
        match self {
            Fault::KillWorker | Fault::Flushall | Fault::LockPayments | Fault::RestartKafka => None,
            Fault::DropAnswer => Some("drop_after"),
            Fault::DuplicateWebhook => Some("webhook_duplicated"),
            Fault::ShuffleWebhook => Some("webhook_shuffled"),
            Fault::LoseWebhook => Some("webhook_lost"),
        }
    }

    /// The rules that make the simulator commit it, often enough that a load of the planned size meets its goal.
    fn rules(self) -> Vec<Value> {
        let posts = ["create", "confirm", "capture", "cancel"]
            .map(|call| format!("payment_intents.{call}"));
        match self {
            Fault::KillWorker | Fault::Flushall | Fault::LockPayments | Fault::RestartKafka => {
                Vec::new()
            }
            // Only calls that change something: after a lost answer to a read, the read is sent again.
            Fault::DropAnswer => posts
                .iter()
                .map(String::as_str)
                .chain(["refunds.create"])
                .map(|route| json!({"fault": "drop_after", "probability": 0.04, "route": route}))
                .collect(),
            Fault::DuplicateWebhook => {
                vec![json!({"fault": "webhook_duplicated", "probability": 0.04, "copies": 2})]
            }
            Fault::ShuffleWebhook => {
                vec![json!({"fault": "webhook_shuffled", "probability": 0.06, "ms": 1_000})]
            }
            Fault::LoseWebhook => vec![json!({"fault": "webhook_lost", "probability": 0.05})],
        }
    }

    /// The least number of times it must happen in a campaign of so many payments, in proportion to the figures of the
    /// proof with 2,000.
    pub(crate) fn wanted(self, payments: u64) -> u64 {
        let (share, least) = match self {
            Fault::KillWorker => (20, 5),
            Fault::Flushall => (8, 2),
            Fault::LockPayments => (6, 1),
            Fault::RestartKafka => (2, 1),
            Fault::DropAnswer | Fault::LoseWebhook => (100, 5),
            Fault::DuplicateWebhook | Fault::ShuffleWebhook => (200, 5),
        };
        (share * payments).div_ceil(2_000).max(least)
    }
}

impl Goal {
    fn wants(&self, fault: Fault) -> u64 {
        self.faults.get(&fault).copied().unwrap_or_default()
    }

    /// The time that the load must last for all faults to happen.
    fn time(&self) -> Duration {
        let times = |fault| u32::try_from(self.wants(fault)).unwrap_or(u32::MAX);
        let kills = Recurring::KillWorker.every();
        let kills = kills.saturating_mul(times(Fault::KillWorker) + 1);
        let flushes = Recurring::FlushAll.every();
        let flushes = flushes.saturating_mul(times(Fault::Flushall));
        let locks = Recurring::LockPayments.every();
        let locks = locks.saturating_mul(times(Fault::LockPayments));
        let restarts = Recurring::RestartKafka.every();
        let restarts = restarts.saturating_mul(times(Fault::RestartKafka));
        let ours = [kills, flushes, locks, restarts];
        ours.into_iter().fold(Duration::from_secs(5), Duration::max)
    }

    /// The interval between two payments.
    fn pace(&self) -> Duration {
        self.time() / u32::try_from(self.payments.max(1)).unwrap_or(u32::MAX)
    }
}

/// The result of a campaign, besides the records of the clients and the data in the servers.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) faults: BTreeMap<&'static str, Fired>,
    /// Processes that ended by themselves.
    pub(crate) crashes: Vec<String>,
    /// Cached views that were ahead of the database.
    pub(crate) cache: Vec<String>,
}

/// A running campaign.
pub(crate) struct Campaign<'a> {
    fleet: &'a mut Fleet,
    client: Client,
    goal: &'a Goal,
    bar: ProgressBar,
    clients: JoinSet<()>,
    /// Restarts of the Kafka broker that are not finished.
    restarts: JoinSet<Result<()>>,
    started: u64,
    struck: BTreeMap<Fault, u64>,
    checked: Instant,
    outcome: Outcome,
}

impl<'a> Campaign<'a> {
    /// A campaign that has not begun.
    pub(crate) fn new(
        fleet: &'a mut Fleet,
        client: Client,
        goal: &'a Goal,
    ) -> Result<Campaign<'a>> {
        let bar = ProgressBar::new(goal.payments);
        bar.set_style(ProgressStyle::with_template(
            "  {bar:30} {pos}/{len} payments {elapsed}  {msg}",
        )?);
        Ok(Campaign {
            fleet,
            client,
            goal,
            bar,
            clients: JoinSet::new(),
            restarts: JoinSet::new(),
            started: 0,
            struck: BTreeMap::new(),
            checked: Instant::now(),
            outcome: Outcome::default(),
        })
    }

    /// Runs load and faults until there was enough of both; also returns the clients that still run.
    pub(crate) async fn run(mut self) -> Result<(Outcome, JoinSet<()>)> {
        let rules: Vec<Value> = self
            .goal
            .faults
            .keys()
            .flat_map(|fault| fault.rules())
            .collect();
        self.fleet.simulator.inject(self.goal.seed, &rules).await?;
        let start = Instant::now();
        let recurring: Vec<Recurring> = OURS
            .into_iter()
            .filter(|(fault, _)| self.goal.wants(*fault) > 0)
            .map(|(_, kind)| kind)
            .collect();
        let mut schedule = Schedule::new(self.goal.seed, self.fleet.workers(), &recurring);
        // Without faults of its own the campaign waits for one that never comes.
        let mut next_strike = schedule.next();
        let never = start + Duration::from_hours(24);
        let mut check = start + CHECK_EVERY;
        while !self.enough().await? {
            let payment =
                start + self.goal.pace() * u32::try_from(self.started).unwrap_or(u32::MAX);
            let strike = next_strike.map_or(never, |(at, _)| start + at);
            let next = payment.min(strike).min(check);
            sleep_until(next).await;
            if next == payment {
                self.pay();
            } else if next == strike {
                if let Some((_, strike)) = next_strike {
                    self.strike(strike).await?;
                }
                next_strike = schedule.next();
            } else {
                self.check().await?;
                check += CHECK_EVERY;
            }
            if start.elapsed() > self.goal.time() * OVERTIME {
                bail!(
                    "after {:?} too few faults have happened: {:?}",
                    start.elapsed(),
                    self.fired().await?
                );
            }
        }
        while let Some(restarted) = self.restarts.join_next().await {
            restarted??;
        }
        self.outcome.faults = self.fired().await?;
        self.fleet.simulator.stop_faults().await?;
        self.bar.finish();
        Ok((self.outcome, self.clients))
    }

    fn pay(&mut self) {
        let order = plan::order(self.goal.seed, self.started);
        let client = self.client.clone();
        self.clients.spawn(async move { client.play(order).await });
        self.started += 1;
        self.bar.set_position(self.started);
    }

    async fn strike(&mut self, strike: Strike) -> Result<()> {
        let fault = match strike {
            Strike::KillWorker(index) => {
                self.fleet.kill_worker(index).await?;
                Fault::KillWorker
            }
            Strike::FlushAll => {
                self.fleet.flush_redis().await?;
                Fault::Flushall
            }
            Strike::LockPayments => {
                let newest = self.client.memory().acknowledged.into_iter().rev();
                lock(self.fleet.pool.clone(), newest.take(LOCKED).collect()).await?;
                Fault::LockPayments
            }
            Strike::RestartKafka => {
                let restart = self.fleet.servers.restart_kafka(KAFKA_IS_AWAY);
                // The load goes on meanwhile.
                self.restarts
                    .spawn(restart.context("Kafka was not started by this campaign")?);
                Fault::RestartKafka
            }
        };
        *self.struck.entry(fault).or_default() += 1;
        Ok(())
    }

    async fn check(&mut self) -> Result<()> {
        self.outcome.crashes.extend(self.fleet.revive()?);
        if self.goal.wants(Fault::LoseWebhook) > 0 && self.checked.elapsed() > RESYNC_EVERY {
            reconciliation::check_now(&self.fleet.pool).await?;
            self.checked = Instant::now();
        }
        let recent: Vec<_> = self
            .client
            .memory()
            .acknowledged
            .into_iter()
            .rev()
            .take(200)
            .collect();
        self.outcome
            .cache
            .extend(cache::ahead(self.fleet, &recent).await?);
        let fired = self.fired().await?;
        while let Some(restarted) = self.restarts.try_join_next() {
            restarted??;
        }
        let message: Vec<String> = fired
            .iter()
            .map(|(name, fired)| format!("{name} {}/{}", fired.times, fired.wanted))
            .collect();
        self.bar.set_message(message.join(", "));
        while self.clients.try_join_next().is_some() {}
        Ok(())
    }

    /// Whether there were enough payments and enough of every fault. The simulator is queried only when all else is enough.
    async fn enough(&self) -> Result<bool> {
        let struck = |fault| self.struck.get(&fault).copied().unwrap_or_default();
        Ok(self.started >= self.goal.payments
            && OURS
                .iter()
                .all(|(fault, _)| struck(*fault) >= self.goal.wants(*fault))
            && self
                .fired()
                .await?
                .values()
                .all(|fired| fired.times >= fired.wanted))
    }

    async fn fired(&self) -> Result<BTreeMap<&'static str, Fired>> {
        let theirs = self.fleet.simulator.faults().await?;
        let fired = self.goal.faults.iter().map(|(fault, wanted)| {
            let times = match fault.simulator_name() {
                Some(name) => theirs.get(name),
                None => self.struck.get(fault),
            };
            let times = times.copied().unwrap_or_default();
            (
                fault.name(),
                Fired {
                    times,
                    wanted: *wanted,
                },
            )
        });
        Ok(fired.collect())
    }
}

/// Locks payments in a transaction of its own, which ends by itself.
async fn lock(pool: PgPool, payments: Vec<Uuid>) -> Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query("select from payment where id = any($1) for update")
        .bind(payments)
        .execute(&mut *transaction)
        .await?;
    tokio::spawn(async move {
        sleep(LOCKED_FOR).await;
        drop(transaction);
    });
    Ok(())
}
