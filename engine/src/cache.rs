//! Views of payments in Redis, each with its version.
//!
//! A view only ever replaces an older one, whoever writes it and in whatever order. Nothing here makes a caller fail
//! or wait: a read that does not succeed at once is a miss, and writes are offered to a task that merges them.

mod writer;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use infra::breaker::Breaker;
use infra::metrics::Counters;
use redis::aio::ConnectionManager;
use redis::{Cmd, FromRedisValue, RedisError, Script};
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use self::writer::Pending;

static READS: Counters<1> = Counters::new(
    "pawl_cache_reads_total",
    "Looks for a payment's view in Redis: hit, miss, or away where Redis did not answer in time.",
    ["result"],
);

/// How long a view is kept after its last change.
const KEPT_SECONDS: u32 = 86_400;
/// What a reader gives Redis before it asks Postgres.
const READ_PATIENCE: Duration = Duration::from_millis(200);
/// The writer has nobody waiting for it.
const WRITE_PATIENCE: Duration = Duration::from_secs(1);
/// A view read from Postgres longer ago is not written: after a flush there is no version left to refuse it.
const FRESH: Duration = Duration::from_secs(5);
/// Views per call of the script.
const PORTION: usize = 100;

/// A value is the version in digits of this width, the account as 36 characters, and the view.
const VERSION_WIDTH: usize = 20;
const HEAD: usize = VERSION_WIDTH + 36;

static PUT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("cache/put.lua")));
static REMOVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("cache/remove.lua")));

/// A view to be kept.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The payment that it shows.
    pub payment: Uuid,
    /// The payment's owner: who reads it must be checked against this.
    pub account: Uuid,
    /// Stripe's id, once there is one, under which the payment is found too.
    pub intent_id: Option<String>,
    /// The version that it shows.
    pub version: i64,
    /// The view as JSON.
    pub body: Bytes,
}

/// A view as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// The payment's owner.
    pub account: Uuid,
    /// The version that it shows.
    pub version: i64,
    /// The view as JSON.
    pub body: Bytes,
}

/// Why there is no answer from the cache. A reader takes each of these as a miss.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The address is not that of a Redis.
    #[error("not a Redis URL: {0}")]
    Address(#[source] RedisError),
    /// Redis failed a moment ago and is not asked now.
    #[error("Redis is away")]
    Away,
    /// Redis did not answer in time.
    #[error("Redis did not answer in time")]
    Late,
    /// Redis failed.
    #[error("Redis failed: {0}")]
    Redis(#[from] RedisError),
}

/// The cache, cheap to clone. The task that writes ends with the last clone.
#[derive(Debug, Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    reads: ConnectionManager,
    breaker: Breaker,
    pending: Arc<Pending>,
    store: Store,
    _writer: DropGuard,
}

impl Cache {
    /// Starts the cache. Connects when first used, so Redis may be away. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`CacheError::Address`].
    pub fn connect(redis_url: &str) -> Result<Self, CacheError> {
        let manager =
            |patience| infra::redis::manager(redis_url, patience).map_err(CacheError::Address);
        let store = Store(manager(WRITE_PATIENCE)?);
        let pending = Arc::new(Pending::default());
        let end = CancellationToken::new();
        tokio::spawn(writer::run(
            Arc::clone(&pending),
            store.clone(),
            end.clone(),
        ));
        Ok(Self {
            inner: Arc::new(Inner {
                reads: manager(READ_PATIENCE)?,
                breaker: Breaker::new(),
                pending,
                store,
                _writer: end.drop_guard(),
            }),
        })
    }

    /// Hands over views that were just committed. Returns at once. They are written a few milliseconds later, the
    /// latest version of each payment only; what cannot be written in time is removed from Redis instead.
    pub fn offer(&self, entries: impl Iterator<Item = Entry>) {
        self.inner.pending.add(entries, Instant::now());
    }

    /// Hands over a view that was read from Postgres at `read_at`, to fill a miss.
    pub fn fill(&self, entry: Entry, read_at: Instant) {
        self.inner.pending.add(std::iter::once(entry), read_at);
    }

