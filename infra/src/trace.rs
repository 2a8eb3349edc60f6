//! Traces: `OpenTelemetry` spans, exported to `OTEL_EXPORTER_OTLP_ENDPOINT`; without it they cost nothing.
//!
//! An object that several processes work on for longer than one request (a payment) has one trace. No process has to store
//! or pass on the trace's id: it is the object's UUID, and the id of its first span is the second half of the UUID. Each
//! process that works on the object adds a span. A request belongs to its client's trace, and the two are linked.
//!
//! Work on one object is a `tracing` span with the target [`TARGET`], which no log shows. Work on many objects at once is
//! recorded when it is done, as one [`PendingSpan`] for each object.

use std::cell::Cell;
use std::fmt;
use std::sync::OnceLock;
use std::time::SystemTime;

use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{
    Link, SpanBuilder, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracer};
use tracing::field::Empty;
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use uuid::Uuid;

pub use opentelemetry::KeyValue;
pub use opentelemetry::trace::SpanKind;

/// The target of spans that only traces show.
pub const TARGET: &str = "otel";

/// Paths that monitoring requests every few seconds; they are not traced.
const UNTRACED: [&str; 5] = ["/health", "/api/health", "/livez", "/readyz", "/metrics"];

/// The tracer, if this process exports spans.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

thread_local! {
    /// The ids for the next span of this thread, if it is the first of an object's trace.
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Sets the tracer of this process.
pub(crate) fn start(tracer: SdkTracer) {
    let _ = TRACER.set(tracer);
}

/// The `traceparent` (W3C Trace Context) for work that follows from an object, the same in every process. Its flag says
/// whether the object is in the share that is traced.
#[must_use]
pub fn traceparent(object: Uuid) -> String {
    let (trace, first) = ids(object);
    let flags = u8::from(share::contains(trace));
    format!("00-{trace}-{first}-{flags:02x}")
}

/// Makes a span part of an object's trace, under this name; logs may show it under another one.
pub fn join(span: &Span, object: Uuid, name: fmt::Arguments<'_>) {
    if TRACER.get().is_some() {
        let _ = span.set_parent(Context::new().with_remote_span_context(first_span(object)));
        span.context().span().update_name(name.to_string());
    }
}

/// Links the current span, a request's, to an object's trace.
pub fn link(object: Uuid) {
    if TRACER.get().is_some() {
        Span::current().add_link(first_span(object));
    }
}

/// A span that has started and is recorded when its work is done, linked to the request that asked for the work.
#[derive(Debug, Clone)]
pub struct PendingSpan {
    started_at: SystemTime,
    request: Option<SpanContext>,
}

/// Starts a span now, linked to the current request, if there is one; `None` if no traces are exported.
#[must_use]
pub fn begin() -> Option<PendingSpan> {
    TRACER.get()?;
    let request = Span::current().context().span().span_context().clone();
    Some(PendingSpan {
        started_at: SystemTime::now(),
        request: Some(request).filter(SpanContext::is_valid),
    })
}

impl PendingSpan {
    /// Records it as the first span of an object's trace; it ends now.
    pub fn record_first(&self, object: Uuid, name: String, attributes: Vec<KeyValue>) {
        NEXT.set(Some(ids(object)));
        self.export(name, SpanKind::Internal, attributes, &Context::new());
        NEXT.set(None);
    }

    /// Records it as a further span of an object's trace; it ends now.
    pub fn record(&self, object: Uuid, name: String, kind: SpanKind, attributes: Vec<KeyValue>) {
        let parent = Context::new().with_remote_span_context(first_span(object));
        self.export(name, kind, attributes, &parent);
    }

    fn export(&self, name: String, kind: SpanKind, attributes: Vec<KeyValue>, parent: &Context) {
        let Some(tracer) = TRACER.get() else { return };
        let links = self.request.clone().map(Link::with_context);
        let span = SpanBuilder::from_name(name)
            .with_kind(kind)
            .with_start_time(self.started_at)
            .with_attributes(attributes)
            .with_links(links.into_iter().collect());
        // A span ends when it is dropped.
        drop(tracer.build_with_context(span, parent));
    }
}

/// The span of a request, in the trace of its client, or in a new one.
pub(crate) fn request_span<B>(request: &Request<B>, id: &str) -> Span {
    if TRACER.get().is_none() || UNTRACED.contains(&request.uri().path()) {
        return Span::none();
    }
    let span = info_span!(
        target: TARGET,
        "request",
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = request.method().as_str(),
        http.route = Empty,
        http.response.status_code = Empty,
        request_id = id,
    );
    let client = TraceContextPropagator::new()
        .extract_with_context(&Context::new(), &Headers(request.headers()));
    let _ = span.set_parent(client);
    span
}

/// Adds the answer to a request's span.
pub(crate) fn record_answer(span: &Span, method: &Method, route: Option<&str>, status: StatusCode) {
    if span.is_disabled() {
        return;
    }
    let route = route.unwrap_or("none");
    // Recording `otel.name` has no effect any more at this point.
    span.context()
        .span()
        .update_name(format!("{method} {route}"));
    span.record("http.route", route);
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// The id of the current span's trace.
pub(crate) fn current() -> Option<TraceId> {
    TRACER.get()?;
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| span.trace_id())
}

/// The ids of an object's trace and of the first span in it. The second half of a UUID is never zero: it contains the
/// variant.
fn ids(object: Uuid) -> (TraceId, SpanId) {
    let (_, half) = object.as_u64_pair();
    (TraceId::from(object.as_u128()), SpanId::from(half))
}

/// The context of the first span of an object's trace.
fn first_span(object: Uuid) -> SpanContext {
    let (trace, first) = ids(object);
    let flags = TraceFlags::default().with_sampled(share::contains(trace));
    SpanContext::new(trace, first, flags, true, TraceState::default())
}

/// Generates the ids of spans: random, except for the first span of an object's trace.
#[derive(Debug, Default)]
pub(crate) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get()
            .map_or_else(|| self.0.new_trace_id(), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get()
            .map_or_else(|| self.0.new_span_id(), |(_, span)| span)
    }
}

