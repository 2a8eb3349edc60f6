//! The relay publishes the outbox to Kafka: each transition at least once, those of a stream in order.
//!
//! The outbox is divided into shards, and one relay at a time works on a shard: it holds an advisory lock on the
//! connection with which it reads and deletes. It sends a portion of messages in their order, waits for all acknowledgements,
//! and removes the rows that are acknowledged wholly. So the order holds whatever fails here, in the client or in Kafka: no
//! message passes one before it in its stream, and after a failure or a death the relay starts again with the oldest row that
//! is left, whose messages at worst are published twice.

mod portion;
mod publisher;

use std::sync::Arc;
use std::time::Duration;

use infra::health::{Loop, Loops};
use infra::kafka::Brokers;
use infra::outage::{News, Outage};
use infra::postgres;
use rdkafka::error::KafkaError;
use sqlx::{PgConnection, PgPool};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::portion::Portion;
use self::publisher::Publisher;
use crate::store::outbox;

pub use crate::store::outbox::Lag;

/// The pause after a portion that was not full, so that the next one is a larger batch.
const GATHER: Duration = Duration::from_millis(25);
/// The pause between two reads of an empty outbox; it doubles up to the longest.
const FIRST_IDLE: Duration = Duration::from_millis(25);
const LONGEST_IDLE: Duration = Duration::from_millis(100);
/// The pause between two tries to take over a shard from another relay.
const STANDBY: Duration = Duration::from_secs(1);
/// The pause between two tries while Kafka or Postgres is unavailable; it doubles up to the longest.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// How long a sent portion may take to be acknowledged after the shutdown.
const GRACE: Duration = Duration::from_secs(3);
/// The names of the shards' loops.
const NAMES: [&str; outbox::SHARDS as usize] = [
    "relay of shard 0",
    "relay of shard 1",
    "relay of shard 2",
    "relay of shard 3",
];

/// Relays until `shutdown`. With several relays, in one process or in many, each shard has one at a time.
///
/// `loops` shows a shard whose statements do not end, or whose oldest row cannot be read. Kafka's absence is none of both.
///
/// `published` is called with the payments of which Kafka has just acknowledged transitions, each with the last published
/// version. It must not block.
///
/// # Errors
/// If the Kafka client cannot be made from `brokers`. Unavailable brokers or an unavailable database are no error: the
/// messages stay in the outbox.
pub async fn run<P>(
    pool: PgPool,
    brokers: &Brokers,
    published: P,
    loops: &Loops,
    shutdown: CancellationToken,
) -> Result<(), KafkaError>
where
    P: Fn(&[(Uuid, i64)]) + Clone + Send + Sync + 'static,
{
    let (mut shards, kafka) = (JoinSet::new(), Arc::new(Outage::default()));
    for (number, name) in (0..outbox::SHARDS).zip(NAMES) {
        let shard = Shard {
            number,
            rounds: loops.add(name),
            kafka: Arc::clone(&kafka),
            pool: pool.clone(),
            publisher: Arc::new(Publisher::new(brokers)?),
            published: published.clone(),
            shutdown: shutdown.clone(),
        };
        shards.spawn(shard.keep_running());
    }
    while shards.join_next().await.is_some() {}
    Ok(())
}

/// How many transitions are not published yet, and for how long.
///
/// # Errors
/// If Postgres does not answer.
pub async fn lag(pool: &PgPool) -> Result<Lag, sqlx::Error> {
    outbox::lag(pool).await
}

/// The relay of one shard.
#[derive(Clone)]
struct Shard<P> {
    number: i16,
    /// Whether Kafka is away, as all shards see it.
    kafka: Arc<Outage>,
    /// The parts of its rounds that wait for Postgres.
    rounds: Loop,
    pool: PgPool,
    publisher: Arc<Publisher>,
    published: P,
    shutdown: CancellationToken,
}

