//! How often a worker asks Redis: soon enough for a customer who waits, seldom enough to leave the CPU to the work.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use apalis_core::backend::ext::poll_strategy::{PollSnapshot, PollStrategy};
use redis::aio::{ConnectionLike, ConnectionManager};
use redis::{Cmd, Pipeline, RedisFuture, Value};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// Between two looks at the queue while jobs come.
const BUSY: Duration = Duration::from_millis(5);
/// Between two looks when none came for [`IDLE_AFTER`].
const IDLE: Duration = Duration::from_millis(20);
const IDLE_AFTER: Duration = Duration::from_secs(1);
/// Between two commands of one worker. Without it each finished job costs a round trip of its own: a worker
/// acknowledges and fetches whenever anything wakes it.
const APART: Duration = Duration::from_millis(2);

/// Wakes a worker that found nothing. apalis's own interval loses its wake-up when a fetch outlasts it; this timer is
/// armed again at each poll, so there always is a waker.
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
    fn poll_drive(&mut self, cx: &mut Context<'_>, seen: &PollSnapshot) -> Poll<Option<()>> {
        if self.timer.as_mut().poll(cx).is_ready() {
            let idle = seen.total_ready == 0 || seen.idle_for > IDLE_AFTER;
            let next = Instant::now() + if idle { IDLE } else { BUSY };
            self.timer.as_mut().reset(next);
            // Only a timer that was polled holds the waker.
            let _ = self.timer.as_mut().poll(cx);
        }
        Poll::Pending
    }
}

/// A connection whose commands keep their distance in time.
#[derive(Clone)]
pub(super) struct Paced {
    connection: ConnectionManager,
    next: Arc<Mutex<Instant>>,
}

impl Paced {
    pub(super) fn new(connection: ConnectionManager) -> Self {
        Self {
            connection,
            next: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// The moment of the next command, reserved for the caller.
    fn turn(&self) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = (*next).max(Instant::now());
        *next = turn + APART;
        turn
    }
}

impl ConnectionLike for Paced {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            sleep_until(self.turn()).await;
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
            sleep_until(self.turn()).await;
            self.connection
                .req_packed_commands(pipeline, offset, count)
                .await
        })
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}
