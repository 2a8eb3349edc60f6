//! The content of Kafka at the end of a campaign: the whole topic, read from its start.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use contracts::event::TOPIC;
use contracts::id::{EventId, PaymentId};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use serde::Deserialize;
use uuid::Uuid;

/// The time that a broker has to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The versions of each stream in the order of the topic, repetitions included.
pub(crate) type Streams = BTreeMap<Uuid, Vec<i64>>;

/// The part of an event that the verdict needs. It is also in an event whose payload was too large to publish.
#[derive(Debug, Deserialize)]
struct Event {
    id: EventId,
}

/// Reads the events of the streams that are `ours`, from the topic's start to its present end. Blocks: call it from a thread
/// of its own.
///
/// # Errors
/// The broker does not answer, or a message of ours is no event.
pub(crate) fn read(brokers: &str, ours: impl Fn(Option<Uuid>) -> bool) -> Result<Streams> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "pawl-chaos-verdict")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "50")
        .create()
        .context("making a consumer")?;
    let mut ends = assign(&consumer)?;
    let mut streams = Streams::new();
    let mut patience = Instant::now() + PATIENCE;
    while !ends.is_empty() {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else {
            if Instant::now() > patience {
                bail!(
                    "Kafka sent nothing for {PATIENCE:?}, and these partitions are not read to their end: {ends:?}"
                );
            }
            continue;
        };
        let message = message.context("reading the topic")?;
        patience = Instant::now() + PATIENCE;
        let (partition, offset) = (message.partition(), message.offset());
        if ends.get(&partition).is_some_and(|end| offset + 1 >= *end) {
            ends.remove(&partition);
        }
        let key = message
            .key()
            .map(String::from_utf8_lossy)
            .unwrap_or_default();
        let stream = key.parse::<PaymentId>().ok().map(|id| id.uuid());
        if ours(stream) {
            let event: Event = serde_json::from_slice(message.payload().unwrap_or_default())
                .with_context(|| format!("partition {partition} offset {offset} is no event"))?;
            if stream != Some(event.id.payment.uuid()) {
                bail!("{} has the key {key}, which is not its stream", event.id);
            }
            let versions = streams.entry(event.id.payment.uuid()).or_default();
            versions.push(event.id.version);
        }
    }
    Ok(streams)
}

/// Assigns every partition from its start; returns the present end of those that hold anything.
fn assign(consumer: &BaseConsumer) -> Result<BTreeMap<i32, i64>> {
    let metadata = consumer
        .fetch_metadata(Some(TOPIC), PATIENCE)
        .context("asking Kafka for its partitions")?;
    let topic = metadata
        .topics()
        .first()
        .context("Kafka knows no such topic")?;
    let mut partitions = TopicPartitionList::new();
    let mut ends = BTreeMap::new();
    for partition in topic.partitions() {
        let (start, end) = consumer.fetch_watermarks(TOPIC, partition.id(), PATIENCE)?;
        partitions.add_partition_offset(TOPIC, partition.id(), Offset::Offset(start))?;
        if end > start {
            ends.insert(partition.id(), end);
        }
    }
    consumer.assign(&partitions)?;
    Ok(ends)
}

/// The faults of the topic compared with all transitions of the database, one line each.
pub(crate) fn faults(streams: &Streams, transitions: &[(Uuid, i64)]) -> Vec<String> {
    let mut expected: BTreeMap<Uuid, i64> = BTreeMap::new();
    for (stream, version) in transitions {
        let last = expected.entry(*stream).or_default();
        *last = (*last).max(*version);
    }
    let mut faults: Vec<String> = expected
        .iter()
        .filter_map(|(stream, last)| {
            let versions = streams.get(stream).map(Vec::as_slice).unwrap_or_default();
            let fault = fault(versions, *last)?;
            Some(format!("{stream}: {fault}"))
        })
        .collect();
    faults.extend(
        streams
            .keys()
            .filter(|stream| !expected.contains_key(stream))
            .map(|stream| format!("{stream}: on Kafka, but not in the database")),
    );
    faults
}

/// The fault of one stream, which must end at version `last`.
fn fault(versions: &[i64], last: i64) -> Option<String> {
    let mut published = 0;
    for version in versions {
        if *version > published + 1 {
            return Some(format!(
                "version {version} came before version {}",
                published + 1
            ));
        }
        // A repetition is allowed: delivery is at least once.
        published = published.max(*version);
    }
    (published != last)
        .then(|| format!("Kafka has versions up to {published}, the database up to {last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(versions: &[i64], last: i64) -> Vec<String> {
        let stream = Uuid::from_u128(1);
        let transitions: Vec<_> = (1..=last).map(|version| (stream, version)).collect();
        faults(&Streams::from([(stream, versions.to_vec())]), &transitions)
    }

    #[test]
    fn every_version_in_order_passes_even_when_some_come_twice() {
        assert!(faults_of(&[1, 2, 3], 3).is_empty());
        assert!(faults_of(&[1, 2, 1, 2, 3, 3], 3).is_empty());
    }

    #[test]
    fn a_missing_a_late_and_an_unknown_version_are_found() {
        assert_eq!(faults_of(&[1, 2], 3).len(), 1);
        assert_eq!(faults_of(&[2, 1, 3], 3).len(), 1);
        assert_eq!(faults_of(&[], 1).len(), 1);
        assert_eq!(faults_of(&[1, 2, 3], 2).len(), 1);
        assert_eq!(
            faults(&Streams::from([(Uuid::nil(), vec![1])]), &[]).len(),
            1
        );
    }
}
