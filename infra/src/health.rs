//! The health of a service: whether it runs (`/health`, `/livez`), and whether it can do its work (`/readyz`).

mod loops;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use sqlx::PgPool;
use utoipa::openapi::path::{HttpMethod, OperationBuilder};
use utoipa::openapi::{Content, OpenApi, PathItem, ResponseBuilder};

use crate::http::Stopping;
use crate::postgres;

pub use loops::{Loop, Loops, ROUND_LIMIT, Round};

/// What failed readiness checks have logged lately, by service.
static SAID: Mutex<BTreeMap<(&str, String), Instant>> = Mutex::new(BTreeMap::new());
/// The same failure is logged again after this time.
const SAID_AGAIN_AFTER: Duration = Duration::from_mins(1);

/// Why a service is not ready any more that got a signal to stop.
const STOPPING: &str = "stopping: send requests to another instance";

/// `/health`, `/livez`, `/readyz` and `/metrics`. `ready` asks the dependencies of the service.
pub fn routes<S, F, R>(service: &'static str, ready: F) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    F: Fn(S) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Readiness> + Send + 'static,
{
    Router::new()
        .route("/health", get(async move || alive(service)))
        .route("/livez", get(async move || alive(service)))
        .route(
            "/readyz",
            get(
                async move |State(state): State<S>, stopping: Option<Extension<Stopping>>| {
                    let ready = ready(state).await;
                    match stopping {
                        None => ready,
                        Some(_) => ready.needs("process", Err(STOPPING.to_owned())),
                    }
                },
            ),
        )
        .route("/metrics", get(crate::metrics::page))
}

/// Adds `/health`, `/livez` and `/readyz` to the description of a service. `requires` names in a sentence the dependencies
/// without which the service is not ready.
pub fn describe(document: &mut OpenApi, service: &'static str, requires: &str) {
    let alive = json!({"status": "ok", "service": service});
    for name in ["health", "livez"] {
        let operation = OperationBuilder::new()
            .summary(Some("Whether the process runs."))
            .response("200", response("The process runs", Some(alive.clone())));
        add(document, name, operation);
    }
    let operation = OperationBuilder::new()
        .summary(Some("Whether the service can do its work."))
        .description(Some(requires))
        .response("200", response("The service can do its work", None))
        .response("503", response("A required dependency is away", None));
    add(document, "readyz", operation);
}

fn add(document: &mut OpenApi, name: &str, operation: OperationBuilder) {
    let operation = operation.operation_id(Some(name)).tag("service").build();
    let item = PathItem::new(HttpMethod::Get, operation);
    document.paths.paths.insert(format!("/{name}"), item);
}

fn response(description: &str, example: Option<Value>) -> ResponseBuilder {
    let mut content = Content::new(Some(<Value as utoipa::PartialSchema>::schema()));
    content.example = example;
    ResponseBuilder::new()
        .description(description)
        .content("application/json", content)
}

/// The answer of `/health`: the process runs. No dependency is asked.
#[must_use]
pub fn alive(service: &'static str) -> Response {
    Json(json!({"status": "ok", "service": service})).into_response()
}

/// The answer of `/readyz`: the state of each dependency at this moment.
#[derive(Debug)]
pub struct Readiness {
    service: &'static str,
    ready: bool,
    checks: Map<String, Value>,
}

impl Readiness {
    /// A service without dependencies, which is ready.
    #[must_use]
    pub fn new(service: &'static str) -> Self {
        Self {
            service,
            ready: true,
            checks: Map::new(),
        }
    }

    /// Adds a dependency that the service needs: while it is away, the service is not ready.
    #[must_use]
    pub fn requires<E: Display>(mut self, name: &str, state: Result<(), E>) -> Self {
        self.ready &= state.is_ok();
        self.reports(name, state)
    }

    /// Adds the database: whether it answers, whether this machine's clock agrees with its own, and whether its schema is at
    /// least of version `needed`. A newer schema is named in the answer and does not make the process unready, since services are restarted after a migration.
    #[must_use]
    pub async fn database(self, pool: &PgPool, needed: i64) -> Self {
        let (skew, found) =
            tokio::join!(postgres::clock_skew(pool), postgres::schema_version(pool));
        let schema = match &found {
            Ok(found) if *found < needed => Err(format!(
                "schema version {found} found, {needed} needed: run `pawl migrate`"
            )),
            _ => Ok(()),
        };
        let clock = skew
            .as_ref()
            .map_or(Ok(()), |skew| postgres::check_clock(*skew));
        // A database without its roles refuses the connection; the schema is its reason then.
        let answers = if schema.is_err() {
            Ok(())
        } else {
            skew.map(drop)
        };
        let mut readiness = self
            .requires("postgres", answers)
            .needs("schema", schema)
            .needs("clock", clock);
        if let Ok(found) = found
            && found > needed
        {
            let newer = format!(
                "ok; schema version {found} found, this program knows {needed}: replace it by the newer one"
            );
            readiness.checks.insert("schema".to_owned(), newer.into());
        }
        readiness
    }

    /// Adds a condition of this process itself, without which it is not ready. The answer holds the reason, which must
    /// name what to do and nothing of the inside.
    #[must_use]
    pub fn needs(mut self, name: &str, state: Result<(), String>) -> Self {
        self.ready &= state.is_ok();
        if let Err(reason) = &state
            && self.is_news(name, reason)
        {
            tracing::warn!(
                condition = name,
                reason,
                "readiness check failed: /readyz answers 503 with this reason"
            );
        }
        let state = state.err().unwrap_or_else(|| "ok".to_owned());
        self.checks.insert(name.to_owned(), state.into());
        self
    }

    /// Whether a failure should be logged: readiness is asked every few seconds, and says the same for as long as it lasts.
    fn is_news(&self, name: &str, reason: &str) -> bool {
        let mut said = SAID.lock();
        said.retain(|_, at| at.elapsed() < SAID_AGAIN_AFTER);
        // Without numbers, which count seconds.
        let reason = reason.replace(|it: char| it.is_ascii_digit(), "");
        let key = (self.service, format!("{name}: {reason}"));
        let is_news = !said.contains_key(&key);
        if is_news {
            said.insert(key, Instant::now());
        }
        is_news
    }

    /// Adds a dependency that is reported only: the service works without it.
    #[must_use]
    pub fn reports<E: Display>(mut self, name: &str, state: Result<(), E>) -> Self {
        let state = match state {
            Ok(()) => "ok",
            Err(error) => {
                // The cause may name hosts and users, so the answer does not hold it.
                if self.is_news(name, "away") {
                    tracing::warn!(
                        dependency = name,
                        %error,
                        "readiness check failed: the dependency does not answer; /readyz reports it as away"
                    );
                }
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
        let retry = [(header::RETRY_AFTER, "1")];
        (StatusCode::SERVICE_UNAVAILABLE, retry, body).into_response()
    }
}
