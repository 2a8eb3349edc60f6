//! Rate limits: token buckets in Redis, shared by all our processes.
//!
//! A bucket of `n` tokens starts full and gets `n` more per minute, evenly. One script takes the tokens, so of any number
//! of simultaneous requests exactly those pass for which there is a token.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use redis::RedisResult;

use crate::metrics::Counters;
use crate::redis::{Lookups, Unavailable};

/// The most buckets kept in this process while Redis is unavailable; beyond it, full buckets are dropped.
const KEPT: usize = 10_000;

static DECISIONS: Counters<2> = Counters::new(
    "pawl_rate_limit_decisions_total",
    "Requests that were counted against a rate limit, by outcome and by where the bucket is kept: redis, process, or nowhere \
     (Redis is unavailable and the request passes).",
    ["outcome", "kept"],
);

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RETRY_AFTER: HeaderName = HeaderName::from_static("x-ratelimit-retry-after");

/// A bucket: its name, and how many tokens it holds at most and gets per minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// A name without secrets, such as `ip:203.0.113.9`: it becomes a key in Redis.
    pub name: String,
    /// Its size, and the tokens that it gets per minute.
    pub per_minute: NonZeroU32,
}

impl Bucket {
    /// The bucket of this name; `None` if `per_minute` is 0, which turns a limit off.
    #[must_use]
    pub fn new(name: impl Into<String>, per_minute: u32) -> Option<Self> {
        let per_minute = NonZeroU32::new(per_minute)?;
        Some(Self {
            name: name.into(),
            per_minute,
        })
    }
}

/// How a request is treated while Redis is unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutRedis {
    /// It passes: a payment must not fail because of a limit.
    Pass,
    /// It is counted in this process alone: passwords must not be guessed meanwhile.
    CountInProcess,
}

/// The answer of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may go on.
    pub allowed: bool,
    /// The size of the bucket.
    pub limit: u32,
    /// How many more requests pass at once.
    pub remaining: u32,
    /// How long until the next request passes: zero while any remains.
    pub retry_after: Duration,
}

impl Decision {
    /// The answer of a full bucket, in place of one that cannot be read.
    fn full(bucket: &Bucket) -> Self {
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
    pub fn write_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in [
            (LIMIT, self.limit),
            (REMAINING, self.remaining),
            (RETRY_AFTER, self.retry_after_seconds()),
        ] {
            headers.insert(name, HeaderValue::from(value));
        }
    }
}

/// Takes tokens from buckets. Cheap to clone.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    redis: Lookups,
    local: LocalBuckets,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Limiter")
    }
}

impl Limiter {
    /// A limiter with buckets in this Redis, which may be unavailable. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// If `url` is not a Redis URL.
    pub fn connect(url: &str) -> RedisResult<Self> {
        Ok(Self::new(Lookups::connect(url)?))
    }

    /// A limiter whose questions to Redis share the round trips of these lookups.
    #[must_use]
    pub fn new(redis: Lookups) -> Self {
        Self(Arc::new(Inner {
            redis,
            local: LocalBuckets::default(),
        }))
    }

    /// Takes a token from every bucket, or from none if one of them is empty. Returns the decision of the bucket with the
    /// fewest tokens left; `None` without buckets.
    pub async fn take(&self, buckets: &[Bucket], without_redis: WithoutRedis) -> Option<Decision> {
        if buckets.is_empty() {
            return None;
        }
        let (decisions, kept) = match self.take_in_redis(buckets).await {
            Ok(decisions) => (decisions, "redis"),
            Err(Unavailable) if without_redis == WithoutRedis::CountInProcess => {
                (self.0.local.take(buckets), "process")
            }
            Err(Unavailable) => (buckets.iter().map(Decision::full).collect(), "nowhere"),
        };
        let decision = decisions
            .into_iter()
            .min_by_key(|decision| (decision.allowed, decision.remaining))?;
        let outcome = if decision.allowed {
            "passed"
        } else {
            "refused"
        };
        DECISIONS.with_labels([outcome, kept]).increment(1);
        Some(decision)
    }

    async fn take_in_redis(&self, buckets: &[Bucket]) -> Result<Vec<Decision>, Unavailable> {
        let keys = buckets
            .iter()
            .map(|bucket| (format!("pawl:limit:{}", bucket.name), bucket.per_minute));
        let tokens = self.0.redis.take(keys.collect()).await?;
        Ok(buckets
            .iter()
            .zip(tokens)
            .map(|(bucket, tokens)| Decision {
                allowed: tokens.had,
                limit: bucket.per_minute.get(),
                remaining: tokens.left,
                retry_after: tokens.wait,
            })
            .collect())
    }
}

/// Buckets in this process, by their size.
#[derive(Default)]
struct LocalBuckets(Mutex<HashMap<NonZeroU32, Arc<Local>>>);

type Local =
    RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock, StateInformationMiddleware>;

impl LocalBuckets {
    fn take(&self, buckets: &[Bucket]) -> Vec<Decision> {
        buckets
            .iter()
            .map(|bucket| {
                let local = self.with_size(bucket.per_minute);
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
                    Err(empty) => Decision {
                        allowed: false,
                        limit: bucket.per_minute.get(),
                        remaining: 0,
                        retry_after: empty.wait_time_from(local.clock().now()),
                    },
                }
            })
            .collect()
    }

    fn with_size(&self, size: NonZeroU32) -> Arc<Local> {
        let mut sizes = self.0.lock();
        let local = sizes.entry(size).or_insert_with(|| {
            Arc::new(RateLimiter::keyed(Quota::per_minute(size)).with_middleware())
        });
        Arc::clone(local)
    }
}
