//! The bodies of a route that takes longer ones than all others.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::BODY_LIMIT;
use super::code::{BODY_TOO_LARGE, REQUEST_TIMEOUT};
use super::request_error::RequestError;

/// The largest body of such a route: 1 MiB. A longer one is answered 413.
pub const LONG_BODY_LIMIT: usize = 1 << 20;

/// Reads bodies of up to [`LONG_BODY_LIMIT`], and few of those over [`BODY_LIMIT`] at the same time: they would otherwise
/// take sixteen times the memory that all other requests may take.
#[derive(Debug)]
pub struct LongBodies {
    free: Arc<Semaphore>,
}

/// A body. While this value lives, a body over [`BODY_LIMIT`] counts as one of those that are read at the same time.
#[derive(Debug)]
pub struct LongBody {
    /// The bytes as they were sent.
    pub bytes: Bytes,
    _place: Option<OwnedSemaphorePermit>,
}

/// Why a body was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LongBodyError {
    /// It is too long or did not arrive.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Too many other long bodies are in memory: it may be sent again a second later.
    #[error("too many long bodies are being read")]
    Busy,
}

impl LongBodies {
    /// Of the bodies over [`BODY_LIMIT`], at most `at_once` are in memory.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(at_once)),
        }
    }

    /// Reads `body` to its end. A body takes its place when more than [`BODY_LIMIT`] of it has arrived, whatever its length
    /// was declared to be, so that nobody takes places by promising bodies.
    ///
    /// # Errors
    /// [`LongBodyError`]; nothing of the body is kept then.
    pub async fn read(&self, body: Body) -> Result<LongBody, LongBodyError> {
        let (mut stream, mut bytes, mut place) = (body.into_data_stream(), Vec::new(), None);
        while let Some(piece) = stream.next().await {
            let Ok(piece) = piece else {
                let late = RequestError::new(REQUEST_TIMEOUT, "", "The body did not arrive.");
                return Err(late.into());
            };
            let length = bytes.len() + piece.len();
            if length > LONG_BODY_LIMIT {
                let long = RequestError::new(BODY_TOO_LARGE, "", "The body is over 1 MiB.");
                return Err(long.into());
            }
            if length > BODY_LIMIT && place.is_none() {
                let free = Arc::clone(&self.free).try_acquire_owned();
                place = Some(free.map_err(|_| LongBodyError::Busy)?);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(LongBody {
            bytes: bytes.into(),
            _place: place,
        })
    }
}
