//! Logs: readable on a terminal, one JSON object a line everywhere else, always on stderr.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging for this process and sends panics through it; calling it again changes nothing.
///
/// `RUST_LOG` (from the environment or `.env`) chooses what is logged, `info` if it is absent.
pub fn start(service: &str) {
    start_at(service, "info");
}

/// Like [`start`], for a program that speaks to a person by other means: `default` is what is logged without `RUST_LOG`.
pub fn start_at(service: &str, default: &str) {
    let wanted = crate::env::early("RUST_LOG");
    let filter = EnvFilter::try_new(wanted.as_deref().unwrap_or(default));
    let broken = filter.is_err();
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(default));
    let terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal);
    let started = if terminal {
        log.with_target(false).finish().try_init()
    } else {
        log.json().flatten_event(true).finish().try_init()
    };
    if started.is_err() {
        return;
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, cause = panic.payload_as_str(), "a task panicked");
    }));
    if broken {
        tracing::warn!(RUST_LOG = wanted, "RUST_LOG is not a filter and is ignored");
    }
    tracing::debug!(service, pid = std::process::id(), "logging started");
}
