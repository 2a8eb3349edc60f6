//! The success of a payment as the load generator observes it: the message `succeeded` on the Kafka topic.
//!
//! One consumer disturbs the measurement least: the broker reads from memory, this process compares bytes, and the database,
//! which is measured, is not queried. It is also the strictest criterion: the success of a payment was committed, published
//! and acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use contracts::event::TOPIC;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use super::board::{Board, Name};

/// The time that Kafka has to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A thread that reads the topic from its end on, until this value is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts to read. `batches`: wait up to 20 ms for more messages, which is cheaper and later; else each comes at once.
    ///
    /// # Errors
    /// Kafka does not answer, or has no such topic.
    pub(crate) fn start(brokers: &str, board: Arc<Board>, batches: bool) -> Result<Watch> {
        let (wait, bytes) = if batches {
            ("20", "65536")
        } else {
            ("50", "1")
        };
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "pawl-bench")
            .set("enable.auto.commit", "false")
            .set("check.crcs", "false")
            .set("fetch.wait.max.ms", wait)
            .set("fetch.min.bytes", bytes)
            .set("fetch.error.backoff.ms", "10")
            .create()?;
        assign_ends(&consumer)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("watch".into())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    // An error means that the broker is away. Then no payment counts as succeeded, and the load stops.
                    if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100))
                        && let (Some(key), Some(payload)) = (message.key(), message.payload())
                        && contains(payload, br#""type":"pawl.payment.succeeded""#)
                        && let Some(name) = name(key)
                    {
                        board.succeeded(name);
                    }
                }
            })?;
        Ok(Watch {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The part of an id after `pay_`.
pub(crate) fn name(id: &[u8]) -> Option<Name> {
    id.strip_prefix(b"pay_")?.get(..26)?.try_into().ok()
}

/// Reads each partition from its present end, so that no message sent after this call is missed.
fn assign_ends(consumer: &BaseConsumer) -> Result<()> {
    let metadata = consumer
        .fetch_metadata(Some(TOPIC), PATIENCE)
        .context("asking Kafka for its partitions")?;
    let topic = metadata
        .topics()
        .first()
        .context("Kafka has no such topic")?;
    let mut partitions = TopicPartitionList::new();
    for partition in topic.partitions() {
        let (_, end) = consumer.fetch_watermarks(TOPIC, partition.id(), PATIENCE)?;
        partitions.add_partition_offset(TOPIC, partition.id(), Offset::Offset(end))?;
    }
    consumer.assign(&partitions)?;
    Ok(())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payments_name_is_what_follows_the_prefix() {
        assert_eq!(
            name(b"pay_01h2xcejqtf2nbrexx3vqjhp41"),
            Some(*b"01h2xcejqtf2nbrexx3vqjhp41")
        );
        assert_eq!(name(b"pay_short"), None);
        assert_eq!(name(b"re_01h2xcejqtf2nbrexx3vqjhp41"), None);
    }
}
