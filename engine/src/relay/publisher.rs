//! Publishes portions of messages to Kafka.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use contracts::event::{CONTENT_TYPE, TOPIC};
use futures::future::join_all;
use infra::kafka::{Brokers, Producer};
use infra::metrics::Counters;
use infra::trace;
use infra::trace::{KeyValue, PendingSpan, SpanKind};
use parking_lot::Mutex;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::FutureRecord;
use rdkafka::producer::future_producer::DeliveryFuture;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::portion::{Message, Portion};

static PUBLISHED: Counters<1> = Counters::new(
    "pawl_kafka_published_total",
    "Events that Kafka has acknowledged: published, or withheld when the event was too large or Kafka refused it, and its replacement \
     without payload was published.",
    ["result"],
);

/// How long a portion may take to be acknowledged.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(10);
/// How long messages are sent one by one after Kafka refused one of their portion; each has a time-out of its own besides.
const ALONE_WITHIN: Duration = Duration::from_secs(5);
/// The largest event in bytes. The client refuses messages above 1,000,000 bytes, key and headers included; a refused
/// message would fail those behind it.
const LARGEST: usize = 990_000;

/// The producer of one shard.
pub(super) struct Publisher {
    brokers: Brokers,
    producer: Mutex<Producer>,
}

/// A message that the producer has taken.
struct Sent {
    delivery: DeliveryFuture,
    result: &'static str,
    span: Option<PendingSpan>,
}

impl Publisher {
    pub(super) fn new(brokers: &Brokers) -> Result<Self, KafkaError> {
        Ok(Self {
            brokers: brokers.clone(),
            producer: Mutex::new(infra::kafka::producer(brokers)?),
        })
    }

    /// Publishes a portion, and marks what Kafka has acknowledged. After an error Kafka may have more of it all the same.
    ///
    /// All messages are sent at once. If one fails, none behind it in its partition is written: the producer stops at the first
    /// refusal and gives up no message by time. Then it is replaced, and what it had not sent is discarded with it.
    pub(super) async fn publish(&self, portion: &mut Portion<'_>) {
        let refused = self.send_together(portion).await;
        if portion.failure.is_some() {
            self.replace_producer();
        }
        if refused {
            self.send_alone(portion).await;
        }
    }

    /// Sends all messages in their order. Returns whether Kafka refused one permanently: a broker then refuses the whole batch
    /// that contains it, and does not say which one it was.
    async fn send_together(&self, portion: &mut Portion<'_>) -> bool {
        let producer = self.producer.lock().clone();
        let deadline = Instant::now() + ACKNOWLEDGED_WITHIN;
        let mut sent = Vec::with_capacity(portion.messages.len());
        for message in &portion.messages {
            match enqueue(&producer, message) {
                Ok(one) => sent.push(one),
                Err(error) => {
                    // What comes behind it in its stream must not be sent.
                    portion.failure = Some(error);
                    break;
                }
            }
        }
        let mut refused = portion.failure.as_ref().is_some_and(is_final);
        let mut failed: HashSet<Uuid> = HashSet::new();
        for (message, sent) in portion.messages.iter_mut().zip(sent) {
            let stream = message.envelope.stream();
            match acknowledged(sent.delivery, deadline).await {
                Ok(()) if failed.contains(&stream) => {}
                Ok(()) => {
                    message.acknowledged = true;
                    record(message, sent.result, sent.span);
                }
                Err(error) => {
                    refused |= is_final(&error);
                    failed.insert(stream);
                    portion.failure.get_or_insert(error);
                }
            }
        }
        refused
    }

    /// Sends the messages that are not acknowledged each in a batch of its own, one of each stream at a time, and replaces those
    /// that Kafka refuses permanently by their version without payload.
    async fn send_alone(&self, portion: &mut Portion<'_>) {
        let producer = match infra::kafka::single_message_producer(&self.brokers) {
            Ok(producer) => producer,
            Err(error) => {
                portion.failure = Some(error);
                return;
            }
        };
        let deadline = Instant::now() + ALONE_WITHIN;
        let mut streams: HashMap<Uuid, Vec<&mut Message<'_>>> = HashMap::new();
        for message in portion.messages.iter_mut().filter(|it| !it.acknowledged) {
            let stream = message.envelope.stream();
            streams.entry(stream).or_default().push(message);
        }
        let sending = streams
            .into_values()
            .map(|messages| send_in_turn(&producer, messages, deadline));
        let results = join_all(sending).await;
        portion.failure = results.into_iter().find_map(Result::err);
        discard(producer);
    }

