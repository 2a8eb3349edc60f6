//! The relay between a real Postgres and Kafka: a real broker where `KAFKA_BROKERS` names one.

mod outbox;

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::event::{CloudEvent, TOPIC, Withheld};
use contracts::id::PaymentId;
use engine::relay;
use infra::health::Loops;
use infra::kafka::MockKafka;
use infra::testing::{TestDatabase, kafka_brokers, kafka_consumer, unique};
use rdkafka::Message as _;
use rdkafka::consumer::Consumer;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::outbox::{event, write, write_row};
use crate::wait::until;

/// The broker of a test: the real one, or one that ends with the test.
pub(crate) struct Kafka {
    pub(crate) brokers: String,
    _mock: Option<MockKafka>,
}

impl Kafka {
    pub(crate) fn start() -> Self {
        if let Some(brokers) = kafka_brokers() {
            return Self {
                brokers,
                _mock: None,
            };
        }
        let mock = MockKafka::start(None).unwrap();
        Self {
            brokers: mock.brokers().to_owned(),
            _mock: Some(mock),
        }
    }
}

/// A relay in a task of its own.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(pool: &PgPool, brokers: &str) -> Self {
        Self::watched(pool, brokers, &Loops::default())
    }

    fn watched(pool: &PgPool, brokers: &str, loops: &Loops) -> Self {
        let stop = CancellationToken::new();
        let (pool, brokers, token) = (pool.clone(), brokers.to_owned(), stop.clone());
        let loops = loops.clone();
        let task = tokio::spawn(async move {
            relay::run(
                pool,
                &brokers.as_str().into(),
                |_: &[(Uuid, i64)]| {},
                &loops,
                token,
            )
            .await
            .unwrap();
        });
        Self { stop, task }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        timeout(Duration::from_secs(10), self.task)
            .await
            .unwrap()
            .unwrap();
    }
}

fn payments(count: usize) -> Vec<Uuid> {
    (0..count).map(|_| Uuid::now_v7()).collect()
}

async fn is_empty(pool: &PgPool) -> bool {
    relay::lag(pool).await.unwrap().messages == 0
}

/// The payloads of these payments on the topic, in order, as soon as each payment has reached this version.
pub(crate) async fn read(
    brokers: &str,
    payments: &[Uuid],
    versions: i64,
) -> BTreeMap<Uuid, Vec<(i64, Vec<u8>)>> {
    let consumer = kafka_consumer(brokers, &unique("reader"));
    consumer.subscribe(&[TOPIC]).unwrap();
    let mut found: BTreeMap<Uuid, Vec<(i64, Vec<u8>)>> =
        payments.iter().map(|id| (*id, Vec::new())).collect();
    let reading = async {
        while found
            .values()
            .any(|seen| seen.iter().all(|(version, _)| *version < versions))
        {
            let Ok(message) = consumer.recv().await else {
                continue;
            };
            let event: serde_json::Value =
                serde_json::from_slice(message.payload().unwrap()).unwrap();
            assert_eq!(
                Some(message.key().unwrap()),
                event["subject"].as_str().map(str::as_bytes)
            );
            let payment: PaymentId = event["subject"].as_str().unwrap().parse().unwrap();
            if let Some(seen) = found.get_mut(&payment.uuid()) {
                seen.push((
                    event["data"]["version"].as_i64().unwrap(),
                    message.payload().unwrap().to_vec(),
                ));
            }
        }
    };
    timeout(Duration::from_mins(1), reading)
        .await
        .expect("Kafka has all messages");
    found
}