impl<P: Fn(&[(Uuid, i64)]) + Clone + Send + Sync + 'static> Shard<P> {
    /// Restarts the relay after a panic, so that a fault in one message does not stop its shard for ever.
    async fn keep_running(self) {
        while let Err(panic) = tokio::spawn(self.clone().run()).await {
            tracing::error!(%panic, shard = self.number, "the relay of a shard panicked; restarting it in 5 s");
            self.pause(LONGEST_RETRY).await;
        }
    }

    async fn run(self) {
        let too_late = async {
            self.shutdown.cancelled().await;
            sleep(GRACE).await;
        };
        tokio::select! {
            () = self.hold_until_shutdown() => {}
            () = too_late => {}
        }
    }

    async fn hold_until_shutdown(&self) {
        let mut retry = FIRST_RETRY;
        while !self.shutdown.is_cancelled() {
            let pause = match self.hold().await {
                Ok(()) => {
                    retry = FIRST_RETRY;
                    STANDBY
                }
                Err(error) => {
                    if retry == FIRST_RETRY {
                        self.log_failure(&error);
                    }
                    let pause = retry;
                    retry = LONGEST_RETRY.min(retry * 2);
                    pause
                }
            };
            self.pause(pause).await;
        }
    }

    /// Relays while it holds the lock of the shard: until shutdown or an error of Postgres. Returns at once when another
    /// relay holds the lock.
    async fn hold(&self) -> sqlx::Result<()> {
        let round = self.rounds.round();
        // Detached: the lock belongs to this connection, which the pool must not give to others.
        let mut connection = self.pool.acquire().await?.detach();
        if !postgres::within(outbox::hold(&mut connection, self.number)).await? {
            self.rounds.unblock();
            return Ok(());
        }
        drop(round);
        tracing::debug!(shard = self.number, "the relay holds the shard");
        let (mut retry, mut idle) = (None, FIRST_IDLE);
        while !self.shutdown.is_cancelled() {
            let round = self.rounds.round();
            let rows = postgres::within(outbox::oldest(&mut connection, self.number)).await?;
            drop(round);
            let mut portion = Portion::read(&rows)?;
            self.rounds.unblock();
            if portion.messages.is_empty() {
                self.pause(idle).await;
                idle = LONGEST_IDLE.min(idle * 2);
                continue;
            }
            idle = FIRST_IDLE;
            let full = portion.messages.len() >= outbox::PORTION;
            match self.relay(&mut connection, &mut portion).await? {
                None if full => retry = self.log_recovery(),
                None => {
                    retry = self.log_recovery();
                    self.pause(GATHER).await;
                }
                Some(error) => {
                    let pause = retry.unwrap_or(FIRST_RETRY);
                    self.log_outage(&error).await;
                    retry = Some(LONGEST_RETRY.min(pause * 2));
                    self.pause(pause).await;
                }
            }
        }
        Ok(())
    }

    /// Publishes the messages of some rows, and removes the rows that Kafka has acknowledged wholly. Returns Kafka's error, if
    /// any.
    async fn relay(
        &self,
        connection: &mut PgConnection,
        portion: &mut Portion<'_>,
    ) -> sqlx::Result<Option<KafkaError>> {
        self.publisher.publish(portion).await;
        let published = portion.published();
        if !published.is_empty() {
            infra::crash::point("relay.published");
            let _round = self.rounds.round();
            postgres::within(outbox::remove(connection, self.number, &published)).await?;
        }
        let versions = portion.versions();
        if !versions.is_empty() {
            (self.published)(&versions);
        }
        Ok(portion.failure.take())
    }

    /// Logs why the shard stopped. A row that cannot be read stops it until somebody repairs the row, because its events must
    /// not be left out.
    fn log_failure(&self, error: &sqlx::Error) {
        let sqlx::Error::ColumnDecode { index, .. } = error else {
            tracing::warn!(%error, shard = self.number, "failed to read or to empty the outbox; retrying");
            return;
        };
        tracing::error!(%error, shard = self.number, "failed to read a row of the outbox; its shard publishes nothing until an operator has repaired the row");
        self.rounds.block(format!(
            "the {index} of the outbox cannot be read, and no event behind it is published: repair that row"
        ));
    }

    /// Logs that Kafka does not take events, when it begins and then once a minute with what waits.
    async fn log_outage(&self, error: &KafkaError) {
        let past = match self.kafka.failed(self.number) {
            None => return,
            Some(News::Began) => {
                tracing::warn!(%error, "failed to publish events to Kafka; they stay in the outbox and are retried");
                return;
            }
            Some(News::Lasts(past)) => past,
        };
        let lag = postgres::within(outbox::lag(&self.pool)).await.ok();
        tracing::warn!(
            %error,
            seconds = past.lasted.as_secs(),
            failures = past.failures,
            events = lag.map(|lag| lag.messages),
            oldest_seconds = lag.map(|lag| lag.oldest.as_secs()),
            "Kafka is still away; the events of the outbox wait and are retried"
        );
    }

    /// Logs that Kafka is available again, if it was away for all shards that tried; returns no retry delay.
    fn log_recovery(&self) -> Option<Duration> {
        if let Some(past) = self.kafka.answered(self.number) {
            tracing::info!(
                seconds = past.lasted.as_secs(),
                failures = past.failures,
                "Kafka is available again; events are published"
            );
        }
        None
    }

    async fn pause(&self, duration: Duration) {
        self.shutdown.run_until_cancelled(sleep(duration)).await;
    }
}
