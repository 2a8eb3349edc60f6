//! The cache: views of payments in Redis, each with its version.
//!
//! A view replaces only an older one, in whatever order views are written. While a payment moves, its version alone is
//! stored, so that an older view cannot be written any more, and readers read Postgres. The cache makes no caller fail or
//! wait: a read that fails or takes too long counts as a miss, and a background task merges and writes what is offered.

mod writer;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use infra::metrics::Counters;
use infra::redis::{Connection, Lookups, Unavailable};
use redis::{RedisError, Script};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use self::writer::{Change, Pending};

static READS: Counters<1> = Counters::new(
    "pawl_cache_reads_total",
    "Reads of a payment's view in Redis: hit, miss, or away when Redis failed or did not answer in time.",
    ["result"],
);

/// When a view expires after its last change.
const KEPT_SECONDS: u32 = 86_400;
/// Timeout of a write, for which no caller waits.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);
/// A view read from Postgres longer ago is not written: after a flush, Redis has no version by which to refuse it.
const FRESH: Duration = Duration::from_secs(5);
/// The most views in one call of a script.
const PORTION: usize = 100;

/// A stored value is the version in digits of this width, and unless the payment is moving, the account's id in 36
/// characters, `1` or `0` for settled or not, and the view.
const VERSION_WIDTH: usize = 20;
const HEAD: usize = VERSION_WIDTH + 36 + 1;

static PUT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("cache/put.lua")));
static REMOVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("cache/remove.lua")));

/// A view to be cached.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The payment.
    pub payment: Uuid,
    /// The payment's owner, against which a reader must be checked.
    pub account: Uuid,
    /// The id of Stripe's intent, once there is one; the payment is found by it too.
    pub intent_id: Option<String>,
    /// The payment's version in this view.
    pub version: i64,
    /// Whether Pawl has nothing to do for the payment in this version.
    pub settled: bool,
    /// The view as JSON.
    pub body: Bytes,
}

/// A cached view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// The payment's owner.
    pub account: Uuid,
    /// The payment's version in this view.
    pub version: i64,
    /// Whether Pawl has nothing to do for the payment in this version.
    pub settled: bool,
    /// The view as JSON.
    pub body: Bytes,
}

/// Why the cache has no answer. A reader treats each of these as a miss.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The address is not a Redis URL.
    #[error("not a Redis URL: {0}")]
    Address(#[source] RedisError),
    /// Redis did not answer a read, or failed less than a second ago and is not called now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Redis failed.
    #[error("Redis failed: {0}")]
    Redis(#[from] RedisError),
}

/// The cache, cheap to clone. Its background task ends with the last clone.
#[derive(Debug, Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    reads: Lookups,
    pending: Arc<Pending>,
    store: Store,
    _writer: DropGuard,
}

impl Cache {
    /// Starts the cache. Connects when first used, so Redis may be unavailable. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`CacheError::Address`].
    pub fn connect(redis_url: &str) -> Result<Self, CacheError> {
        let reads = Lookups::connect(redis_url).map_err(CacheError::Address)?;
        Self::with_reads(redis_url, reads)
    }

    /// [`Cache::connect`] with reads that share the round trips of these lookups.
    ///
    /// # Errors
    /// [`CacheError::Address`].
    pub fn with_reads(redis_url: &str, reads: Lookups) -> Result<Self, CacheError> {
        let writes = infra::redis::manager(redis_url, WRITE_TIMEOUT);
        let store = Store(writes.map_err(CacheError::Address)?);
        let pending = Arc::new(Pending::default());
        let end = CancellationToken::new();
        tokio::spawn(writer::run(
            Arc::clone(&pending),
            store.clone(),
            end.clone(),
        ));
        Ok(Self {
            inner: Arc::new(Inner {
                reads,
                pending,
                store,
                _writer: end.drop_guard(),
            }),
        })
    }

    /// Offers views that were just committed, and returns at once. The latest version of each payment is written a few
    /// milliseconds later; if it cannot be written in time, the older view is removed from Redis.
    pub fn offer(&self, entries: impl Iterator<Item = Entry>) {
        self.inner.pending.add(entries.map(view), Instant::now());
    }

    /// Offers a view that was read from Postgres at `read_at`, after a miss.
    pub fn fill(&self, entry: Entry, read_at: Instant) {
        self.inner
            .pending
            .add(std::iter::once(view(entry)), read_at);
    }

    /// Tells that these payments have reached these versions and will soon move on. Older views are replaced by the version
    /// alone, a few milliseconds later.
    pub fn moved(&self, reached: impl Iterator<Item = (Uuid, i64)>) {
        let changes = reached.map(|(payment, version)| (payment, version, Change::Moved));
        self.inner.pending.add(changes, Instant::now());
    }