/// First occurrences come in order without a gap.
fn assert_in_order(found: &BTreeMap<Uuid, Vec<(i64, Vec<u8>)>>) {
    for (payment, seen) in found {
        let mut next = 1;
        for (version, _) in seen {
            assert!(*version <= next, "{payment} tells {version} before {next}");
            next = next.max(version + 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_at_once_tell_each_stream_in_order() {
    let database = TestDatabase::create(&engine::MIGRATIONS).await;
    let (pool, kafka) = (database.pool(), Kafka::start());
    let relays = [
        Running::start(pool, &kafka.brokers),
        Running::start(pool, &kafka.brokers),
    ];
    let payments = payments(400);
    for some in payments.chunks(100) {
        write(pool, some, 6, "test").await;
    }
    let found = read(&kafka.brokers, &payments, 6).await;
    assert_in_order(&found);
    until("the outbox is empty", async || is_empty(pool).await).await;
    let (first, seen) = found.first_key_value().unwrap();
    let event: CloudEvent = serde_json::from_slice(&seen[1].1).unwrap();
    assert_eq!(
        event.id.to_string(),
        format!("evt_{}_2", &PaymentId::from(*first).to_string()[4..])
    );
    assert_eq!(event.r#type, "pawl.payment.cancel_requested");
    assert_eq!((event.data.amount, event.data.amount_captured), (1200, 7));
    assert_eq!(event.data.cause, "test2");
    for relay in relays {
        relay.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_killed_again_and_again_loses_nothing_and_keeps_the_order() {
    let database = TestDatabase::create(&engine::MIGRATIONS).await;
    let (pool, kafka) = (database.pool(), Kafka::start());
    let payments = payments(1_000);
    write(pool, &payments, 5, "test").await;
    let mut left = relay::lag(pool).await.unwrap().messages;
    while left > 0 {
        let relay = Running::start(pool, &kafka.brokers);
        let before = left;
        until("some are told", async || {
            left = relay::lag(pool).await.unwrap().messages;
            left < before
        })
        .await;
        relay.task.abort();
    }
    assert_in_order(&read(&kafka.brokers, &payments, 5).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_kafka_is_away_the_outbox_waits() {
    let database = TestDatabase::create(&engine::MIGRATIONS).await;
    let pool = database.pool();
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let brokers = format!("127.0.0.1:{port}");
    let relay = Running::start(pool, &brokers);
    let payments = payments(50);
    write(pool, &payments, 4, "test").await;
    until("the lag shows", async || {
        relay::lag(pool).await.unwrap().oldest > Duration::from_millis(500)
    })
    .await;
    assert_eq!(relay::lag(pool).await.unwrap().messages, 200);
    let kafka = MockKafka::start(Some(port)).unwrap();
    until("the outbox is empty", async || is_empty(pool).await).await;
    assert_in_order(&read(kafka.brokers(), &payments, 4).await);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_too_large_for_kafka_is_replaced_and_the_next_ones_follow() {
    let database = TestDatabase::create(&engine::MIGRATIONS).await;
    let (pool, kafka) = (database.pool(), Kafka::start());
    let payments = payments(3);
    let large = |version| {
        if version == 2 {
            "x".repeat(1_200_000)
        } else {
            String::new()
        }
    };
    let first = (1..=3).map(|version| (payments[0], event(payments[0], version, large(version))));
    write_row(pool, &first.collect::<Vec<_>>()).await;
    write(pool, &payments[1..], 3, "test").await;
    let relay = Running::start(pool, &kafka.brokers);
    let found = read(&kafka.brokers, &payments, 3).await;
    assert_in_order(&found);
    let event: CloudEvent<Withheld> = serde_json::from_slice(&found[&payments[0]][1].1).unwrap();
    assert_eq!(event.r#type, "pawl.event.withheld");
    assert_eq!(
        (event.data.payment_id, event.data.version),
        (payments[0].into(), 2)
    );
    assert!(event.data.reason.contains("size"), "{}", event.data.reason);
    until("the outbox is empty", async || is_empty(pool).await).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_broker_refuses_is_sent_alone_before_it_is_replaced() {
    let database = TestDatabase::create(&engine::MIGRATIONS).await;
    let pool = database.pool();
    let mock: MockCluster<'_, DefaultProducerContext> = MockCluster::new(1).unwrap();
    let (innocent, guilty) = (Uuid::now_v7(), Uuid::now_v7());
    for (payment, refusals) in [(innocent, 1), (guilty, 2)] {
        mock.request_errors(
            RDKafkaApiKey::Produce,
            &vec![RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD; refusals],
        );
        write(pool, &[payment], 3, "test").await;
        let relay = Running::start(pool, &mock.bootstrap_servers());
        until("the outbox is empty", async || is_empty(pool).await).await;
        relay.stop().await;
    }
    let found = read(&mock.bootstrap_servers(), &[innocent, guilty], 3).await;
    assert_in_order(&found);
    let kind = |payment: Uuid| {
        serde_json::from_slice::<serde_json::Value>(&found[&payment][0].1).unwrap()["type"].clone()
    };
    assert_eq!(kind(innocent), "pawl.payment.created");
    assert_eq!(kind(guilty), "pawl.event.withheld");
}

/// What a real broker does when it is restarted, and what it may do to the messages of a portion that are in flight.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_and_comes_back_gets_each_stream_in_order() {
    let database = TestDatabase::create(&engine::MIGRATIONS).await;
    let pool = database.pool();
    let mock: MockCluster<'_, DefaultProducerContext> = MockCluster::new(1).unwrap();
    let relay = Running::start(pool, &mock.bootstrap_servers());
    let payments = payments(300);
    for some in payments.chunks(100) {
        write(pool, &some[..50], 5, "test").await;
        mock.broker_down(1).unwrap();
        write(pool, &some[50..], 5, "test").await;
        mock.request_errors(
            RDKafkaApiKey::Produce,
            &[
                RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            ],
        );
        mock.broker_up(1).unwrap();
        until("the outbox is empty", async || is_empty(pool).await).await;
    }
    assert_in_order(&read(&mock.bootstrap_servers(), &payments, 5).await);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_is_reported_with_its_last_version() {
    let database = TestDatabase::create(&engine::MIGRATIONS).await;
    let (pool, kafka) = (database.pool(), Kafka::start());
    let payments = payments(20);
    write(pool, &payments, 3, "test").await;
    let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let published = move |reached: &[(Uuid, i64)]| {
        for one in reached {
            sender.send(*one).ok();
        }
    };
    let running = tokio::spawn({
        let (pool, brokers, stop) = (pool.clone(), kafka.brokers.clone(), stop.clone());
        async move {
            relay::run(
                pool,
                &brokers.as_str().into(),
                published,
                &Loops::default(),
                stop,
            )
            .await
        }
    });
    let mut reached: BTreeMap<Uuid, i64> = BTreeMap::new();
    let whole: BTreeMap<Uuid, i64> = payments.iter().map(|id| (*id, 3)).collect();
    while reached != whole {
        let (payment, version) = timeout(Duration::from_secs(30), told.recv())
            .await
            .unwrap()
            .unwrap();
        reached.insert(payment, version);
    }
    stop.cancel();
    timeout(Duration::from_secs(10), running)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_stops_its_shard_alone_and_readiness_says_which_row() {
    let database = TestDatabase::create(&engine::MIGRATIONS).await;
    let (pool, kafka) = (database.pool(), Kafka::start());
    let broken = "insert into outbox (shard, count, messages, created_at) values (1, 1, 'no JSON', now()) returning seq";
    let seq: i64 = sqlx::query_scalar(broken).fetch_one(pool).await.unwrap();
    write(pool, &payments(20), 1, "test").await;
    let loops = Loops::default();
    let relay = Running::watched(pool, &kafka.brokers, &loops);
    until("only the broken shard has rows", async || {
        let shards = "select array_agg(distinct shard) from outbox";
        let shards: Vec<i16> = sqlx::query_scalar(shards).fetch_one(pool).await.unwrap();
        shards == [1]
    })
    .await;
    until("readiness names the row", async || {
        let reason = loops.stalled().err().unwrap_or_default();
        reason.contains("relay of shard 1") && reason.contains(&format!("seq {seq} "))
    })
    .await;
    sqlx::query("delete from outbox where seq = $1")
        .bind(seq)
        .execute(pool)
        .await
        .unwrap();
    until("the shard goes on", async || {
        is_empty(pool).await && loops.stalled().is_ok()
    })
    .await;
    relay.stop().await;
}
