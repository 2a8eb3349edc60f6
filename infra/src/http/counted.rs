//! How many requests there were, and how long they took.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};

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

/// What requests to no route are counted as.
const NOWHERE: &str = "none";

/// The pattern of the route that a request goes to, once the router has found it.
pub(super) type Route = OnceCell<MatchedPath>;

/// The numbers of one service's requests. Cheap to clone.
#[derive(Clone)]
pub(super) struct Counted {
    service: &'static str,
    routes: Arc<RwLock<HashMap<&'static str, Vec<Entry>>>>,
}

/// One way in which requests to one route end.
struct Entry {
    method: &'static str,
    status: StatusCode,
    requests: &'static Counter,
    times: &'static Histogram,
}

impl Counted {
    pub(super) fn of(service: &'static str) -> Self {
        Self {
            service,
            routes: Arc::default(),
        }
    }

    /// Counts an answer. It is on the way of every request: two look-ups, nothing is copied.
    pub(super) fn note(
        &self,
        method: &Method,
        route: Option<&str>,
        status: StatusCode,
        took: Duration,
    ) {
        let (method, route) = (name(method), route.unwrap_or(NOWHERE));
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let mut known = routes.get(route).into_iter().flatten();
        if let Some(entry) = known.find(|entry| entry.status == status && entry.method == method) {
            entry.note(took);
            return;
        }
        drop(routes);
        self.first(method, route, status).note(took);
    }

    fn first(&self, method: &'static str, route: &str, status: StatusCode) -> Entry {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let known = routes.get_key_value(route).map(|(route, _)| *route);
        // As many as the service has routes.
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
    fn note(&self, took: Duration) {
        self.requests.increment(1);
        self.times.record(took);
    }
}

/// Remembers which route a request goes to. It stands inside the router, where that is known.
pub(super) fn remember(request: Request) -> Request {
    if let Some(path) = request.extensions().get::<MatchedPath>() {
        super::with_route(|route| {
            let _ = route.set(path.clone());
        });
    }
    request
}

/// A method's name; all that nobody has heard of are one.
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

/// A status as text: one of those that our handlers give.
fn text(status: StatusCode) -> &'static str {
    Box::leak(Box::from(status.as_str()))
}
