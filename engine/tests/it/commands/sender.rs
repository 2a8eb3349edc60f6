//! Who sends commands and reads what came of them, and the consumer under test.

use std::time::Duration;

use contracts::command::RefusedCommand;
use contracts::id::PaymentId;
use engine::cache::Cache;
use engine::queue::Queue;
use engine::{Engine, Parts, command_consumer};
use infra::health::Loops;
use infra::id::AccountId;
use infra::kafka::{Producer, single_message_producer};
use infra::testing::{Proxy, kafka_consumer, redis_url, unique};
use rdkafka::Message as _;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{FutureRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::relay::Kafka;
use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(10);

/// A command as a service sends it.
pub(crate) fn message(
    account: Uuid,
    id: &str,
    kind: &str,
    payment: Option<Uuid>,
    body: &Value,
) -> Value {
    let mut message = json!({
        "schema_version": 1, "id": id, "account_id": AccountId::from_uuid(account), "type": kind, "body": body,
    });
    if let Some(payment) = payment {
        message["payment_id"] = json!(PaymentId::from_uuid(payment));
    }
    message
}

/// A topic of commands that no other test uses.
pub(crate) struct Topic {
    pub(crate) name: String,
    partitions: i32,
    kafka: Kafka,
    producer: Producer,
}

impl Topic {
    pub(crate) async fn create(partitions: i32) -> Self {
        let (kafka, name) = (Kafka::start(), unique("commands"));
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &kafka.brokers)
            .create()
            .unwrap();
        let dead = format!("{name}.dead");
        let topics = [
            NewTopic::new(&name, partitions, TopicReplication::Fixed(1)),
            NewTopic::new(&dead, 1, TopicReplication::Fixed(1)),
        ];
        let created = admin.create_topics(&topics, &AdminOptions::new()).await;
        assert!(created.unwrap().iter().all(Result::is_ok));
        Self {
            producer: single_message_producer(&kafka.brokers.as_str().into()).unwrap(),
            name,
            partitions,
            kafka,
        }
    }

    /// Sends a command of the world's account, keyed by the payment or by its id.
    pub(crate) async fn command(
        &self,
        world: &World,
        id: &str,
        kind: &str,
        payment: Option<Uuid>,
        body: &Value,
    ) {
        let key = payment.map_or_else(
            || id.to_owned(),
            |payment| PaymentId::from_uuid(payment).to_string(),
        );
        let message = message(world.account, id, kind, payment, body);
        self.send(&key, &message.to_string()).await;
    }

    /// Sends a command with the sample of the documents.
    pub(crate) async fn sample(
        &self,
        world: &World,
        id: &str,
        kind: &str,
        payment: Uuid,
        body: &str,
    ) {
        let sample = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../docs/samples/send_command.sh"
        );
        let account = AccountId::from_uuid(world.account).to_string();
        let payment = PaymentId::from_uuid(payment).to_string();
        let sent = tokio::process::Command::new(sample)
            .args([kind, id, &account, &payment, body])
            .env("KAFKA_BROKERS", &self.kafka.brokers)
            .env("KAFKA_COMMANDS_TOPIC", &self.name)
            .status();
        assert!(sent.await.expect("kcat is installed").success());
    }

    pub(crate) async fn send(&self, key: &str, message: &str) {
        let record = FutureRecord::to(&self.name).key(key).payload(message);
        self.producer.send(record, PATIENCE).await.unwrap();
    }

    /// Sends a message without waiting until Kafka has it.
    pub(crate) fn queue(&self, key: &str, message: &str) {
        let record = FutureRecord::to(&self.name).key(key).payload(message);
        drop(self.producer.send_result(record).unwrap());
    }

    /// Waits until Kafka has all messages.
    pub(crate) async fn flush(&self) {
        let producer = self.producer.clone();
        spawn_blocking(move || producer.flush(PATIENCE).unwrap())
            .await
            .unwrap();
    }

    /// How many messages are behind the committed positions.
    pub(crate) async fn unfinished(&self) -> i64 {
        let (brokers, name) = (self.kafka.brokers.clone(), self.name.clone());
        let partitions = self.partitions;
        let counting = spawn_blocking(move || {
            let client: BaseConsumer = ClientConfig::new()
                .set("bootstrap.servers", &brokers)
                .set("group.id", &name)
                .create()
                .unwrap();
            let mut asked = TopicPartitionList::new();
            asked.add_partition_range(&name, 0, partitions - 1);
            let committed = client.committed_offsets(asked, PATIENCE).unwrap();
            let left = (0..partitions).map(|partition| {
                let (_, end) = client.fetch_watermarks(&name, partition, PATIENCE).unwrap();
                match committed.find_partition(&name, partition).unwrap().offset() {
                    Offset::Offset(position) => end - position,
                    _ => end,
                }
            });
            left.sum::<i64>()
        });
        counting.await.unwrap()
    }

    /// The refused commands so far.
    pub(crate) async fn dead(&self) -> Vec<RefusedCommand> {
        let topic = format!("{}.dead", self.name);
        let reader = kafka_consumer(&self.kafka.brokers, &unique("reader"));
        let (_, end) = reader.fetch_watermarks(&topic, 0, PATIENCE).unwrap();
        reader.subscribe(&[&topic]).unwrap();
        let mut refused = Vec::new();
        for _ in 0..end {
            let message = timeout(Duration::from_secs(30), reader.recv()).await;
            let message = message.unwrap().unwrap();
            refused.push(serde_json::from_slice(message.payload().unwrap()).unwrap());
        }
        refused
    }
}

/// A consumer of commands in a task of its own.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(engine: Engine, topic: &Topic) -> Self {
        let stop = CancellationToken::new();
        let token = stop.clone();
        let (brokers, name) = (topic.kafka.brokers.clone(), topic.name.clone());
        let task = tokio::spawn(async move {
            command_consumer::run(
                engine,
                &brokers.as_str().into(),
                &name,
                &Loops::default(),
                token,
            )
            .await
            .unwrap();
        });
        Self { stop, task }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        timeout(Duration::from_secs(15), self.task)
            .await
            .unwrap()
            .unwrap();
    }
}

/// Another engine on the world's database, behind a proxy.
pub(crate) async fn engine_behind_a_proxy(world: &World) -> (Engine, Proxy) {
    let (proxy, url) = world.database.behind_proxy().await;
    let engine = Engine::start(Parts {
        pool: infra::postgres::pool(&url, 5).unwrap(),
        queue: Queue::connect(&redis_url(), &format!("{{{}}}", unique("engine"))).unwrap(),
        cache: Cache::connect(&redis_url()).unwrap(),
    });
    (engine, proxy)
}
