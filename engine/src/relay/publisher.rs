//! Publishes single messages to Kafka.

use std::sync::Arc;
use std::time::Duration;

use contracts::event::{CONTENT_TYPE, TOPIC};
use contracts::id::PaymentId;
use infra::metrics::Counters;
use infra::trace;
use infra::trace::{KeyValue, SpanKind};
use parking_lot::Mutex;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};

use super::message;
use crate::store::outbox::Message;

static PUBLISHED: Counters<1> = Counters::new(
    "pawl_kafka_published_total",
    "Events that Kafka has acknowledged: published, or withheld when Kafka refused the event and its replacement without payload \
     was published.",
    ["result"],
);

/// How long a message may wait for space in the client's buffer, which is full only while Kafka is unavailable.
const BUFFER_TIMEOUT: Duration = Duration::from_secs(5);

/// The producers of this process, shared by its shards.
pub(super) struct Publisher {
    brokers: String,
    producers: Mutex<Arc<Producers>>,
}

struct Producers {
    batching: FutureProducer,
    /// For refused messages: a broker refuses a whole batch because of one message in it.
    single: FutureProducer,
}

impl Producers {
    fn new(brokers: &str) -> Result<Self, KafkaError> {
        Ok(Self {
            batching: infra::kafka::producer(brokers)?,
            single: infra::kafka::single_message_producer(brokers)?,
        })
    }

    /// Whether a producer has failed permanently: an idempotent producer that lost its sequence never sends again.
    fn is_broken(&self) -> bool {
        self.batching.client().fatal_error().is_some()
            || self.single.client().fatal_error().is_some()
    }
}

impl Publisher {
    pub(super) fn new(brokers: &str) -> Result<Self, KafkaError> {
        Ok(Self {
            brokers: brokers.to_owned(),
            producers: Mutex::new(Arc::new(Producers::new(brokers)?)),
        })
    }

    /// Publishes a message and waits for Kafka's acknowledgement. A message that Kafka refuses permanently is replaced by the
    /// same version without payload. After an error Kafka may have the message all the same.
    pub(super) async fn publish(&self, message: &Message) -> Result<(), KafkaError> {
        let span = trace::begin();
        let result = self.send_or_withhold(message).await?;
        PUBLISHED.with_labels([result]).increment(1);
        if let Some(span) = span {
            let name = format!("publish {}.{}", message.machine, message.kind);
            let attributes = vec![
                KeyValue::new("messaging.system", "kafka"),
                KeyValue::new("messaging.destination.name", TOPIC),
                KeyValue::new("version", message.version),
                KeyValue::new("result", result),
            ];
            span.record(message.stream, name, SpanKind::Producer, attributes);
        }
        Ok(())
    }

    /// Returns the label of the metric: whether the message was published, or withheld.
    async fn send_or_withhold(&self, message: &Message) -> Result<&'static str, KafkaError> {
        let producers = self.producers();
        let event = message::event(message).map_err(|error| invalid(&error))?;
        let Err(refused) = send(&producers.batching, message, &event).await else {
            return Ok("published");
        };
        if !is_final(&refused) {
            return Err(refused);
        }
        let Err(refused) = send(&producers.single, message, &event).await else {
            return Ok("published");
        };
        if !is_final(&refused) {
            return Err(refused);
        }
        tracing::error!(
            payment = %PaymentId::from(message.stream), version = message.version, error = %refused,
            "Kafka refused the event permanently; publishing its version without payload"
        );
        let event =
            message::withheld(message, refused.to_string()).map_err(|error| invalid(&error))?;
        send(&producers.single, message, &event).await?;
        Ok("withheld")
    }

    /// Replaces the producers if one of them has failed permanently.
    pub(super) fn replace_if_broken(&self) {
        let mut producers = self.producers.lock();
        if producers.is_broken() {
            // An error is unlikely: the first producers were made from the same address. The old ones stay then.
            if let Ok(fresh) = Producers::new(&self.brokers) {
                *producers = Arc::new(fresh);
            }
        }
    }

    fn producers(&self) -> Arc<Producers> {
        Arc::clone(&self.producers.lock())
    }
}

async fn send(
    producer: &FutureProducer,
    message: &Message,
    event: &[u8],
) -> Result<(), KafkaError> {
    let id = message::event_id(message);
    let (key, id) = (id.payment.to_string(), id.to_string());
    let traceparent = trace::traceparent(message.stream);
    let headers = OwnedHeaders::new_with_capacity(3)
        .insert(Header {
            key: "content-type",
            value: Some(CONTENT_TYPE),
        })
        .insert(Header {
            key: "ce_id",
            value: Some(&id),
        })
        .insert(Header {
            key: "traceparent",
            value: Some(&traceparent),
        });
    let record = FutureRecord::to(TOPIC)
        .key(&key)
        .payload(event)
        .headers(headers);
    match producer.send(record, BUFFER_TIMEOUT).await {
        Ok(_) => Ok(()),
        Err((error, _)) => Err(error),
    }
}

/// Whether Kafka refuses this message permanently, however often it is sent.
fn is_final(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::MessageBatchTooLarge
                | RDKafkaErrorCode::InvalidMessage
                | RDKafkaErrorCode::InvalidMessageSize
                | RDKafkaErrorCode::InvalidRecord
                | RDKafkaErrorCode::InvalidTimestamp
        )
    )
}

/// Our events can always be serialized; if one cannot, it is an error that the relay logs and retries.
fn invalid(error: &serde_json::Error) -> KafkaError {
    tracing::error!(%error, "failed to serialize an event as JSON; it stays in the outbox and is retried");
    KafkaError::MessageProduction(RDKafkaErrorCode::InvalidArgument)
}
