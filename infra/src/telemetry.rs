//! Logging to stderr, readable on a terminal and one JSON object per line everywhere else; and the export of traces.

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

/// How long the export of the last spans may take when a process ends.
const FLUSH: Duration = Duration::from_secs(3);

/// Libraries that report each failure of Redis several times. The queue reports it once, and counts; see `RUST_LOG` naming
/// them.
const REPEATED: [&str; 2] = ["apalis_core", "apalis_redis"];

/// Starts logging for this process, panics included; a second call changes nothing.
///
/// `RUST_LOG` (from the environment or `.env`) is the log filter, `info` by default. Each line has `service`, `request_id`,
/// and the fields of the spans around it (`payment`, `job`, `trace_id`). With `OTEL_EXPORTER_OTLP_ENDPOINT`, traces are
/// exported to that address.
pub fn start(service: &'static str) {
    start_at(service, "info");
}

/// [`start`] with `default` as the log filter without `RUST_LOG`, for a program whose output for people is not its log.
pub fn start_at(service: &'static str, default: &str) {
    let wanted = crate::env::early("RUST_LOG");
    let filter = EnvFilter::try_new(wanted.as_deref().unwrap_or(default));
    let broken = filter.is_err();
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(default));
    let names_apalis = wanted
        .as_deref()
        .is_some_and(|wanted| wanted.contains("apalis"));
    let filter = REPEATED
        .iter()
        .filter(|_| !names_apalis)
        .fold(filter.add_directive(untraced()), |filter, target| {
            filter.add_directive(level_of(target, LevelFilter::OFF))
        });
    let (tracer, fault) = match otlp::start(service) {
        Ok(tracer) => (tracer, None),
        Err(error) => (None, Some(error)),
    };
    let started = match tracer.clone() {
        // One filter for the whole registry, which skips disabled events at the lowest cost.
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
        tracing::error!(
            place,
            cause = panic.payload_as_str(),
            "a task panicked; its work is lost unless its caller retries it"
        );
    }));
    if broken {
        tracing::warn!(
            RUST_LOG = wanted,
            "failed to parse RUST_LOG; using the default log filter"
        );
    }
    if let Some(error) = fault {
        tracing::error!(
            error,
            "failed to start the export of traces; no traces are sent until the OTEL_EXPORTER_OTLP_… variables are corrected"
        );
    }
    tracing::debug!(pid = std::process::id(), "logging started");
}

/// Exports the remaining spans, for at most three seconds, and ends tracing. Called when a process ends.
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
            .event_format(line::Json::new(service))
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

/// Removes spans that are only for traces from logs; without an export they cost nothing.
fn untraced() -> Directive {
    level_of(trace::TARGET, LevelFilter::OFF)
}

fn level_of(target: &str, level: LevelFilter) -> Directive {
    format!("{target}={level}")
        .parse()
        .unwrap_or_else(|_| LevelFilter::INFO.into())
}

/// The spans in traces: those that are only for traces, and the engine's own, which logs show too, with the log lines in
/// them.
fn traced() -> Targets {
    Targets::new()
        .with_target(trace::TARGET, LevelFilter::INFO)
        .with_target("engine", LevelFilter::INFO)
}
