//! The public door: merchants' payments under `/api/v1`, and Stripe's webhooks.
//!
//! It checks who calls and what they send, and hands it to the engine. It talks to Stripe never and to tables never; an
//! answer goes out when the engine says that what it tells is durable.

mod answer;
mod body;
mod commands;
mod deliveries;
mod error;
mod events;
mod extract;
mod filter;
mod health;
mod idempotency;
mod limits;
mod openapi;
mod page;
mod payments;
mod prefer;
mod refunds;
mod webhook;
mod webhook_endpoints;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::http::header;
use axum::routing::get;
use axum::{Router, middleware};
use bytes::Bytes;
use engine::cache::Cache;
use engine::delivery::{Guard, Reach};
use engine::queue::Queue;
use engine::webhook::signature;
use engine::{Engine, Parts};
use infra::Env;
use infra::env::{ExposeSecret, SecretString};
use infra::http::problem::{Code, Problem};
use infra::limit::Limiter;
use redis::aio::ConnectionManager;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use limits::Limits;

/// What the gateway is called in logs, metrics and health.
pub(crate) const SERVICE: &str = "gateway";

/// How long readiness waits for Redis.
const REDIS_PATIENCE: Duration = Duration::from_secs(1);

/// The role whose rights it has in the database: see `migrations/0010_roles.sql`.
const DATABASE_ROLE: &str = "pawl_gateway";

/// What the gateway needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where it listens: `GATEWAY_ADDR`.
    pub address: SocketAddr,
    /// `DATABASE_URL`.
    pub database_url: SecretString,
    /// How many connections it may open: `GATEWAY_DATABASE_CONNECTIONS`.
    pub database_connections: u32,
    /// `REDIS_URL`.
    pub redis_url: SecretString,
    /// Secrets that Stripe may sign webhooks with: `STRIPE_WEBHOOK_SECRET`, several during a rotation.
    pub webhook_secrets: Vec<SecretString>,
    /// Which addresses merchants may name for their own webhooks: `WEBHOOK_ALLOW_PRIVATE`.
    pub webhook_reach: Reach,
    /// Whose tokens are believed.
    pub authz: authz::Config,
    /// How often a caller may ask.
    pub limits: Limits,
}

impl Config {
    /// Reads the environment; faults are collected in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let webhook_secrets = webhook_secrets(env);
        Self {
            address: env.parsed("GATEWAY_ADDR", SocketAddr::from(([127, 0, 0, 1], 8080))),
            database_url: env.secret("DATABASE_URL"),
            database_connections: env.parsed("GATEWAY_DATABASE_CONNECTIONS", 16),
            redis_url: env.secret("REDIS_URL"),
            webhook_secrets,
            webhook_reach: Reach::from_env(env),
            authz: authz::Config::from_env(env),
            limits: Limits::from_env(env),
        }
    }
}

/// The secrets of `STRIPE_WEBHOOK_SECRET`, which are parted by commas.
fn webhook_secrets(env: &mut Env) -> Vec<SecretString> {
    let all = env.secret("STRIPE_WEBHOOK_SECRET");
    let secrets: Vec<SecretString> = all
        .expose_secret()
        .split(',')
        .map(|secret| secret.trim().to_owned().into())
        .collect();
    // A missing one is a fault already.
    if !all.expose_secret().is_empty() && signature::Verifier::new(&secrets).is_err() {
        env.fault("STRIPE_WEBHOOK_SECRET has an empty part: remove the comma beside it");
    }
    secrets
}

/// What every handler may use. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gateway {
    engine: Engine,
    verifier: authz::Verifier,
    /// Verifies that a webhook is Stripe's.
    stripe: signature::Verifier,
    guard: Guard,
    redis: ConnectionManager,
    limits: Arc<Limits>,
    limiter: Limiter,
}

/// Serves the API on `listener` until `shutdown`, then finishes what was begun.
///
/// Postgres and Redis may be away when it starts: requests are answered 503 until Postgres is there.
///
/// # Errors
/// If the configuration cannot be used.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let pool = infra::postgres::pool_as(
        DATABASE_ROLE,
        config.database_url.expose_secret(),
        config.database_connections,
    )?;
    let redis_url = config.redis_url.expose_secret();
    let engine = Engine::start(Parts {
        pool: pool.clone(),
        queue: Queue::connect(redis_url, engine::queue::JOBS)?,
        cache: Cache::connect(redis_url)?,
    });
    let gateway = Gateway {
        engine,
        verifier: authz::Verifier::new(&config.authz, pool.clone())?,
        stripe: signature::Verifier::new(&config.webhook_secrets)
            .context("STRIPE_WEBHOOK_SECRET")?,
        guard: Guard::new(config.webhook_reach),
        redis: infra::redis::manager(redis_url, REDIS_PATIENCE)?,
        limits: Arc::new(config.limits),
        limiter: Limiter::connect(redis_url)?,
    };
    infra::metrics::watch_pool(SERVICE, pool, shutdown.clone());
    tracing::info!(address = %listener.local_addr()?, "the gateway listens");
    infra::http::serve(SERVICE, listener, router(gateway), shutdown).await
}

/// The description of the API: what the gateway serves at `/openapi.json`, and docs/openapi.json repeats.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    openapi::exact(described(merchants()).into_openapi())
}

/// The routes of merchants and their users: who calls is known before any of them begins.
fn merchants() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(payments::create, payments::list))
        .routes(routes!(payments::read))
        .routes(routes!(payments::by_intent))
        .routes(routes!(commands::confirm))
        .routes(routes!(commands::capture))
        .routes(routes!(commands::cancel))
        .routes(routes!(refunds::create, refunds::list))
        .routes(routes!(refunds::read))
        .routes(routes!(events::list))
        .routes(routes!(webhook_endpoints::create, webhook_endpoints::list))
        .routes(routes!(
            webhook_endpoints::read,
            webhook_endpoints::update,
            webhook_endpoints::remove
        ))
        .routes(routes!(webhook_endpoints::rotate_secret))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::read))
        .routes(routes!(deliveries::resend))
}

/// The routes that have a description: both are made from one list.
fn described(merchants: OpenApiRouter<Gateway>) -> OpenApiRouter<Gateway> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .merge(merchants)
        .routes(routes!(webhook::stripe))
        .routes(routes!(health::health))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
}

/// All routes.
fn router(gateway: Gateway) -> Router {
    let limited = middleware::from_fn_with_state(gateway.clone(), limits::limit);
    let (router, document) = described(merchants().route_layer(limited)).split_for_parts();
    // Strings, numbers and lists: there is always JSON of a document.
    let document = Bytes::from(openapi::exact(document).to_json().unwrap_or_default());
    router
        .route(
            "/openapi.json",
            get(move || async move { ([(header::CONTENT_TYPE, "application/json")], document) }),
        )
        .merge(infra::http::docs::pages())
        .route("/metrics", get(infra::metrics::page))
        .fallback(|| async {
            error::named(Problem::new(
                Code::RouteNotFound,
                "There is no such route; /openapi.json lists all.",
            ))
        })
        .method_not_allowed_fallback(|| async {
            error::named(Problem::new(
                Code::MethodNotAllowed,
                "The header Allow names the methods of this route.",
            ))
        })
        .with_state(gateway)
}
