//! Logs, readable on a terminal and one JSON object a line everywhere else, always on stderr; and where traces go.

mod line;
mod otlp;

use std::io::IsTerminal;
use std::time::Duration;

use opentelemetry_sdk::trace::SdkTracer;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{Directive, Targets};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::trace;

/// How long the last spans may take to be sent when a process ends.
const FLUSH: Duration = Duration::from_secs(3);

/// Starts logging for this process and sends panics through it; calling it again changes nothing.
///
/// `RUST_LOG` (from the environment or `.env`) chooses what is logged, `info` if it is absent. Each line bears what is
/// known of the work that wrote it: `service`, `request_id`, and the fields of the spans around it (`payment`, `job`,
/// `trace_id`). With `OTEL_EXPORTER_OTLP_ENDPOINT`, traces are sent there.
pub fn start(service: &'static str) {
    start_at(service, "info");
}

/// Like [`start`], for a program that speaks to a person by other means: `default` is what is logged without `RUST_LOG`.
pub fn start_at(service: &'static str, default: &str) {
    let wanted = crate::env::early("RUST_LOG");
    let filter = EnvFilter::try_new(wanted.as_deref().unwrap_or(default));
    let broken = filter.is_err();
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(default));
    let filter = filter.add_directive(untraced());
    let (tracer, fault) = match otlp::start(service) {
        Ok(tracer) => (tracer, None),
        Err(error) => (None, Some(error)),
    };
    let started = match tracer.clone() {
        // One filter for all: what it does not let through is not even looked at.
        None => Registry::default()
            .with(filter)
            .with(logs(service))
            .try_init(),
        Some(tracer) => Registry::default()
            .with(logs(service).with_filter(filter))
            .with(traces(tracer).with_filter(traced()))
            .try_init(),
    };
    if started.is_err() {
        return;
    }
    if let Some(tracer) = tracer {
        trace::start(tracer);
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, cause = panic.payload_as_str(), "a task panicked");
    }));
    if broken {
        tracing::warn!(RUST_LOG = wanted, "RUST_LOG is not a filter and is ignored");
    }
    if let Some(error) = fault {
        tracing::error!(
            error,
            "no traces are sent: look at the variables OTEL_EXPORTER_OTLP_…"
        );
    }
    tracing::debug!(pid = std::process::id(), "logging started");
}

/// Sends the spans that wait, for at most three seconds; nothing is traced afterwards. The last thing that a process does.
pub fn stop() {
    otlp::stop(FLUSH);
}

fn logs<S>(service: &'static str) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(terminal);
    if terminal {
        log.event_format(line::Readable::new()).boxed()
    } else {
        log.fmt_fields(JsonFields::new())
            .event_format(line::Json::of(service))
            .boxed()
    }
}

fn traces<S>(tracer: SdkTracer) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_level(false)
        .with_target(false)
}

/// Spans for traces alone are no part of a log, and where nobody traces they cost nothing.
fn untraced() -> Directive {
    format!("{}=off", trace::TARGET)
        .parse()
        .unwrap_or_else(|_| LevelFilter::INFO.into())
}

/// What traces show: those spans, and the engine's own that logs show too, with what is logged in them.
fn traced() -> Targets {
    Targets::new()
        .with_target(trace::TARGET, LevelFilter::INFO)
        .with_target("engine", LevelFilter::INFO)
}
