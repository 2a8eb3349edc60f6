//! What a service says about itself: that it runs (`/health`, `/livez`), and whether work sent to it can be done (`/readyz`).

use std::fmt::Display;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// The answer of `/health`: the process runs. Nothing is asked of anybody.
#[must_use]
pub fn alive(service: &'static str) -> Response {
    Json(json!({"status": "ok", "service": service})).into_response()
}

/// The answer of `/readyz`, built from one look at each thing the service leans on.
#[derive(Debug)]
pub struct Readiness {
    service: &'static str,
    ready: bool,
    checks: Map<String, Value>,
}

impl Readiness {
    /// A service that leans on nothing is ready.
    #[must_use]
    pub fn of(service: &'static str) -> Self {
        Self {
            service,
            ready: true,
            checks: Map::new(),
        }
    }

    /// Adds something without which no work can be done: if it is away, the service is not ready.
    #[must_use]
    pub fn requires<E: Display>(mut self, name: &str, seen: Result<(), E>) -> Self {
        self.ready &= seen.is_ok();
        self.reports(name, seen)
    }

    /// Adds something that is told and not required: work goes on without it.
    #[must_use]
    pub fn reports<E: Display>(mut self, name: &str, seen: Result<(), E>) -> Self {
        let state = match seen {
            Ok(()) => "ok",
            Err(error) => {
                // The cause may name hosts and users: it goes to the log, not to whoever asks.
                tracing::warn!(name, %error, "a dependency does not answer");
                "away"
            }
        };
        self.checks.insert(name.to_owned(), state.into());
        self
    }
}

impl IntoResponse for Readiness {
    fn into_response(self) -> Response {
        let status = if self.ready { "ok" } else { "unavailable" };
        let body = Json(json!({"status": status, "service": self.service, "checks": self.checks}));
        if self.ready {
            return body.into_response();
        }
        let retry: [(HeaderName, HeaderValue); 1] =
            [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
        (StatusCode::SERVICE_UNAVAILABLE, retry, body).into_response()
    }
}