    /// Says that these payments have reached these versions. Older views of them are removed, a few milliseconds later.
    pub fn outdate(&self, reached: impl Iterator<Item = (Uuid, i64)>) {
        self.inner.pending.outdate(reached);
    }

    /// Writes views now, each unless Redis holds that version or a newer one.
    ///
    /// # Errors
    /// [`CacheError::Redis`]; then any part of them may have been written.
    pub async fn put(&self, entries: &[Entry]) -> Result<(), CacheError> {
        self.inner.store.put(entries).await
    }

    /// The view of a payment. The caller must compare its account.
    ///
    /// # Errors
    /// Any [`CacheError`], within 200 ms, and at once while Redis is known to be away.
    pub async fn read(&self, payment: Uuid) -> Result<Option<Cached>, CacheError> {
        let value: Result<Option<Vec<u8>>, CacheError> = self
            .ask(&redis::cmd("GET").arg(view_key(payment)).take())
            .await;
        let view = value.map(|value| value.and_then(|value| parse(&Bytes::from(value))));
        let result = match &view {
            Ok(Some(_)) => "hit",
            Ok(None) => "miss",
            Err(_) => "away",
        };
        READS.of([result]).increment(1);
        view
    }

    /// The payment that has this intent.
    ///
    /// # Errors
    /// As of [`Cache::read`].
    pub async fn read_intent(&self, intent_id: &str) -> Result<Option<Uuid>, CacheError> {
        let value: Option<String> = self
            .ask(&redis::cmd("GET").arg(intent_key(intent_id)).take())
            .await?;
        Ok(value.and_then(|value| value.parse().ok()))
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, CacheError> {
        if !self.inner.breaker.lets_through() {
            return Err(CacheError::Away);
        }
        let mut redis = self.inner.reads.clone();
        let answer = match timeout(READ_PATIENCE, command.query_async(&mut redis)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(CacheError::Redis(error)),
            Err(_) => Err(CacheError::Late),
        };
        self.inner.breaker.note(answer.is_ok());
        answer
    }
}

/// The writing side of the cache in Redis.
#[derive(Debug, Clone)]
struct Store(ConnectionManager);

impl Store {
    async fn put(&self, entries: &[Entry]) -> Result<(), CacheError> {
        for portion in entries.chunks(PORTION) {
            let mut call = PUT.prepare_invoke();
            call.arg(KEPT_SECONDS);
            for entry in portion {
                let (view, payment) = (view_key(entry.payment), entry.payment.to_string());
                let mut value = Vec::with_capacity(HEAD + entry.body.len());
                let head = format!("{:0VERSION_WIDTH$}{}", entry.version, entry.account);
                value.extend_from_slice(head.as_bytes());
                value.extend_from_slice(&entry.body);
                let intent = entry.intent_id.as_deref().map(intent_key);
                call.key(&view).key(intent.as_ref().unwrap_or(&view));
                call.arg(value).arg(if intent.is_some() {
                    payment.as_str()
                } else {
                    ""
                });
            }
            call.invoke_async::<()>(&mut self.0.clone()).await?;
        }
        Ok(())
    }

    /// Removes the views that are older than these versions, so that their readers ask Postgres.
    async fn remove(&self, outdated: &[(Uuid, i64)]) -> Result<(), CacheError> {
        for portion in outdated.chunks(PORTION) {
            let mut call = REMOVE.prepare_invoke();
            for (payment, version) in portion {
                call.key(view_key(*payment))
                    .arg(format!("{version:0VERSION_WIDTH$}"));
            }
            call.invoke_async::<()>(&mut self.0.clone()).await?;
        }
        Ok(())
    }
}

fn view_key(payment: Uuid) -> String {
    format!("pawl:view:{payment}")
}

fn intent_key(intent_id: &str) -> String {
    format!("pawl:intent:{intent_id}")
}

/// What a key holds; nothing when somebody else wrote it.
fn parse(value: &Bytes) -> Option<Cached> {
    let head = std::str::from_utf8(value.get(..HEAD)?).ok()?;
    let (version, account) = head.split_at_checked(VERSION_WIDTH)?;
    Some(Cached {
        account: account.parse().ok()?,
        version: version.parse().ok()?,
        body: value.slice(HEAD..),
    })
}
