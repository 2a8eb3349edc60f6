//! The clients against the broker inside this process.

use std::time::Duration;

use infra::kafka::{MockKafka, producer};
use infra::testing::kafka_consumer;
use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::producer::FutureRecord;

#[tokio::test]
async fn what_is_acknowledged_can_be_read_through_a_fixed_port() {
    let port = infra::http::bind(([127, 0, 0, 1], 0).into())
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let kafka = MockKafka::start(Some(port)).unwrap();
    assert_eq!(kafka.brokers(), format!("127.0.0.1:{port}"));
    let producer = producer(&kafka.brokers().into()).unwrap();
    for number in 0..10 {
        let payload = number.to_string();
        let record = FutureRecord::to("pawl.test")
            .key("one stream")
            .payload(&payload);
        producer.send(record, Duration::ZERO).await.unwrap();
    }
    let consumer = kafka_consumer(kafka.brokers(), "readers");
    consumer.subscribe(&["pawl.test"]).unwrap();
    for number in 0..10 {
        let message = tokio::time::timeout(Duration::from_secs(30), consumer.recv())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            message.payload_view::<str>().unwrap().unwrap(),
            number.to_string()
        );
    }
}

#[tokio::test]
async fn a_busy_port_is_an_error_that_names_it() {
    let taken = infra::http::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = format!("{:#}", MockKafka::start(Some(address.port())).unwrap_err());
    assert!(error.contains(&address.to_string()), "{error}");
}
