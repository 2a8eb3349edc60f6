//! Idempotency keys as Stripe keeps them: saved once execution began, 500s included.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// The keys and the answer under each.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    entries: HashMap<String, Entry>,
    saved: VecDeque<String>,
    cap: usize,
}

#[derive(Debug)]
struct Entry {
    fingerprint: u64,
    answer: Option<Saved>,
}

/// An answer that is repeated for every later request with the same key.
#[derive(Debug, Clone)]
pub(crate) struct Saved {
    /// HTTP status.
    pub(crate) status: u16,
    /// The JSON text.
    pub(crate) body: Bytes,
    /// `Stripe-Should-Retry` of the answer.
    pub(crate) should_retry: Option<bool>,
    /// The request that was executed.
    pub(crate) request_id: String,
}

/// Whether the request with a key is its first.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It is the first one: execute it, then `save` or `release`.
    First,
    /// The first one was executed: repeat its answer.
    Replay(Saved),
}

/// A fingerprint of a request's path and parameters.
pub(crate) fn fingerprint(path: &str, body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    body.hash(&mut hasher);
    hasher.finish()
}

impl Keys {
    /// No keys; of later ones the last `cap` answers are kept.
    pub(crate) fn new(cap: usize) -> Self {
        Self {
            cap,
            ..Self::default()
        }
    }

    /// Claims `key` for a request, or refuses it.
    pub(crate) fn claim(&mut self, key: &str, fingerprint: u64) -> Result<Claim, Refusal> {
        if let Some(entry) = self.entries.get(key) {
            return match &entry.answer {
                _ if entry.fingerprint != fingerprint => Err(Refusal::idempotency(key)),
                Some(saved) => Ok(Claim::Replay(saved.clone())),
                None => Err(Refusal::key_in_use(key)),
            };
        }
        let entry = Entry {
            fingerprint,
            answer: None,
        };
        self.entries.insert(key.to_owned(), entry);
        Ok(Claim::First)
    }

    /// Saves the answer of an executed request; the oldest one beyond the cap is removed.
    pub(crate) fn save(&mut self, key: &str, answer: Saved) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        entry.answer = Some(answer);
        self.saved.push_back(key.to_owned());
        if self.saved.len() > self.cap
            && let Some(oldest) = self.saved.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }

    /// Releases a key whose request was refused before its execution began.
    pub(crate) fn release(&mut self, key: &str) {
        self.entries.remove(key);
    }

    /// The saved answers for the state file.
    pub(crate) fn records(&self) -> Vec<Record> {
        let records = self.saved.iter().filter_map(|key| {
            let entry = self.entries.get(key)?;
            let answer = entry.answer.as_ref()?;
            Some(Record {
                key: key.clone(),
                fingerprint: entry.fingerprint,
                status: answer.status,
                body: String::from_utf8_lossy(&answer.body).into_owned(),
                should_retry: answer.should_retry,
                request_id: answer.request_id.clone(),
            })
        });
        records.collect()
    }

    /// Restores answers from the state file.
    pub(crate) fn restore(&mut self, records: Vec<Record>) {
        for record in records {
            let answer = Saved {
                status: record.status,
                body: Bytes::from(record.body),
                should_retry: record.should_retry,
                request_id: record.request_id,
            };
            let entry = Entry {
                fingerprint: record.fingerprint,
                answer: None,
            };
            self.entries.insert(record.key.clone(), entry);
            self.save(&record.key, answer);
        }
    }
}

/// A saved answer in the state file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    key: String,
    fingerprint: u64,
    status: u16,
    body: String,
    should_retry: Option<bool>,
    request_id: String,
}
