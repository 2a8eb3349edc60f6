//! The auth service (port 8081): accounts, their users, passwords, and the tokens that other services believe.
//!
//! It alone holds the private key; everybody else asks `/.well-known/jwks.json` for the public one. Every POST needs an
//! API key, because it is made by a back end for its user and never by a browser.

mod body;
mod error;
pub mod keys;
mod login;
mod password;
mod register;
pub mod seed;
mod store;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use authz::api_key::{ApiKeys, Bootstrap};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use infra::Env;
use infra::env::{ExposeSecret, SecretString};
use infra::health::{self, Readiness};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use error::Error;
pub use keys::Signer;
pub use password::Passwords;

const SERVICE: &str = "auth-service";
const CONNECTIONS: u32 = 8;

/// What the auth service is told from outside.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens: `AUTH_ADDR`, 127.0.0.1:8081.
    pub address: SocketAddr,
    /// `DATABASE_URL`.
    pub database_url: SecretString,
    /// The keys that open it before there are any in the database: `AUTH_API_KEYS`.
    pub bootstrap: Bootstrap,
    /// The Ed25519 key that signs tokens, PKCS#8 as PEM or base64: `JWT_PRIVATE_KEY`.
    pub private_key: SecretString,
    /// What its tokens say of themselves: `JWT_ISSUER`, `JWT_AUDIENCE`.
    pub tokens: authz::Config,
}

impl Config {
    /// Reads the configuration; what is wrong with it is told by [`Env::finish`].
    pub fn from_env(env: &mut Env) -> Self {
        let config = Self {
            address: env.parsed("AUTH_ADDR", SocketAddr::from(([127, 0, 0, 1], 8081))),
            database_url: env.secret("DATABASE_URL"),
            bootstrap: Bootstrap::from_env(env),
            private_key: env.secret("JWT_PRIVATE_KEY"),
            tokens: authz::Config::from_env(env),
        };
        let key = config.private_key.expose_secret();
        if !key.is_empty()
            && let Err(error) = config.signer()
        {
            env.fault(format!("JWT_PRIVATE_KEY cannot be used: {error}"));
        }
        config
    }

    fn signer(&self) -> Result<Signer, keys::UnusableKey> {
        Signer::new(
            &self.private_key,
            &self.tokens.issuer,
            &self.tokens.audience,
        )
    }
}

/// What every route shares.
struct Auth {
    pool: PgPool,
    passwords: Passwords,
    signer: Signer,
    bootstrap: Bootstrap,
    keys: ApiKeys,
}

/// Serves until `shutdown` is cancelled, then finishes the requests that are open.
///
/// Postgres may be away at the start; `/readyz` says so.
///
/// # Errors
/// If the configuration cannot be used.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let pool = infra::postgres::pool(config.database_url.expose_secret(), CONNECTIONS)?;
    let auth = Auth {
        signer: config.signer().context("JWT_PRIVATE_KEY cannot be used")?,
        passwords: Passwords::new().context("passwords cannot be hashed")?,
        keys: ApiKeys::new(pool.clone()),
        bootstrap: config.bootstrap,
        pool: pool.clone(),
    };
    infra::metrics::watch_pool(SERVICE, pool, shutdown.clone());
    tracing::info!(address = %listener.local_addr()?, "auth-service listens");
    infra::http::serve(SERVICE, listener, router(Arc::new(auth)), shutdown).await
}

fn router(auth: Arc<Auth>) -> Router {
    Router::new()
        .route("/api/v1/auth/register", post(register::register))
        .route("/api/v1/auth/login", post(login::login))
        .route_layer(middleware::from_fn_with_state(auth.clone(), require_key))
        .route("/health", get(|| async { health::alive(SERVICE) }))
        .route("/livez", get(|| async { health::alive(SERVICE) }))
        .route("/readyz", get(ready))
        .route("/metrics", get(infra::metrics::page))
        .route("/.well-known/jwks.json", get(key_set))
        .fallback(|| async { Error::NoRoute })
        .method_not_allowed_fallback(|| async { Error::NoMethod })
        .with_state(auth)
}

/// Lets a request pass only with one valid `X-API-Key`.
async fn require_key(
    State(auth): State<Arc<Auth>>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let key = authz::api_key::of(request.headers()).ok_or(Error::NoKey)?;
    if auth.bootstrap.holds(key) || auth.keys.find(key).await?.is_some() {
        Ok(next.run(request).await)
    } else {
        Err(Error::NoKey)
    }
}

async fn ready(State(auth): State<Arc<Auth>>) -> Readiness {
    Readiness::of(SERVICE).requires("postgres", infra::postgres::ping(&auth.pool).await)
}

/// The public keys, in the form of RFC 7517.
async fn key_set(State(auth): State<Arc<Auth>>) -> Response {
    let cache = HeaderValue::from_static("public, max-age=300");
    (
        [(header::CACHE_CONTROL, cache)],
        Json(auth.signer.key_set()),
    )
        .into_response()
}
