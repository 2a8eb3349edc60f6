//! A portion of the outbox: the messages of some rows, and which of them Kafka has acknowledged.

use std::collections::{BTreeMap, HashSet};

use rdkafka::error::KafkaError;
use uuid::Uuid;

use crate::message::Envelope;
use crate::store::outbox::Row;

/// A message of a row.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// The row that it belongs to.
    seq: i64,
    pub(super) envelope: Envelope,
    /// The event as Kafka gets it.
    pub(super) event: &'a str,
    /// Whether Kafka has acknowledged it and those before it in its stream.
    pub(super) acknowledged: bool,
}

/// Messages in the order in which they are published.
#[derive(Debug)]
pub(super) struct Portion<'a> {
    pub(super) messages: Vec<Message<'a>>,
    /// The first error of Kafka, if a message is not acknowledged.
    pub(super) failure: Option<KafkaError>,
}

impl<'a> Portion<'a> {
    /// Reads the rows' messages. A row that is no JSON of ours stops its shard: to skip it would leave gaps.
    pub(super) fn read(rows: &'a [Row]) -> sqlx::Result<Self> {
        let mut messages = Vec::new();
        for row in rows {
            for event in row.messages.lines() {
                let envelope =
                    serde_json::from_str(event).map_err(|error| sqlx::Error::ColumnDecode {
                        index: format!("messages of seq {}", row.seq),
                        source: Box::new(error),
                    })?;
                messages.push(Message {
                    seq: row.seq,
                    envelope,
                    event,
                    acknowledged: false,
                });
            }
        }
        Ok(Self {
            messages,
            failure: None,
        })
    }

    /// The rows of which every message is acknowledged.
    pub(super) fn published(&self) -> Vec<i64> {
        let open: HashSet<i64> = self
            .messages
            .iter()
            .filter(|message| !message.acknowledged)
            .map(|message| message.seq)
            .collect();
        let mut seqs: Vec<i64> = self.messages.iter().map(|message| message.seq).collect();
        seqs.dedup();
        seqs.retain(|seq| !open.contains(seq));
        seqs
    }

    /// The payments with acknowledged messages, each with the last acknowledged version.
    pub(super) fn versions(&self) -> Vec<(Uuid, i64)> {
        let acknowledged = self.messages.iter().filter(|message| message.acknowledged);
        let versions: BTreeMap<Uuid, i64> = acknowledged
            .map(|message| (message.envelope.stream(), message.envelope.id.version))
            .collect();
        versions.into_iter().collect()
    }
}
