//! What can be seen of a call from outside: how often it was made, how it ended, how long it took, and its span.

use std::time::Instant;

use infra::metrics::{Counters, Histograms};
use infra::trace;
use tracing::field::Empty;
use tracing::{Span, info_span};

use super::failure::{Answered, Failure};

static CALLS: Counters<2> = Counters::new(
    "pawl_stripe_calls_total",
    "Requests to Stripe, by what their answer meant; unsent ones never left.",
    ["call", "class"],
);
static TIMES: Histograms<1> = Histograms::new(
    "pawl_stripe_call_seconds",
    "From sending a request to Stripe to the end of its answer.",
    ["call"],
);

/// One call, while it is made.
pub(super) struct Watch {
    call: &'static str,
    begun: Instant,
    span: Span,
}

impl Watch {
    pub(super) fn start(call: &'static str) -> Self {
        Self {
            call,
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

    pub(super) fn end<T>(self, outcome: &Result<Answered<T>, Failure>) {
        let class = match outcome {
            Ok(_) => "success",
            Err(failure) if failure.sent => failure.class.as_str(),
            Err(_) => "unsent",
        };
        CALLS.of([self.call, class]).increment(1);
        if class != "unsent" {
            TIMES.of([self.call]).record(self.begun.elapsed());
        }
        if self.span.is_disabled() {
            return;
        }
        // Every success of the calls that we make is a 200.
        let (status, request_id, replayed) = match outcome {
            Ok(answer) => (Some(200), answer.request_id.as_deref(), answer.replayed),
            Err(failure) => (
                failure.status,
                failure.request_id.as_deref(),
                failure.replayed,
            ),
        };
        self.span.record("class", class);
        self.span.record("http.response.status_code", status);
        self.span.record("stripe.request_id", request_id);
        self.span.record("stripe.replayed", replayed);
        // A card that is declined is an answer like any other.
        if outcome.is_err() && class != "business" {
            self.span.record("otel.status_code", "ERROR");
        }
    }
}
