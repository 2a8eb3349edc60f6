//! How often a worker polls Redis: often enough for a customer who waits, seldom enough to save CPU time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use apalis_core::backend::ext::poll_strategy::{PollSnapshot, PollStrategy};
use infra::redis::Connection;
use parking_lot::Mutex;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// The pause between two polls while jobs arrive.
const BUSY: Duration = Duration::from_millis(5);
/// The pause between two polls when no job arrived for [`IDLE_AFTER`].
const IDLE: Duration = Duration::from_millis(20);
const IDLE_AFTER: Duration = Duration::from_secs(1);
/// The shortest pause between two commands of one worker. Without it each finished job costs a round trip of its own: a
/// worker acknowledges and fetches whenever anything wakes it.
const PAUSE: Duration = Duration::from_millis(2);

/// Wakes a worker that found no job. apalis's own interval loses its wake-up when a fetch takes longer than the interval;
/// this timer is set again at each poll, so there is always a waker.
pub(super) struct Tick {
    timer: Pin<Box<Sleep>>,
}

impl Tick {
    pub(super) fn new() -> Self {
        Self {
            timer: Box::pin(sleep(BUSY)),
        }
    }
}

impl PollStrategy for Tick {
    fn poll_drive(&mut self, cx: &mut Context<'_>, snapshot: &PollSnapshot) -> Poll<Option<()>> {
        if self.timer.as_mut().poll(cx).is_ready() {
            let idle = snapshot.total_ready == 0 || snapshot.idle_for > IDLE_AFTER;
            let next = Instant::now() + if idle { IDLE } else { BUSY };
            self.timer.as_mut().reset(next);
            // A timer keeps the waker only once it was polled.
            let _ = self.timer.as_mut().poll(cx);
        }
        Poll::Pending
    }
}

/// A connection that leaves a pause between two commands.
#[derive(Clone)]
pub(super) struct Paced {
    connection: Connection,
    next: Arc<Mutex<Instant>>,
}

impl Paced {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            next: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// Reserves the moment of the next command for the caller.
    fn reserve(&self) -> Instant {
        let mut next = self.next.lock();
        let turn = (*next).max(Instant::now());
        *next = turn + PAUSE;
        turn
    }
}

impl ConnectionLike for Paced {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            sleep_until(self.reserve()).await;
            self.connection.req_packed_command(command).await
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            sleep_until(self.reserve()).await;
            self.connection
                .req_packed_commands(pipeline, offset, count)
                .await
        })
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}
