//! A request's body that must arrive whole within a time.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// The body, until the time is over; then an error.
pub(super) struct Within<B> {
    body: Pin<Box<B>>,
    time: Duration,
    /// Counted from the first look at the body: a request without one needs no timer.
    end: Option<Pin<Box<Sleep>>>,
}

/// The time was over first.
#[derive(Debug, thiserror::Error)]
#[error("the body did not arrive in time")]
struct Late;

impl<B> Within<B> {
    pub(super) fn new(time: Duration, body: B) -> Self {
        Self {
            body: Box::pin(body),
            time,
            end: None,
        }
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for Within<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        if let Poll::Ready(frame) = self.body.as_mut().poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let time = self.time;
        let end = self.end.get_or_insert_with(|| Box::pin(sleep(time)));
        end.as_mut().poll(context).map(|()| Some(Err(Late.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
