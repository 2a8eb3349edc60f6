//! Token buckets in Redis: how often one caller may do something, whichever of our processes it asks.
//!
//! A bucket of `n` tokens is full at first and gets `n` more a minute, evenly. All of it happens in one script, so that
//! of any number of simultaneous requests exactly those pass for which there is a token.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use redis::aio::ConnectionManager;
use redis::{RedisResult, Script};
use tokio::time::timeout;

use crate::breaker::Breaker;
use crate::metrics::Counters;

/// What Redis may take to answer before a request goes on without it.
const PATIENCE: Duration = Duration::from_millis(200);
/// Buckets of this process, for when Redis is away; beyond, those that are full again are forgotten.
const KEPT: usize = 10_000;

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("limit/take.lua")));

static DECISIONS: Counters<2> = Counters::new(
    "pawl_rate_limit_decisions_total",
    "Requests that were counted against a limit, by what came of it and where the bucket is kept: nowhere while Redis is away \
     and they pass.",
    ["outcome", "kept"],
);

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RETRY_AFTER: HeaderName = HeaderName::from_static("x-ratelimit-retry-after");

/// A bucket: whose it is, and how many tokens it holds and gets per minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// A name without secrets, such as `ip:203.0.113.9`: it becomes a key in Redis.
    pub name: String,
    /// How many.
    pub per_minute: NonZeroU32,
}

impl Bucket {
    /// The bucket of this name; none if `per_minute` is 0, which turns a limit off.
    #[must_use]
    pub fn new(name: impl Into<String>, per_minute: u32) -> Option<Self> {
        let per_minute = NonZeroU32::new(per_minute)?;
        Some(Self {
            name: name.into(),
            per_minute,
        })
    }
}

/// What happens to a request while Redis is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// It passes: a payment must not fail because of a limit.
    Pass,
    /// It is counted in this process alone: a password must not be guessed meanwhile.
    CountHere,
}

/// What a bucket said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may go on.
    pub allowed: bool,
    /// The size of the bucket.
    pub limit: u32,
    /// How many requests may follow at once.
    pub remaining: u32,
    /// Until the next one may be made: zero while any remains.
    pub retry_after: Duration,
}

impl Decision {
    /// The bucket cannot be asked, and that is nobody's fault: as if it were full.
    fn unknown(bucket: &Bucket) -> Self {
        Self {
            allowed: true,
            limit: bucket.per_minute.get(),
            remaining: bucket.per_minute.get(),
            retry_after: Duration::ZERO,
        }
    }

    /// Seconds to wait, rounded up.
    #[must_use]
    pub fn retry_after_seconds(&self) -> u32 {
        u32::try_from(self.retry_after.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
    }

    /// Writes `X-RateLimit-Limit`, `-Remaining` and `-Retry-After` (seconds).
    pub fn tell(&self, headers: &mut HeaderMap) {
        for (name, value) in [
            (LIMIT, self.limit),
            (REMAINING, self.remaining),
            (RETRY_AFTER, self.retry_after_seconds()),
        ] {
            headers.insert(name, HeaderValue::from(value));
        }
    }
}

/// Takes tokens. Cheap to clone.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    redis: ConnectionManager,
    breaker: Breaker,
    here: Here,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Limiter")
    }
}

impl Limiter {
    /// Keeps buckets in this Redis, which may be away. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// If `url` is not a Redis URL.
    pub fn connect(url: &str) -> RedisResult<Self> {
        Ok(Self(Arc::new(Inner {
            redis: crate::redis::manager(url, PATIENCE)?,
            breaker: Breaker::new(),
            here: Here::default(),
        })))
    }

    /// Takes a token from every bucket, or from none if one of them is empty; answers for the one with the least left.
    /// No bucket is no limit: `None`.
    pub async fn take(&self, buckets: &[Bucket], without: Without) -> Option<Decision> {
        if buckets.is_empty() {
            return None;
        }
        let (decisions, kept) = match self.ask(buckets).await {
            Ok(decisions) => (decisions, "redis"),
            Err(Away) if without == Without::CountHere => (self.0.here.take(buckets), "process"),
            Err(Away) => (buckets.iter().map(Decision::unknown).collect(), "nowhere"),
        };
        let decision = decisions
            .into_iter()
            .min_by_key(|decision| (decision.allowed, decision.remaining))?;
        let outcome = if decision.allowed {
            "passed"
        } else {
            "refused"
        };
        DECISIONS.of([outcome, kept]).increment(1);
        Some(decision)
    }

    async fn ask(&self, buckets: &[Bucket]) -> Result<Vec<Decision>, Away> {
        let inner = &*self.0;
        if !inner.breaker.lets_through() {
            return Err(Away);
        }
        let mut call = TAKE.prepare_invoke();
        for bucket in buckets {
            call.key(format!("pawl:limit:{}", bucket.name))
                .arg(bucket.per_minute.get());
        }
        let mut redis = inner.redis.clone();
        let answer = timeout(PATIENCE, call.invoke_async::<Vec<u32>>(&mut redis)).await;
        let answer = answer.ok().and_then(|answer| match answer {
            Ok(numbers) => Some(numbers),
            Err(error) => {
                tracing::debug!(%error, "a limit could not be asked of Redis");
                None
            }
        });
        inner.breaker.note(answer.is_some());
        let numbers = answer.ok_or(Away)?;
        Ok(buckets
            .iter()
            .zip(numbers.chunks_exact(3))
            .map(|(bucket, said)| Decision {
                allowed: said[0] == 1,
                limit: bucket.per_minute.get(),
                remaining: said[1],
                retry_after: Duration::from_millis(said[2].into()),
            })
            .collect())
    }
}

/// Redis does not answer.
struct Away;

/// Buckets of this process alone, by their size.
#[derive(Default)]
struct Here(Mutex<HashMap<NonZeroU32, Arc<Local>>>);

type Local =
    RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock, StateInformationMiddleware>;

impl Here {
    fn take(&self, buckets: &[Bucket]) -> Vec<Decision> {
        buckets
            .iter()
            .map(|bucket| {
                let local = self.of(bucket.per_minute);
                if local.len() > KEPT {
                    local.retain_recent();
                }
                match local.check_key(&bucket.name) {
                    Ok(left) => Decision {
                        allowed: true,
                        limit: bucket.per_minute.get(),
                        remaining: left.remaining_burst_capacity(),
                        retry_after: Duration::ZERO,
                    },
                    Err(full) => Decision {
                        allowed: false,
                        limit: bucket.per_minute.get(),
                        remaining: 0,
                        retry_after: full.wait_time_from(local.clock().now()),
                    },
                }
            })
            .collect()
    }

    fn of(&self, size: NonZeroU32) -> Arc<Local> {
        let mut sizes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let local = sizes.entry(size).or_insert_with(|| {
            Arc::new(RateLimiter::keyed(Quota::per_minute(size)).with_middleware())
        });
        Arc::clone(local)
    }
}