    /// Replaces the producer, and discards what the old one has not sent.
    fn replace_producer(&self) {
        // An error is unlikely: the first producer was made from the same address. The old one stays then.
        if let Ok(fresh) = infra::kafka::producer(&self.brokers) {
            discard(std::mem::replace(&mut *self.producer.lock(), fresh));
        }
    }
}

/// Drops a producer, which discards its messages, on a thread that may block.
fn discard(producer: Producer) {
    tokio::task::spawn_blocking(move || drop(producer));
}

/// Sends messages of one stream, one after the other, up to the first that fails.
async fn send_in_turn(
    producer: &Producer,
    messages: Vec<&mut Message<'_>>,
    deadline: Instant,
) -> Result<(), KafkaError> {
    for message in messages {
        if Instant::now() > deadline {
            return Err(timed_out());
        }
        let span = trace::begin();
        let result = match send(producer, message, message.event.as_bytes()).await {
            Err(refused) if is_final(&refused) => {
                let event = withheld(message, &refused.to_string())?;
                send(producer, message, &event).await?;
                "withheld"
            }
            result => result.map(|()| "published")?,
        };
        message.acknowledged = true;
        record(message, result, span);
    }
    Ok(())
}

/// Gives the producer a message, or its replacement if the message is too large.
fn enqueue(producer: &Producer, message: &Message<'_>) -> Result<Sent, KafkaError> {
    let span = trace::begin();
    let size = message.event.len();
    let (delivery, result) = if size > LARGEST {
        let reason = format!("its size is {size} bytes, and the largest is {LARGEST}");
        (
            queue(producer, message, &withheld(message, &reason)?)?,
            "withheld",
        )
    } else {
        (
            queue(producer, message, message.event.as_bytes())?,
            "published",
        )
    };
    Ok(Sent {
        delivery,
        result,
        span,
    })
}

/// Sends a message and waits for its acknowledgement; the producer ends that wait with its own time-out.
async fn send(producer: &Producer, message: &Message<'_>, event: &[u8]) -> Result<(), KafkaError> {
    let delivery = queue(producer, message, event)?;
    delivered(delivery.await.ok())
}

fn queue(
    producer: &Producer,
    message: &Message<'_>,
    event: &[u8],
) -> Result<DeliveryFuture, KafkaError> {
    let id = message.envelope.id;
    let (key, id) = (id.payment.to_string(), id.to_string());
    let traceparent = trace::traceparent(message.envelope.stream());
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
    producer.send_result(record).map_err(|(error, _)| error)
}

/// Waits for Kafka's acknowledgement until the deadline.
async fn acknowledged(delivery: DeliveryFuture, deadline: Instant) -> Result<(), KafkaError> {
    match timeout_at(deadline, delivery).await {
        Ok(result) => delivered(result.ok()),
        Err(_) => Err(timed_out()),
    }
}

/// The result of a delivery; there is none if its producer was dropped before.
fn delivered(
    result: Option<rdkafka::producer::future_producer::OwnedDeliveryResult>,
) -> Result<(), KafkaError> {
    match result {
        Some(Ok(_)) => Ok(()),
        Some(Err((error, _))) => Err(error),
        None => Err(KafkaError::MessageProduction(RDKafkaErrorCode::PurgeQueue)),
    }
}

fn timed_out() -> KafkaError {
    KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut)
}

/// Renders the replacement of an event that cannot be published, and logs that.
fn withheld(message: &Message<'_>, reason: &str) -> Result<Vec<u8>, KafkaError> {
    let id = message.envelope.id;
    tracing::error!(
        payment = %id.payment, version = id.version, error = reason,
        "failed to publish an event for good; publishing its version without payload"
    );
    let event = message.envelope.withheld(reason.to_owned());
    event.map_err(|_| KafkaError::MessageProduction(RDKafkaErrorCode::InvalidArgument))
}

/// Counts an acknowledged message, and adds it to its payment's trace.
fn record(message: &Message<'_>, result: &'static str, span: Option<PendingSpan>) {
    PUBLISHED.with_labels([result]).increment(1);
    let Some(span) = span else { return };
    let r#type = &message.envelope.r#type;
    let name = format!("publish {}", r#type.strip_prefix("pawl.").unwrap_or(r#type));
    let attributes = vec![
        KeyValue::new("messaging.system", "kafka"),
        KeyValue::new("messaging.destination.name", TOPIC),
        KeyValue::new("version", message.envelope.id.version),
        KeyValue::new("result", result),
    ];
    let stream = message.envelope.stream();
    span.record(stream, name, SpanKind::Producer, attributes);
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

#[cfg(test)]
mod tests;