    /// Removes the views of these payments that are older than these versions, a few milliseconds later.
    pub fn invalidate(&self, reached: impl Iterator<Item = (Uuid, i64)>) {
        let changes = reached.map(|(payment, version)| (payment, version, Change::Outdated));
        self.inner.pending.add(changes, Instant::now());
    }

    /// Writes views now, each unless Redis holds that version or a newer one.
    ///
    /// # Errors
    /// [`CacheError::Redis`]; then any part of the views may have been written.
    pub async fn put(&self, entries: &[Entry]) -> Result<(), CacheError> {
        self.inner.store.put(entries, &[]).await
    }

    /// Reads the view of a payment. The caller must check its account. While a change that this process has committed is
    /// not written yet, there is none.
    ///
    /// # Errors
    /// Any [`CacheError`], within 200 ms, and at once while Redis is known to be unavailable.
    pub async fn read(&self, payment: Uuid) -> Result<Option<Cached>, CacheError> {
        if self.inner.pending.has(payment) {
            // Redis may hold the view from before a change that this process has just committed.
            READS.with_labels(["miss"]).increment(1);
            return Ok(None);
        }
        let value = self.inner.reads.get(view_key(payment)).await;
        let view = value.map(|value| value.and_then(|value| parse(&value)));
        let result = match &view {
            Ok(Some(_)) => "hit",
            Ok(None) => "miss",
            Err(_) => "away",
        };
        READS.with_labels([result]).increment(1);
        Ok(view?)
    }

    /// Finds the payment with this intent.
    ///
    /// # Errors
    /// As for [`Cache::read`].
    pub async fn read_intent(&self, intent_id: &str) -> Result<Option<Uuid>, CacheError> {
        let value = self.inner.reads.get(intent_key(intent_id)).await?;
        Ok(value.and_then(|value| Uuid::try_parse_ascii(&value).ok()))
    }
}

/// Writes to the cache in Redis.
#[derive(Debug, Clone)]
struct Store(Connection);

impl Store {
    /// Writes views, and versions without a view.
    async fn put(&self, entries: &[Entry], moved: &[(Uuid, i64)]) -> Result<(), CacheError> {
        let moved = moved.iter().map(|(payment, version)| Stored {
            view: view_key(*payment),
            intent: None,
            value: digits(*version).into_bytes(),
        });
        let all: Vec<Stored> = entries.iter().map(Stored::view).chain(moved).collect();
        for portion in all.chunks(PORTION) {
            let mut call = PUT.prepare_invoke();
            call.arg(KEPT_SECONDS);
            for stored in portion {
                let (intent, payment) = match &stored.intent {
                    Some((intent, payment)) => (intent, payment.as_str()),
                    None => (&stored.view, ""),
                };
                call.key(&stored.view).key(intent);
                call.arg(&stored.value).arg(payment);
            }
            call.invoke_async::<()>(&mut self.0.clone()).await?;
        }
        Ok(())
    }

    /// Removes the views that are older than these versions, so that their readers read Postgres.
    async fn remove(&self, outdated: &[(Uuid, i64)]) -> Result<(), CacheError> {
        for portion in outdated.chunks(PORTION) {
            let mut call = REMOVE.prepare_invoke();
            for (payment, version) in portion {
                call.key(view_key(*payment)).arg(digits(*version));
            }
            call.invoke_async::<()>(&mut self.0.clone()).await?;
        }
        Ok(())
    }
}

/// What `put.lua` writes for one payment.
struct Stored {
    view: String,
    /// The key of the intent, and the payment as its value.
    intent: Option<(String, String)>,
    value: Vec<u8>,
}

impl Stored {
    fn view(entry: &Entry) -> Self {
        let head = format!(
            "{}{}{}",
            digits(entry.version),
            entry.account,
            u8::from(entry.settled)
        );
        let intent = entry.intent_id.as_deref();
        Self {
            view: view_key(entry.payment),
            intent: intent.map(|intent| (intent_key(intent), entry.payment.to_string())),
            value: [head.as_bytes(), &entry.body].concat(),
        }
    }
}

fn view(entry: Entry) -> (Uuid, i64, Change) {
    (entry.payment, entry.version, Change::View(entry))
}

fn digits(version: i64) -> String {
    format!("{version:0VERSION_WIDTH$}")
}

fn view_key(payment: Uuid) -> String {
    format!("pawl:view:{payment}")
}

fn intent_key(intent_id: &str) -> String {
    format!("pawl:intent:{intent_id}")
}

/// Parses a stored value; `None` if it is a version alone, or does not have our format.
fn parse(value: &Bytes) -> Option<Cached> {
    let head = std::str::from_utf8(value.get(..HEAD)?).ok()?;
    let (version, rest) = head.split_at_checked(VERSION_WIDTH)?;
    let (account, settled) = rest.split_at_checked(36)?;
    Some(Cached {
        account: account.parse().ok()?,
        version: version.parse().ok()?,
        settled: settled == "1",
        body: value.slice(HEAD..),
    })
}
