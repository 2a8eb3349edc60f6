//! What is open to everybody: whether the service runs, whether it can work, and the public keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use infra::health::{Readiness, alive};
use infra::http::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Auth, Error, SERVICE};

/// How the public keys look on the wire.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the description of another crate's type")]
struct Shown {
    keys: Vec<PublicKey>,
}

/// An Ed25519 key (RFC 8037): its public members and no other.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PublicKey {
    #[schema(pattern = "^OKP$")]
    kty: String,
    #[schema(pattern = "^Ed25519$")]
    crv: String,
    #[schema(pattern = "^EdDSA$")]
    alg: String,
    #[schema(pattern = "^sig$")]
    r#use: String,
    /// The key's thumbprint (RFC 7638).
    kid: String,
    x: String,
}

/// Whether the process runs.
#[utoipa::path(get, path = "/health", tag = "service", responses((status = 200, description = "It does", body = Object)))]
pub(crate) async fn health() -> Response {
    alive(SERVICE)
}

/// Whether the process runs.
#[utoipa::path(get, path = "/livez", tag = "service", responses((status = 200, description = "It does", body = Object)))]
pub(crate) async fn livez() -> Response {
    alive(SERVICE)
}

/// Whether anybody can log in: that takes Postgres and a signing key.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "service",
    responses(
        (status = 200, description = "It can work", body = Object),
        (status = 503, description = "It cannot for the moment", body = Object),
    ),
)]
pub(crate) async fn readyz(State(auth): State<Arc<Auth>>) -> Readiness {
    Readiness::of(SERVICE)
        .requires("postgres", infra::postgres::ping(&auth.pool).await)
        .requires("signing_key", auth.ring.ready().await)
}

/// The public keys (RFC 7517).
///
/// A new key is here before anything is signed with it; a withdrawn one is not.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "service",
    responses(
        (status = 200, description = "The keys", body = Shown),
        (status = 503, description = "None is known yet", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn jwks(State(auth): State<Arc<Auth>>) -> Result<Response, Error> {
    let keys = auth.ring.key_set().await?;
    let cache = HeaderValue::from_static("public, max-age=30");
    Ok(([(header::CACHE_CONTROL, cache)], Json(keys)).into_response())
}
