//! The one way to stop: a token that everything long-lived watches.

use tokio::signal::unix::{SignalKind, signal as on};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled when the process gets SIGTERM or SIGINT (Ctrl-C).
///
/// Only the first signal is waited for: whoever holds the token decides how long a clean end may take. Must be called
/// within a Tokio runtime.
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
                tracing::info!("stopping");
                cancelled.cancel();
            });
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "signals cannot be watched; stop this process with SIGKILL");
        }
    }
    token
}
