//! The consumer of commands: it takes messages of the topic `pawl.commands.v1` and does what the gateway does for requests.
//!
//! The position in the topic is committed after the database has committed, so that a command is taken at least once; its id
//! is its idempotency key, which makes it once. Messages with the same key are done one after the other, others of a portion at
//! the same time, in shared transactions. A message that is refused goes to `pawl.commands.v1.dead`; one that cannot be done
//! now, because Postgres is away or the intake is paused, is tried until it can be.

mod message;
mod refused;

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _, stream};
use infra::health::{Loop, Loops};
use infra::http::problem::Problem;
use infra::kafka::{Brokers, Consumer, Producer};
use infra::metrics::{Counters, Gauges};
use infra::outage::{News, Outage};
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::message::{Action, Read, Received};
use crate::commit::Cause;
use crate::{Engine, Error, problem};

static CONSUMED: Counters<2> = Counters::new(
    "pawl_commands_consumed_total",
    "Commands taken from Kafka, by what they ask for and by result: accepted, repeated (done before under the same id) or dead \
     (refused, and sent to the topic of dead commands).",
    ["type", "result"],
);
static LAG: Gauges<0> = Gauges::new(
    "pawl_commands_lag",
    "Commands in the partitions of this worker that it has not finished.",
    [],
);

/// The most messages of a portion. While it is done, as many of the next one are taken, and no more.
const PORTION: usize = 100;
/// The pause after a failure that may pass; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How often a command is tried that fails by a defect of Pawl or its data, before it is refused.
const TRIES: u32 = 3;
/// How long commands under way may take after the shutdown.
const GRACE: Duration = Duration::from_secs(3);
/// The one user of what may be away.
const USER: i16 = 0;

/// Takes commands from `topic` until `shutdown`, then finishes those under way. All workers are members of a group with the
/// topic's name: each partition is read by one of them. Refused commands go to the topic with `.dead` behind its name.
///
/// `loops` shows a portion that does not end although Postgres answers.
///
/// # Errors
/// If the Kafka client cannot be made from `brokers`. Unavailable brokers or an unavailable database are no error: the
/// commands stay in Kafka.
pub async fn run(
    engine: Engine,
    brokers: &Brokers,
    topic: &str,
    loops: &Loops,
    shutdown: CancellationToken,
) -> KafkaResult<()> {
    let kafka = infra::kafka::consumer(brokers, topic, |lag| {
        // The number of commands is far below 2^52.
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        LAG.with_labels([]).set(lag as f64);
    })?;
    kafka.subscribe(&[topic])?;
    let consumer = Arc::new(CommandConsumer {
        engine,
        kafka,
        dead_topic: format!("{topic}.dead"),
        topic: topic.to_owned(),
        dead: infra::kafka::single_message_producer(brokers)?,
        portions: loops.add("commands"),
        kafka_outage: Outage::default(),
        dead_outage: Outage::default(),
        postgres_outage: Outage::default(),
        shutdown,
    });
    let panicked = |running: Arc<CommandConsumer>| async move {
        tokio::spawn(async move { running.run().await }).await.err()
    };
    while let Some(panic) = panicked(Arc::clone(&consumer)).await {
        tracing::error!(%panic, "the consumer of commands panicked; restarting it in 2 s");
        sleep(LONGEST_PAUSE).await;
    }
    // Leaving the group waits for the brokers.
    tokio::task::spawn_blocking(move || drop(consumer))
        .await
        .ok();
    Ok(())
}

struct CommandConsumer {
    engine: Engine,
    kafka: Consumer,
    topic: String,
    dead_topic: String,
    /// Sends refused commands.
    dead: Producer,
    portions: Loop,
    kafka_outage: Outage,
    dead_outage: Outage,
    postgres_outage: Outage,
    shutdown: CancellationToken,
}

impl CommandConsumer {
    async fn run(&self) {
        let mut next = Vec::with_capacity(PORTION);
        while !self.shutdown.is_cancelled() {
            if next.is_empty() {
                tokio::select! {
                    () = self.shutdown.cancelled() => return,
                    received = self.receive() => next.push(received),
                }
            }
            while next.len() < PORTION
                && let Some(received) = self.receive().now_or_never()
            {
                next.push(received);
            }
            let portion = std::mem::take(&mut next);
            let finished = ends(&portion);
            if !self.finish(portion, &mut next).await {
                return;
            }
            infra::crash::point("commands.applied");
            self.commit(&finished);
        }
    }

    /// Finishes a portion, and takes messages of the next one meanwhile: a client that takes nothing would lose its place in the
    /// group. False if the shutdown came before the end.
    async fn finish(&self, portion: Vec<Received>, next: &mut Vec<Received>) -> bool {
        let too_late = async {
            self.shutdown.cancelled().await;
            sleep(GRACE).await;
        };
        let mut performing = pin!(self.perform_all(portion));
        let mut too_late = pin!(too_late);
        let mut paused = false;
        loop {
            tokio::select! {
                biased;
                () = &mut performing => break,
                () = &mut too_late => return false,
                received = self.receive() => {
                    next.push(received);
                    if next.len() >= PORTION {
                        // Also the partitions that came to this worker meanwhile.
                        paused = true;
                        self.pause(true);
                    }
                }
            }
        }
        if paused {
            self.pause(false);
        }
        true
    }

