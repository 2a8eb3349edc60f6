//! The shutdown signal: a token that every long-running task watches.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal as on};
use tokio_util::sync::CancellationToken;

use crate::Env;

/// A token that is cancelled when the process gets SIGTERM or SIGINT (Ctrl-C).
///
/// Further signals change nothing: the holder of the token decides how long a clean end may take. Must be called within a
/// Tokio runtime.
#[must_use]
pub fn signal() -> CancellationToken {
    let token = CancellationToken::new();
    match (on(SignalKind::terminate()), on(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            let cancelled = token.clone();
            tokio::spawn(async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                tracing::info!("received a signal to stop; shutting down");
                cancelled.cancel();
            });
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "failed to install the signal handlers; this process can be stopped only with SIGKILL");
        }
    }
    token
}

static NOTICE: OnceLock<Duration> = OnceLock::new();

/// How long a service that got a signal to stop still takes requests, so that load balancers and clients notice it:
/// `SHUTDOWN_NOTICE_SECONDS`. None in a program that is not a service of its own.
#[must_use]
pub fn notice() -> Duration {
    NOTICE.get().copied().unwrap_or_default()
}

/// Reads `SHUTDOWN_NOTICE_SECONDS` (5).
pub(crate) fn read_notice(env: &Env) {
    let seconds = env.number("SHUTDOWN_NOTICE_SECONDS");
    NOTICE.set(Duration::from_secs(seconds)).ok();
}
