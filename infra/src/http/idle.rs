//! How long a connection may wait for its client: between two requests, and inside the headers of one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// What a connection waits for. Each change makes a new number, whose rest by four is the phase.
#[derive(Clone, Debug)]
pub(super) struct Phase(Arc<AtomicU64>);

/// For the first byte of the next request.
const IDLE: u64 = 0;
/// For the rest of a request's headers.
const HEADERS: u64 = 1;
/// For its own answer: the body has limits of its own.
const BUSY: u64 = 2;

impl Phase {
    /// A new connection has to send headers.
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(HEADERS)))
    }

    /// A request has arrived; it is answered when the result is dropped.
    pub(super) fn busy(&self) -> Busy {
        self.change(BUSY);
        Busy(self.clone())
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn change(&self, phase: u64) {
        self.0
            .store((self.now() / 4 + 1) * 4 + phase, Ordering::Relaxed);
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Busy(Phase);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.change(IDLE);
    }
}

/// The body of an answer; the connection is busy until it is sent.
#[derive(Debug)]
pub(super) struct Answered<B> {
    pub(super) body: B,
    pub(super) _busy: Busy,
}

impl<B: Body + Unpin> Body for Answered<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream whose reads fail when the client takes too long in the phase of its connection.
pub(super) struct Patient<S> {
    stream: Pin<Box<S>>,
    phase: Phase,
    /// Between two requests.
    idle: Duration,
    /// From the first byte of a request to the end of its headers.
    headers: Duration,
    end: Pin<Box<Sleep>>,
    /// The phase that `end` belongs to.
    timed: u64,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, phase: Phase, idle: Duration, headers: Duration) -> Self {
        Self {
            stream: Box::pin(stream),
            timed: phase.now(),
            phase,
            idle,
            headers,
            end: Box::pin(sleep(headers)),
        }
    }
}

impl<S: AsyncRead> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        if let Poll::Ready(read) = self.stream.as_mut().poll_read(context, buffer) {
            if buffer.filled().len() > filled && self.phase.now() % 4 == IDLE {
                self.phase.change(HEADERS);
            }
            return Poll::Ready(read);
        }
        let phase = self.phase.now();
        let limit = match phase % 4 {
            IDLE => self.idle,
            HEADERS => self.headers,
            _ => return Poll::Pending,
        };
        if self.timed != phase {
            self.timed = phase;
            self.end.as_mut().reset(Instant::now() + limit);
        }
        ready!(self.end.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
