//! Calls to Redis for which requests wait. Those that wait at the same moment share one round trip.
//!
//! One task gathers the questions of all requests that are ready to run, sends them together and hands out the answers.
//! With one request alone it sends at once.

use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::Bytes;
use redis::{RedisResult, Script};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use super::Connection;
use crate::breaker::Breaker;

/// How long a question waits for its answer at most, including the time behind the questions before it.
const PATIENCE: Duration = Duration::from_millis(200);
/// The most questions that may wait; any other is not answered.
const WAITING: usize = 4096;
/// The most questions in one round trip.
const PORTION: usize = 256;

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take.lua")));

/// A shared connection to Redis for short questions. Cheap to clone; its task ends with the last clone.
#[derive(Clone, Debug)]
pub struct Lookups {
    questions: mpsc::Sender<Question>,
    breaker: Arc<Breaker>,
}

/// Redis does not answer, or did not within 200 ms.
#[derive(Debug, thiserror::Error)]
#[error("Redis is unavailable")]
pub struct Unavailable;

/// What a bucket of tokens answered to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Whether the bucket had a token.
    pub had: bool,
    /// How many tokens are left.
    pub left: u32,
    /// How long until it has a token: zero while any is left.
    pub wait: Duration,
}

/// A bucket: its key, and its size, which is also how many tokens it gets per minute.
type Bucket = (String, NonZeroU32);

/// What one request asks. A dropped `answer` says that Redis is unavailable.
#[derive(Debug)]
struct Question {
    since: Instant,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Value {
        key: String,
        answer: oneshot::Sender<Option<Bytes>>,
    },
    Tokens {
        buckets: Vec<Bucket>,
        answer: oneshot::Sender<Vec<Tokens>>,
    },
}

impl Lookups {
    /// Starts the task. It connects when first used, so Redis may be unavailable. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// If `url` is not a Redis URL.
    pub fn connect(url: &str) -> RedisResult<Self> {
        let redis = super::manager(url, PATIENCE)?;
        let (questions, receiver) = mpsc::channel(WAITING);
        let breaker = Arc::new(Breaker::new());
        tokio::spawn(run(redis, receiver, Arc::clone(&breaker)));
        Ok(Self { questions, breaker })
    }

    /// The value of a key, if there is one.
    ///
    /// # Errors
    /// [`Unavailable`], within 200 ms, and at once while Redis is known not to answer.
    pub async fn get(&self, key: String) -> Result<Option<Bytes>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        self.ask(Content::Value { key, answer })?;
        answered.await.map_err(|_| Unavailable)
    }

    /// Takes a token from every bucket, or from none if one of them is empty; answers for each what it held.
    ///
    /// # Errors
    /// As for [`Lookups::get`]; then the tokens may have been taken.
    pub async fn take(&self, buckets: Vec<Bucket>) -> Result<Vec<Tokens>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        self.ask(Content::Tokens { buckets, answer })?;
        answered.await.map_err(|_| Unavailable)
    }

    fn ask(&self, content: Content) -> Result<(), Unavailable> {
        if !self.breaker.allows_call() {
            return Err(Unavailable);
        }
        let since = Instant::now();
        let sent = self.questions.try_send(Question { since, content });
        sent.map_err(|error| {
            if matches!(error, TrySendError::Full(_)) {
                tracing::debug!("too many requests wait for Redis; this one goes on without it");
            }
            Unavailable
        })
    }
}

/// Answers questions until all [`Lookups`] are gone.
async fn run(redis: Connection, mut questions: mpsc::Receiver<Question>, breaker: Arc<Breaker>) {
    let mut waiting = Vec::with_capacity(PORTION);
    while questions.recv_many(&mut waiting, PORTION).await > 0 {
        // Tasks that are ready to run may ask something too. Without this, the first question would go out alone, because
        // Tokio runs a task that was just woken before all others.
        yield_now().await;
        while waiting.len() < PORTION
            && let Ok(question) = questions.try_recv()
        {
            waiting.push(question);
        }
        let answered = answer(&redis, &mut waiting).await;
        breaker.record(answered);
        if !answered {
            // The next call would keep those waiting that have waited for this one.
            while questions.try_recv().is_ok() {}
        }
    }
}

/// Asks Redis all of `waiting`, which is empty afterwards. Says whether Redis answered.
async fn answer(redis: &Connection, waiting: &mut Vec<Question>) -> bool {
    let Some(first) = waiting.first() else {
        return true;
    };
    let patience = PATIENCE.saturating_sub(first.since.elapsed());
    let (mut keys, mut readers) = (Vec::new(), Vec::new());
    let (mut requests, mut takers) = (Vec::new(), Vec::new());
    for question in waiting.drain(..) {
        match question.content {
            Content::Value { key, answer } => {
                keys.push(key);
                readers.push(answer);
            }
            Content::Tokens { buckets, answer } => {
                requests.push(buckets);
                takers.push(answer);
            }
        }
    }
    let sent = Instant::now();
    // Both calls leave in one write, because the connection's task runs when both have been made.
    let both = async { tokio::try_join!(values(redis, &keys), tokens(redis, &requests)) };
    let (values, mut tokens) = match timeout(patience, both).await {
        Ok(Ok((values, tokens))) => (values, tokens.into_iter()),
        Ok(Err(error)) => {
            tracing::debug!(%error, "failed to ask Redis; it is not asked for a second, and requests go on without it");
            return false;
        }
        Err(_) => {
            redis.replace(sent);
            tracing::debug!(
                "Redis did not answer within 200 ms; it is not asked for a second, and requests go on without it"
            );
            return false;
        }
    };
    // A receiver that is gone belongs to a client that is gone.
    for (reader, value) in readers.into_iter().zip(values) {
        let _ = reader.send(value.map(Bytes::from));
    }
    for (taker, buckets) in takers.into_iter().zip(requests) {
        let _ = taker.send(tokens.by_ref().take(buckets.len()).collect());
    }
    true
}

async fn values(redis: &Connection, keys: &[String]) -> RedisResult<Vec<Option<Vec<u8>>>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut redis = redis.clone();
    redis::cmd("MGET").arg(keys).query_async(&mut redis).await
}

async fn tokens(redis: &Connection, requests: &[Vec<Bucket>]) -> RedisResult<Vec<Tokens>> {
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    let mut call = TAKE.prepare_invoke();
    for (key, size) in requests.iter().flatten() {
        call.key(key).arg(size.get());
    }
    for buckets in requests {
        call.arg(buckets.len());
    }
    let numbers: Vec<u32> = call.invoke_async(&mut redis.clone()).await?;
    let tokens = numbers.chunks_exact(3).map(|numbers| Tokens {
        had: numbers[0] == 1,
        left: numbers[1],
        wait: Duration::from_millis(numbers[2].into()),
    });
    Ok(tokens.collect())
}
