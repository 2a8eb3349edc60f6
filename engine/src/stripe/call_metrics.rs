//! The metrics and the trace span of a call to Stripe, and its entry in the tries of its job.

use std::time::Instant;

use infra::metrics::{Counters, Histograms};
use infra::trace;
use tracing::field::Empty;
use tracing::{Span, info_span};

use super::call_log;
use super::failure::{Answered, Failure};

static CALLS: Counters<2> = Counters::new(
    "pawl_stripe_calls_total",
    "Requests to Stripe, by the class of their answer; unsent ones were not sent.",
    ["call", "class"],
);
static TIMES: Histograms<1> = Histograms::new(
    "pawl_stripe_call_seconds",
    "From sending a request to Stripe to the end of its answer.",
    ["call"],
);

/// Measures one call while it is made.
pub(super) struct CallMetrics {
    call: &'static str,
    keyed: bool,
    begun: Instant,
    span: Span,
}

impl CallMetrics {
    pub(super) fn start(call: &'static str, keyed: bool) -> Self {
        Self {
            call,
            keyed,
            begun: Instant::now(),
            span: info_span!(
                target: trace::TARGET,
                "stripe",
                otel.name = format_args!("stripe {call}"),
                otel.kind = "client",
                otel.status_code = Empty,
                class = Empty,
                http.response.status_code = Empty,
                stripe.request_id = Empty,
                stripe.replayed = Empty,
            ),
        }
    }

    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    pub(super) fn record<T>(self, outcome: &Result<Answered<T>, Failure>) {
        let class = match outcome {
            Ok(_) => "success",
            Err(failure) if failure.sent => failure.class.as_str(),
            Err(_) => "unsent",
        };
        CALLS.with_labels([self.call, class]).increment(1);
        // Stripe answers each of our calls with 200 when it succeeds.
        let (status, request_id, replayed) = match outcome {
            Ok(answer) => (Some(200), answer.request_id.as_deref(), answer.replayed),
            Err(failure) => (
                failure.status,
                failure.request_id.as_deref(),
                failure.replayed,
            ),
        };
        if class != "unsent" {
            TIMES.with_labels([self.call]).record(self.begun.elapsed());
            let answer = (status, request_id, replayed);
            call_log::add(self.call, self.keyed, self.begun, answer);
        }
        if self.span.is_disabled() {
            return;
        }
        self.span.record("class", class);
        self.span.record("http.response.status_code", status);
        self.span.record("stripe.request_id", request_id);
        self.span.record("stripe.replayed", replayed);
        // A declined card is not an error of the call.
        if outcome.is_err() && class != "business" {
            self.span.record("otel.status_code", "ERROR");
        }
    }
}
