//! A deadline for the whole of a request's body.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// The body until the deadline, then an error.
pub(super) struct BodyDeadline<B> {
    body: Pin<Box<B>>,
    limit: Duration,
    /// Starts with the first poll that finds no data: a request without a body needs no timer.
    end: Option<Pin<Box<Sleep>>>,
}

/// The deadline passed first.
#[derive(Debug, thiserror::Error)]
#[error("the body did not arrive in time")]
struct Late;

impl<B> BodyDeadline<B> {
    pub(super) fn new(limit: Duration, body: B) -> Self {
        Self {
            body: Box::pin(body),
            limit,
            end: None,
        }
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for BodyDeadline<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        if let Poll::Ready(frame) = self.body.as_mut().poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let limit = self.limit;
        let end = self.end.get_or_insert_with(|| Box::pin(sleep(limit)));
        end.as_mut().poll(context).map(|()| Some(Err(Late.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
