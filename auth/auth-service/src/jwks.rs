//! `/.well-known/jwks.json`: the public keys that verify access tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use infra::http::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Auth, Error};

/// The form of the public keys on the wire.
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
    let keys = auth.signing_keys.key_set().await?;
    let cache = HeaderValue::from_static("public, max-age=30");
    Ok(([(header::CACHE_CONTROL, cache)], Json(keys)).into_response())
}