    /// The next message.
    async fn receive(&self) -> Received {
        loop {
            match self.kafka.recv().await {
                Ok(message) => {
                    if self.kafka_outage.answered(USER).is_some() {
                        tracing::info!("commands are taken from Kafka again");
                    }
                    return Received::of(&message);
                }
                Err(error) => {
                    self.log_kafka(&error);
                    sleep(LONGEST_PAUSE).await;
                }
            }
        }
    }

    fn log_kafka(&self, error: &KafkaError) {
        match self.kafka_outage.failed(USER) {
            Some(News::Began) => {
                tracing::warn!(%error, topic = self.topic, "failed to take commands from Kafka; they wait there, and it is tried again");
            }
            Some(News::Lasts(past)) => {
                tracing::warn!(%error, topic = self.topic, seconds = past.lasted.as_secs(), "commands still cannot be taken from Kafka; they wait there");
            }
            None => {}
        }
    }

    /// Stops or continues the messages of all partitions of this worker.
    fn pause(&self, stop: bool) {
        let done = self.kafka.assignment().and_then(|partitions| {
            if stop {
                self.kafka.pause(&partitions)
            } else {
                self.kafka.resume(&partitions)
            }
        });
        if let Err(error) = done {
            tracing::warn!(%error, stop, "failed to pause or resume the partitions of commands; going on");
        }
    }

    async fn perform_all(&self, portion: Vec<Received>) {
        let mut by_key: HashMap<(i32, Option<Vec<u8>>), Vec<Received>> = HashMap::new();
        for received in portion {
            let group = (received.partition, received.key.clone());
            by_key.entry(group).or_default().push(received);
        }
        let groups = by_key.into_values().map(|messages| {
            let in_turn = stream::iter(messages).then(|received| self.perform(received));
            Box::pin(in_turn)
        });
        let mut performed = stream::select_all(groups);
        loop {
            // A round lasts until one more message is done.
            let _round = self.portions.round();
            if performed.next().await.is_none() {
                return;
            }
        }
    }

    /// Does what one message asks for, or sends it to the dead ones. Returns when it needs not be taken again.
    async fn perform(&self, received: Received) {
        let (name, refusal) = match message::read(&received) {
            Ok(read) => match self.apply(&read).await {
                Ok(result) => {
                    CONSUMED.with_labels([read.name, result]).increment(1);
                    return;
                }
                Err(problem) => (read.name, problem),
            },
            Err(problem) => ("unreadable", *problem),
        };
        self.refuse(&received, refusal).await;
        CONSUMED.with_labels([name, "dead"]).increment(1);
    }

    /// Submits the command until the engine has decided about it.
    async fn apply(&self, read: &Read) -> Result<&'static str, Problem> {
        let (mut pause, mut tries) = (FIRST_PAUSE, 0);
        loop {
            let error = match self.submit(read).await {
                Ok(answer) => {
                    self.postgres_answered();
                    let result = if answer.replayed {
                        "repeated"
                    } else {
                        "accepted"
                    };
                    return Ok(result);
                }
                Err(error) => error,
            };
            match &error {
                Error::Unavailable { .. }
                | Error::Busy { .. }
                | Error::InFlight
                | Error::IntakePaused => {
                    self.log_wait(&error);
                }
                Error::Internal(_) if tries + 1 < TRIES => tries += 1,
                _ => {
                    self.postgres_answered();
                    return Err(problem::of(error));
                }
            }
            // The wait is no standstill of this loop.
            drop(self.portions.round());
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    async fn submit(&self, read: &Read) -> Result<crate::Answer, Error> {
        let cause = Cause::command(&read.idempotency.key);
        let idempotency = read.idempotency.clone();
        match &read.action {
            Action::Create(new) => {
                let new = new.as_ref().clone();
                self.engine.create_by(new, idempotency, &cause).await
            }
            Action::Command(payment, command) => {
                let command = command.clone();
                self.engine
                    .command_by(*payment, command, idempotency, cause)
                    .await
            }
        }
    }

    fn log_wait(&self, error: &Error) {
        match self.postgres_outage.failed(USER) {
            Some(News::Began) => {
                tracing::warn!(%error, "failed to accept a command from Kafka; it is tried until it is accepted or refused");
            }
            Some(News::Lasts(past)) => {
                tracing::warn!(%error, seconds = past.lasted.as_secs(), "commands from Kafka still cannot be accepted; they wait");
            }
            None => {}
        }
    }

    fn postgres_answered(&self) {
        if self.postgres_outage.answered(USER).is_some() {
            tracing::info!("commands from Kafka are accepted again");
        }
    }

    /// Commits the positions behind these messages, of the partitions that are still this worker's. A commit that is lost lets
    /// the commands be taken once more.
    fn commit(&self, finished: &BTreeMap<i32, i64>) {
        let committed = self.kafka.assignment().and_then(|assigned| {
            let mut positions = TopicPartitionList::new();
            for (partition, offset) in finished {
                if assigned.find_partition(&self.topic, *partition).is_some() {
                    positions.add_partition_offset(
                        &self.topic,
                        *partition,
                        Offset::Offset(*offset),
                    )?;
                }
            }
            if positions.count() == 0 {
                return Ok(());
            }
            self.kafka.commit(&positions, CommitMode::Async)
        });
        if let Err(error) = committed {
            tracing::warn!(%error, "failed to commit the position in the commands; they are taken again, and their ids make them once");
        }
    }
}

/// The position behind the last message of each partition.
fn ends(portion: &[Received]) -> BTreeMap<i32, i64> {
    let mut ends = BTreeMap::new();
    for received in portion {
        let end = ends.entry(received.partition).or_insert(0);
        *end = (received.offset + 1).max(*end);
    }
    ends
}
