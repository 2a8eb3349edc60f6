//! Producers for Kafka, and a broker inside this process for development and tests.

mod brokers;

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use rdkafka::ClientConfig;
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, StreamConsumer};
use rdkafka::error::KafkaResult;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::FutureProducer;
use rdkafka::statistics::Statistics;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::metrics::Counters;

pub use brokers::Brokers;

/// A producer of messages whose deliveries are futures.
pub type Producer = FutureProducer<ClientLog>;

/// A consumer of messages as a stream, which reports how many it has not finished.
pub type Consumer = StreamConsumer<ConsumerLog>;

static CLIENT_LINES: Counters<1> = Counters::new(
    "pawl_kafka_client_lines_total",
    "Lines that the Kafka client wrote into the log, by level: warning, error or fatal. Only the fatal ones are printed at the level info.",
    ["level"],
);

/// Counts what a client reports. While no broker answers, it repeats itself many times a second, so that only what is fatal is
/// printed; the relay reports that Kafka is away. `RUST_LOG=librdkafka=debug` shows all of it.
#[derive(Debug, Clone, Copy)]
pub struct ClientLog;

impl ConsumerContext for ClientLog {}

impl ClientContext for ClientLog {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let name = match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                DefaultClientContext.log(level, facility, message);
                CLIENT_LINES.with_labels(["fatal"]).increment(1);
                return;
            }
            RDKafkaLogLevel::Error => "error",
            // At each start: a setting of the producer is experimental.
            RDKafkaLogLevel::Warning if facility == "CONFWARN" => return,
            RDKafkaLogLevel::Warning => "warning",
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => return,
        };
        CLIENT_LINES.with_labels([name]).increment(1);
        DefaultClientContext.log(RDKafkaLogLevel::Debug, facility, message);
    }
}

/// As [`ClientLog`], of a consumer.
#[derive(Clone, Copy)]
pub struct ConsumerLog {
    lag: fn(i64),
}

impl ConsumerContext for ConsumerLog {}

impl ClientContext for ConsumerLog {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        ClientLog.log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        let partitions = statistics
            .topics
            .values()
            .flat_map(|it| it.partitions.values());
        let lag = partitions
            .filter(|partition| !matches!(partition.fetch_state.as_str(), "none" | "stopped"))
            .map(|partition| partition.consumer_lag.max(0));
        (self.lag)(lag.sum());
    }
}

/// A consumer of this group that commits its positions only when it is told to, and begins at the oldest message. Every 5 s it
/// calls `lag` with how many messages of its partitions are behind the committed positions. It keeps at most 8 MiB of messages
/// that were not taken yet, besides the answer of a broker under way.
///
/// # Errors
/// As of [`producer`].
pub fn consumer(brokers: &Brokers, group: &str, lag: fn(i64)) -> KafkaResult<Consumer> {
    client_config(brokers)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("queued.max.messages.kbytes", "8192")
        .set("fetch.max.bytes", "8388608")
        // A topic that is made later is found after this time.
        .set("topic.metadata.refresh.interval.ms", "10000")
        // The partitions of a worker that died move to others after this time, and not after 45 s.
        .set("session.timeout.ms", "10000")
        .set("statistics.interval.ms", "5000")
        .create_with_context(ConsumerLog { lag })
}

/// A producer whose acknowledgement means that every in-sync replica has the message, once and in order.
///
/// It has no time-out: a message waits until Kafka acknowledges or refuses it, or the producer is dropped, which discards what
/// was not sent. After a refusal it is of no use any more, and all other messages fail: none is written behind one that is
/// missing.
///
/// # Errors
/// If librdkafka refuses the configuration. Unavailable brokers are no error here.
pub fn producer(brokers: &Brokers) -> KafkaResult<Producer> {
    producer_config(brokers)
        .set("enable.gapless.guarantee", "true")
        // A message that times out would let the later ones of its partition pass.
        .set("message.timeout.ms", "0")
        .create_with_context(ClientLog)
}

