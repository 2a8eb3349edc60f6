//! The relay tells Kafka what happened: each transition once or more, those of a stream in order.
//!
//! The outbox is divided into shards, and one relay at a time works on a shard: it holds an advisory lock on the very
//! connection that it reads and deletes with. Of each stream one message is in the air; the next follows its
//! acknowledgement. So the order holds whatever fails, here, in the client or in Kafka: if a relay dies, its successor
//! starts with the message that was in the air, and at worst that one is told twice.

mod message;
mod outlet;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use rdkafka::error::KafkaError;
use sqlx::{PgConnection, PgPool};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::outlet::Outlet;
use crate::store::outbox;
use crate::store::outbox::Message;

pub use crate::store::outbox::Lag;

/// After a portion that was not full: more comes together in one batch, and nobody waits for it.
const GATHER: Duration = Duration::from_millis(100);
/// Between looks at an empty outbox.
const IDLE: Duration = Duration::from_millis(100);
/// Between tries to take over a shard from another relay.
const STANDBY: Duration = Duration::from_secs(1);
/// Between tries while Kafka or Postgres is away.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// How long a portion that was already sent may take to be acknowledged at shutdown.
const GRACE: Duration = Duration::from_secs(3);

/// Relays until `shutdown`; of several relays, in one process or in many, each shard has one at a time.
///
/// `published` is called with the payments of which Kafka has just acknowledged transitions, each with the last version
/// told. It must not block.
///
/// # Errors
/// If the client of Kafka cannot be made from `brokers`. Brokers or a database that are away are no error: the outbox
/// waits.
pub async fn run<P>(
    pool: PgPool,
    brokers: &str,
    published: P,
    shutdown: CancellationToken,
) -> Result<(), KafkaError>
where
    P: Fn(&[(Uuid, i64)]) + Clone + Send + Sync + 'static,
{
    let outlet = Arc::new(Outlet::new(brokers)?);
    let mut shards = JoinSet::new();
    for number in 0..outbox::SHARDS {
        let shard = Shard {
            number,
            pool: pool.clone(),
            outlet: Arc::clone(&outlet),
            published: published.clone(),
            shutdown: shutdown.clone(),
        };
        shards.spawn(shard.keep_running());
    }
    while shards.join_next().await.is_some() {}
    Ok(())
}

/// How many transitions wait for Kafka, and for how long.
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
    pool: PgPool,
    outlet: Arc<Outlet>,
    published: P,
    shutdown: CancellationToken,
}

/// What came of the messages of one stream.
#[derive(Default)]
struct Round<'a> {
    acknowledged: Vec<&'a Message>,
    failure: Option<KafkaError>,
}

impl<P: Fn(&[(Uuid, i64)]) + Clone + Send + Sync + 'static> Shard<P> {
    /// A fault in telling one message must not silence its shard: after a panic the relay is started again.
    async fn keep_running(self) {
        while let Err(panic) = tokio::spawn(self.clone().run()).await {
            tracing::error!(%panic, shard = self.number, "the relay of a shard panicked and starts again");
            self.pause(LONGEST_RETRY).await;
        }
    }

    async fn run(self) {
        let too_late = async {
            self.shutdown.cancelled().await;
            sleep(GRACE).await;
        };
        tokio::select! {
            () = self.hold_again_and_again() => {}
            () = too_late => {}
        }
    }

    async fn hold_again_and_again(&self) {
        let mut retry = FIRST_RETRY;
        while !self.shutdown.is_cancelled() {
            let pause = match self.hold().await {
                Ok(()) => {
                    retry = FIRST_RETRY;
                    STANDBY
                }
                Err(error) => {
                    if retry == FIRST_RETRY {
                        tracing::warn!(%error, shard = self.number, "the relay lost Postgres and tries again");
                    }
                    let pause = retry;
                    retry = LONGEST_RETRY.min(retry * 2);
                    pause
                }
            };
            self.pause(pause).await;
        }
    }

    /// Relays for as long as it holds the shard: until shutdown or an error of Postgres. Returns at once when another
    /// relay holds it.
    async fn hold(&self) -> sqlx::Result<()> {
        // Detached: the lock lives with this connection, which must go to nobody else.
        let mut connection = self.pool.acquire().await?.detach();
        if !outbox::hold(&mut connection, self.number).await? {
            return Ok(());
        }
        tracing::debug!(shard = self.number, "relaying");
        let mut retry = None;
        while !self.shutdown.is_cancelled() {
            let messages = outbox::oldest(&mut connection, self.number).await?;
            if messages.is_empty() {
                self.pause(IDLE).await;
                continue;
            }
            let full = messages.len() == outbox::PORTION;
            match self.relay(&mut connection, &messages).await? {
                None if full => retry = self.is_back(retry),
                None => {
                    retry = self.is_back(retry);
                    self.pause(GATHER).await;
                }
                Some(error) => {
                    let pause = retry.unwrap_or(FIRST_RETRY);
                    if retry.is_none() {
                        tracing::warn!(%error, shard = self.number, "Kafka takes no events; the outbox waits");
                    }
                    retry = Some(LONGEST_RETRY.min(pause * 2));
                    self.outlet.renew_if_broken();
                    self.pause(pause).await;
                }
            }
        }
        Ok(())
    }

    /// Tells a portion, and forgets what was acknowledged. What went wrong with Kafka is returned.
    async fn relay(
        &self,
        connection: &mut PgConnection,
        messages: &[Message],
    ) -> sqlx::Result<Option<KafkaError>> {
        let mut streams: HashMap<Uuid, Vec<&Message>> = HashMap::new();
        for message in messages {
            streams.entry(message.stream).or_default().push(message);
        }
        let rounds = join_all(
            streams
                .into_iter()
                .map(async |(stream, messages)| (stream, self.tell(messages).await)),
        )
        .await;
        let (mut acknowledged, mut failure) = (Vec::with_capacity(messages.len()), None);
        let mut told = Vec::with_capacity(rounds.len());
        for (stream, round) in rounds {
            acknowledged.extend(round.acknowledged.iter().map(|message| message.seq));
            told.extend(round.acknowledged.last().map(|last| (stream, last.version)));
            failure = failure.or(round.failure);
        }
        if !acknowledged.is_empty() {
            infra::crash::point("relay.published");
            outbox::remove(connection, self.number, &acknowledged).await?;
            (self.published)(&told);
        }
        Ok(failure)
    }

    /// Tells the messages of one stream, one after the other, up to the first that Kafka does not take now.
    async fn tell<'a>(&self, stream: Vec<&'a Message>) -> Round<'a> {
        let mut round = Round::default();
        for message in stream {
            if let Err(error) = self.outlet.tell(message).await {
                round.failure = Some(error);
                break;
            }
            round.acknowledged.push(message);
        }
        round
    }

    /// Says so if Kafka was away.
    fn is_back(&self, retry: Option<Duration>) -> Option<Duration> {
        if retry.is_some() {
            tracing::info!(shard = self.number, "Kafka takes events again");
        }
        None
    }

    async fn pause(&self, duration: Duration) {
        tokio::select! {
            () = sleep(duration) => {}
            () = self.shutdown.cancelled() => {}
        }
    }
}
