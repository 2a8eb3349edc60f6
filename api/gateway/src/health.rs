//! What the service says about itself, for load balancers and people.

use axum::extract::State;
use axum::response::Response;
use infra::health::{Readiness, alive};

use crate::{Gateway, SERVICE};

/// The process runs.
#[utoipa::path(get, path = "/health", tag = "service", responses((status = 200, description = "The process runs", body = serde_json::Value, example = json!({"status": "ok", "service": "gateway"}))))]
pub(crate) async fn health() -> Response {
    alive(SERVICE)
}

/// The process runs, in Kubernetes' word.
#[utoipa::path(get, path = "/livez", tag = "service", responses((status = 200, description = "The process runs", body = serde_json::Value, example = json!({"status": "ok", "service": "gateway"}))))]
pub(crate) async fn livez() -> Response {
    alive(SERVICE)
}

/// Whether a payment sent now would be accepted.
///
/// That takes Postgres and nothing else. Redis is reported: without it payments are slower to move, not lost.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "service",
    responses(
        (status = 200, description = "Payments are accepted", body = serde_json::Value),
        (status = 503, description = "Postgres is away", body = serde_json::Value),
    ),
)]
pub(crate) async fn readyz(State(gateway): State<Gateway>) -> Readiness {
    let (postgres, redis) =
        tokio::join!(gateway.engine.ready(), infra::redis::ping(&gateway.redis));
    Readiness::of(SERVICE)
        .requires("postgres", postgres)
        .reports("redis", redis)
}