/// A producer that sends each message in a batch of its own. A broker refuses whole batches, so only this producer finds out
/// which message was refused; the others are not affected.
///
/// A message that was not acknowledged within 10 s fails; it may have been written all the same.
///
/// # Errors
/// As of [`producer`].
pub fn single_message_producer(brokers: &Brokers) -> KafkaResult<Producer> {
    producer_config(brokers)
        .set("batch.num.messages", "1")
        .set("message.timeout.ms", "10000")
        .create_with_context(ClientLog)
}

/// Asks the brokers how many they are. It blocks the thread for at most `patience`.
///
/// # Errors
/// If none of them answers in that time.
pub fn count_brokers(brokers: &Brokers, patience: Duration) -> KafkaResult<usize> {
    let client: BaseConsumer<ClientLog> = client_config(brokers).create_with_context(ClientLog)?;
    Ok(client.fetch_metadata(None, patience)?.brokers().len())
}

fn producer_config(brokers: &Brokers) -> ClientConfig {
    let mut config = client_config(brokers);
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("compression.type", "none")
        .set("linger.ms", "2");
    config
}

pub(crate) fn client_config(brokers: &Brokers) -> ClientConfig {
    let mut config = ClientConfig::new();
    brokers.configure(&mut config);
    config
        .set("client.id", "pawl")
        // Brokers close idle connections all the time; that is not worth a log line.
        .set("log.connection.close", "false")
        // By default the client reconnects to a restarted broker only after up to 10 s.
        .set("reconnect.backoff.max.ms", "1000");
    config
}

/// librdkafka's mock broker; its messages are lost when it is dropped.
///
/// It keeps at most 5 MiB or 100,000 messages per partition and creates each topic when it is first named.
#[derive(Debug)]
pub struct MockKafka {
    brokers: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl MockKafka {
    /// Starts a broker; with a `port`, clients may bootstrap from that port of the loopback interface.
    ///
    /// # Errors
    /// If the cluster cannot be made, or `port` is busy.
    pub fn start(port: Option<u16>) -> anyhow::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (report, started) = std::sync::mpsc::sync_channel(1);
        // The cluster holds a raw pointer and cannot leave the thread that made it.
        let thread = std::thread::Builder::new()
            .name("mock-kafka".to_owned())
            .spawn(move || match start_mock(port) {
                Ok((cluster, runtime, front, brokers)) => {
                    let inner = cluster.bootstrap_servers();
                    report.send(Ok(brokers)).ok();
                    runtime.block_on(forward(front, inner, stopped));
                    drop(cluster);
                }
                Err(error) => drop(report.send(Err(error))),
            })
            .context("the thread of the mock broker could not be started")?;
        let brokers = started.recv().context("the mock broker ended at once")??;
        Ok(Self {
            brokers,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The address for [`producer`] and for consumers.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }
}

impl Drop for MockKafka {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

type Mock = (
    MockCluster<'static, rdkafka::producer::DefaultProducerContext>,
    tokio::runtime::Runtime,
    Option<TcpListener>,
    String,
);

/// Makes the cluster, the runtime of its thread, and the listener in front of it if a port was asked for.
fn start_mock(port: Option<u16>) -> anyhow::Result<Mock> {
    let cluster = MockCluster::new(1).context("the mock broker could not be made")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let Some(port) = port else {
        let brokers = cluster.bootstrap_servers();
        return Ok((cluster, runtime, None, brokers));
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let front = runtime.block_on(crate::http::bind(address))?;
    let brokers = front.local_addr()?.to_string();
    Ok((cluster, runtime, Some(front), brokers))
}

/// Forwards each connection of `front` to the broker until `stopped`. Clients use it only to read the broker's own
/// address from its metadata.
async fn forward(front: Option<TcpListener>, inner: String, mut stopped: oneshot::Receiver<()>) {
    let Some(front) = front else {
        stopped.await.ok();
        return;
    };
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            accepted = front.accept() => {
                let Ok((mut client, _)) = accepted else { continue };
                let inner = inner.clone();
                tokio::spawn(async move {
                    if let Ok(mut broker) = TcpStream::connect(inner).await {
                        tokio::io::copy_bidirectional(&mut client, &mut broker).await.ok();
                    }
                });
            }
        }
    }
}
