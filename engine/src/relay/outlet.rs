//! The way out to Kafka.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::event::{CONTENT_TYPE, TOPIC};
use contracts::id::PaymentId;
use infra::metrics::Counters;
use infra::trace;
use infra::trace::{KeyValue, SpanKind};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};

use super::message;
use crate::store::outbox::Message;

static PUBLISHED: Counters<1> = Counters::new(
    "pawl_kafka_published_total",
    "Events that Kafka has acknowledged; withheld are those it refused, told without their payload.",
    ["result"],
);

/// How long a message may wait for room in the client. There is room unless Kafka is away.
const ROOM: Duration = Duration::from_secs(5);

/// The producers of a process, shared by its shards.
pub(super) struct Outlet {
    brokers: String,
    producers: Mutex<Arc<Producers>>,
}

struct Producers {
    batching: FutureProducer,
    /// For what was refused: a broker refuses whole batches, and the others in it are innocent.
    lone: FutureProducer,
}

impl Producers {
    fn new(brokers: &str) -> Result<Self, KafkaError> {
        Ok(Self {
            batching: infra::kafka::producer(brokers)?,
            lone: infra::kafka::lone_producer(brokers)?,
        })
    }

    /// An idempotent producer that lost its place never sends again.
    fn broken(&self) -> bool {
        self.batching.client().fatal_error().is_some() || self.lone.client().fatal_error().is_some()
    }
}

impl Outlet {
    pub(super) fn new(brokers: &str) -> Result<Self, KafkaError> {
        Ok(Self {
            brokers: brokers.to_owned(),
            producers: Mutex::new(Arc::new(Producers::new(brokers)?)),
        })
    }

    /// Sends a message and waits until Kafka has it. One that Kafka refuses for good is replaced by the same version
    /// without its payload. After an error Kafka may have it all the same.
    pub(super) async fn tell(&self, message: &Message) -> Result<(), KafkaError> {
        let since = trace::since();
        let result = self.tell_somehow(message).await?;
        PUBLISHED.of([result]).increment(1);
        if let Some(since) = since {
            let name = format!("publish {}.{}", message.machine, message.kind);
            let attributes = vec![
                KeyValue::new("messaging.system", "kafka"),
                KeyValue::new("messaging.destination.name", TOPIC),
                KeyValue::new("version", message.version),
                KeyValue::new("result", result),
            ];
            since.span(message.stream, name, SpanKind::Producer, attributes);
        }
        Ok(())
    }

    /// Says whether the message was told, or had to be withheld.
    async fn tell_somehow(&self, message: &Message) -> Result<&'static str, KafkaError> {
        let producers = self.producers();
        let event = message::event(message).map_err(|error| invalid(&error))?;
        let Err(refused) = send(&producers.batching, message, &event).await else {
            return Ok("told");
        };
        if !is_final(&refused) {
            return Err(refused);
        }
        let Err(refused) = send(&producers.lone, message, &event).await else {
            return Ok("told");
        };
        if !is_final(&refused) {
            return Err(refused);
        }
        tracing::error!(
            payment = %PaymentId::from(message.stream), version = message.version, error = %refused,
            "Kafka refuses this event for good; its version is told without its payload"
        );
        let event =
            message::withheld(message, refused.to_string()).map_err(|error| invalid(&error))?;
        send(&producers.lone, message, &event).await?;
        Ok("withheld")
    }

    /// Starts anew if a producer will never send again.
    pub(super) fn renew_if_broken(&self) {
        let mut producers = self
            .producers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if producers.broken() {
            // An error was told before, when the first producers were made from the same address.
            if let Ok(fresh) = Producers::new(&self.brokers) {
                *producers = Arc::new(fresh);
            }
        }
    }

    fn producers(&self) -> Arc<Producers> {
        let producers = self
            .producers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&producers)
    }
}

async fn send(
    producer: &FutureProducer,
    message: &Message,
    event: &[u8],
) -> Result<(), KafkaError> {
    let id = message::id_of(message);
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
    match producer.send(record, ROOM).await {
        Ok(_) => Ok(()),
        Err((error, _)) => Err(error),
    }
}

/// Kafka will never take this message, however often it is sent.
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

/// An event of ours always has a JSON form; should that ever be wrong, the message waits and is seen.
fn invalid(error: &serde_json::Error) -> KafkaError {
    tracing::error!(%error, "an event could not be written as JSON");
    KafkaError::MessageProduction(RDKafkaErrorCode::InvalidArgument)
}
