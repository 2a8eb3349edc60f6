//! Metrics of requests: their number and duration.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use parking_lot::RwLock;

use crate::metrics::{Counter, Counters, Histogram, Histograms};

static REQUESTS: Counters<4> = Counters::new(
    "pawl_http_requests_total",
    "Requests that were answered; route is the pattern, `none` where there was no such route.",
    ["service", "method", "route", "status"],
);
static TIMES: Histograms<3> = Histograms::new(
    "pawl_http_request_seconds",
    "From a request's headers to the head of its answer.",
    ["service", "method", "route"],
);

/// The label of requests that match no route.
const NO_ROUTE: &str = "none";

/// The metrics of one service's requests. Cheap to clone.
#[derive(Clone)]
pub(super) struct RequestMetrics {
    service: &'static str,
    routes: Arc<RwLock<HashMap<&'static str, Vec<Entry>>>>,
}

/// The metrics of one route, method and status.
struct Entry {
    method: &'static str,
    status: StatusCode,
    requests: &'static Counter,
    times: &'static Histogram,
}

impl RequestMetrics {
    pub(super) fn new(service: &'static str) -> Self {
        Self {
            service,
            routes: Arc::default(),
        }
    }

    /// Counts an answer. Every request comes here, so it takes two look-ups and copies nothing.
    pub(super) fn record(
        &self,
        method: &Method,
        route: Option<&str>,
        status: StatusCode,
        took: Duration,
    ) {
        let (method, route) = (name(method), route.unwrap_or(NO_ROUTE));
        let routes = self.routes.read();
        let mut known = routes.get(route).into_iter().flatten();
        if let Some(entry) = known.find(|entry| entry.status == status && entry.method == method) {
            entry.record(took);
            return;
        }
        drop(routes);
        self.add(method, route, status).record(took);
    }

    /// Adds the metrics of the first such answer.
    fn add(&self, method: &'static str, route: &str, status: StatusCode) -> Entry {
        let mut routes = self.routes.write();
        let known = routes.get_key_value(route).map(|(route, _)| *route);
        // Leaks no more than one string for each route of the service.
        let route: &'static str = known.unwrap_or_else(|| Box::leak(Box::from(route)));
        let entry = || Entry {
            method,
            status,
            requests: REQUESTS.with_labels([self.service, method, route, text(status)]),
            times: TIMES.with_labels([self.service, method, route]),
        };
        routes.entry(route).or_default().push(entry());
        entry()
    }
}

impl Entry {
    fn record(&self, took: Duration) {
        self.requests.increment(1);
        self.times.record(took);
    }
}

/// A method's name; all unknown methods share one.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// A status as text. Leaks one string for each metric that is added.
fn text(status: StatusCode) -> &'static str {
    Box::leak(Box::from(status.as_str()))
}