/// Reads `traceparent` from headers.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

pub(crate) mod share {
    //! Sampling: a share of the traces is exported, chosen by their ids, so that all processes choose the same.

    use std::sync::LazyLock;

    use opentelemetry::trace::{Link, SpanContext, SpanKind, TraceContextExt, TraceId, TraceState};
    use opentelemetry::{Context, KeyValue};
    use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

    /// `OTEL_TRACES_SAMPLER_ARG`, from 0 to 1.
    static SHARE: LazyLock<f64> = LazyLock::new(|| {
        let share = crate::env::early("OTEL_TRACES_SAMPLER_ARG").and_then(|text| text.parse().ok());
        share
            .filter(|share| (0.0..=1.0).contains(share))
            .unwrap_or(1.0)
    });

    /// Whether this trace is in the share.
    pub(super) fn contains(trace: TraceId) -> bool {
        within(trace, *SHARE)
    }

    /// The SDK's sampler compares the half of the id whose first bits are the same in every UUID, so it would choose all or
    /// none; here the last 32 bits decide, which are random.
    fn within(trace: TraceId, share: f64) -> bool {
        let [.., a, b, c, d] = trace.to_bytes();
        f64::from(u32::from_be_bytes([a, b, c, d])) < share * (f64::from(u32::MAX) + 1.0)
    }

    /// Takes over the parent span's decision, or decides by the trace's id.
    #[derive(Debug, Clone)]
    pub(crate) struct Share;

    impl ShouldSample for Share {
        fn should_sample(
            &self,
            parent: Option<&Context>,
            trace: TraceId,
            _: &str,
            _: &SpanKind,
            _: &[KeyValue],
            _: &[Link],
        ) -> SamplingResult {
            let parent = parent.map(|context| context.span().span_context().clone());
            let parent = parent.filter(SpanContext::is_valid);
            let sampled = parent
                .as_ref()
                .map_or_else(|| contains(trace), SpanContext::is_sampled);
            SamplingResult {
                decision: if sampled {
                    SamplingDecision::RecordAndSample
                } else {
                    SamplingDecision::Drop
                },
                attributes: Vec::new(),
                trace_state: parent.map_or(TraceState::NONE, |parent| parent.trace_state().clone()),
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_share_of_payments_is_traced_and_not_all_or_none() {
            let ids = (0..10_000_u32).map(|_| uuid::Uuid::now_v7());
            let sampled = ids
                .filter(|id| within(TraceId::from(id.as_u128()), 0.25))
                .count();
            assert!((2200..2800).contains(&sampled), "{sampled} of 10,000");
            let any = TraceId::from(uuid::Uuid::now_v7().as_u128());
            assert!(within(any, 1.0) && !within(any, 0.0));
        }
    }
}
