//! Traces: spans in `OpenTelemetry`'s sense, sent where `OTEL_EXPORTER_OTLP_ENDPOINT` says, or nowhere and at no cost.
//!
//! A thing that is worked on for longer than one request, in several processes, has one trace for all of it, and nobody
//! has to store or hand on which: the trace's id is the thing's UUID, and the id of its first span is the UUID's second
//! half. Whoever knows the thing finds its trace; whoever works on it adds a span. A request belongs to its client's
//! trace, and the two are linked.
//!
//! What lasts is a `tracing` span of the target [`TARGET`], which no log shows; what was done for many at once is told
//! afterwards, one [`Since`] each.

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

/// What is asked every few seconds and tells nothing.
const UNTRACED: [&str; 5] = ["/health", "/api/health", "/livez", "/readyz", "/metrics"];

/// What spans are made with, once the process sends any.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

thread_local! {
    /// The ids of the span that this thread makes next, if it is the first of a thing's trace.
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// From here on spans are made by this tracer.
pub(crate) fn start(tracer: SdkTracer) {
    let _ = TRACER.set(tracer);
}

/// The `traceparent` (W3C Trace Context) of work that follows from a thing. It is the same whoever tells it and when;
/// its flag says whether the thing is among the share that is traced, here or by anybody.
#[must_use]
pub fn traceparent(thing: Uuid) -> String {
    let (trace, first) = ids(thing);
    let flags = u8::from(share::holds(trace));
    format!("00-{trace}-{first}-{flags:02x}")
}

/// Makes a span, which logs may show under a name of its own, part of a thing's trace under this one.
pub fn join(span: &Span, thing: Uuid, name: fmt::Arguments<'_>) {
    if TRACER.get().is_some() {
        let _ = span.set_parent(Context::new().with_remote_span_context(first_of(thing)));
        span.context().span().update_name(name.to_string());
    }
}

/// Says in the span that is open now, a request's, which thing it is about.
pub fn link(thing: Uuid) {
    if TRACER.get().is_some() {
        Span::current().add_link(first_of(thing));
    }
}

/// A moment from which work is going on that will be told when it is done, and the request that asked for it.
#[derive(Debug, Clone)]
pub struct Since {
    at: SystemTime,
    request: Option<SpanContext>,
}

/// The moment now, and the request that is being answered, if one is; nothing where no traces are sent.
#[must_use]
pub fn since() -> Option<Since> {
    TRACER.get()?;
    let request = Span::current().context().span().span_context().clone();
    Some(Since {
        at: SystemTime::now(),
        request: Some(request).filter(SpanContext::is_valid),
    })
}

impl Since {
    /// Tells the first span of a thing's trace, which ends now.
    pub fn first(&self, thing: Uuid, name: String, attributes: Vec<KeyValue>) {
        NEXT.set(Some(ids(thing)));
        self.tell(name, SpanKind::Internal, attributes, &Context::new());
        NEXT.set(None);
    }

    /// Tells another span of a thing's trace, which ends now.
    pub fn span(&self, thing: Uuid, name: String, kind: SpanKind, attributes: Vec<KeyValue>) {
        let parent = Context::new().with_remote_span_context(first_of(thing));
        self.tell(name, kind, attributes, &parent);
    }

    fn tell(&self, name: String, kind: SpanKind, attributes: Vec<KeyValue>, parent: &Context) {
        let Some(tracer) = TRACER.get() else { return };
        let links = self.request.clone().map(Link::with_context);
        let span = SpanBuilder::from_name(name)
            .with_kind(kind)
            .with_start_time(self.at)
            .with_attributes(attributes)
            .with_links(links.into_iter().collect());
        // It ends where it is dropped.
        drop(tracer.build_with_context(span, parent));
    }
}

/// The span of a request, in the trace that its client names, or in one of its own.
pub(crate) fn of_request<B>(request: &Request<B>, id: &str) -> Span {
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

/// Completes a request's span.
pub(crate) fn answered(span: &Span, method: &Method, route: Option<&str>, status: StatusCode) {
    if span.is_disabled() {
        return;
    }
    let route = route.unwrap_or("none");
    // A recorded `otel.name` would come too late.
    span.context()
        .span()
        .update_name(format!("{method} {route}"));
    span.record("http.route", route);
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// The trace of the span that is open now.
pub(crate) fn current() -> Option<TraceId> {
    TRACER.get()?;
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| span.trace_id())
}

/// A thing's trace and the first span in it. No UUID that was made has a second half of zeros: its variant stands there.
fn ids(thing: Uuid) -> (TraceId, SpanId) {
    let (_, half) = thing.as_u64_pair();
    (TraceId::from(thing.as_u128()), SpanId::from(half))
}

fn first_of(thing: Uuid) -> SpanContext {
    let (trace, first) = ids(thing);
    let flags = TraceFlags::default().with_sampled(share::holds(trace));
    SpanContext::new(trace, first, flags, true, TraceState::default())
}

/// Gives each span a random id, but for the first of a thing's trace.
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

/// Headers, for those who look for `traceparent`.
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
    //! Which traces are told: a share of them, chosen by their ids, so that all processes choose alike.

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

    /// Whether this trace is among them.
    pub(super) fn holds(trace: TraceId) -> bool {
        within(trace, *SHARE)
    }

    /// The SDK's own sampler looks at the half of the id whose first bits are the same in every UUID, and takes all of
    /// them or none; here the last 32 bits decide, which are random.
    fn within(trace: TraceId, share: f64) -> bool {
        let [.., a, b, c, d] = trace.to_bytes();
        f64::from(u32::from_be_bytes([a, b, c, d])) < share * (f64::from(u32::MAX) + 1.0)
    }

    /// Goes with its parent's decision, or decides by the trace's id.
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
            let wanted = parent
                .as_ref()
                .map_or_else(|| holds(trace), SpanContext::is_sampled);
            SamplingResult {
                decision: if wanted {
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
            let held = ids
                .filter(|id| within(TraceId::from(id.as_u128()), 0.25))
                .count();
            assert!((2200..2800).contains(&held), "{held} of 10,000");
            let any = TraceId::from(uuid::Uuid::now_v7().as_u128());
            assert!(within(any, 1.0) && !within(any, 0.0));
        }
    }
}
