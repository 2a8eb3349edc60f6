//! The gateway: the public API of merchants' payments under `/api/v1`, and the endpoint of Stripe's webhooks.
//!
//! It verifies the caller, checks the request and passes it to the engine. It calls neither Stripe nor the database; it
//! answers a command once the engine has made it durable.

mod answer;
pub mod code;
mod commands;
mod deliveries;
mod disputes;
mod early_view;
mod error;
mod events;
mod explanations;
mod extract;
mod filter;
mod home;
mod idempotency;
mod if_none_match;
mod limits;
mod openapi;
mod payments;
mod prefer;
mod refunds;
mod webhook;
mod webhook_endpoints;

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::routing::get;
use axum::{Router, middleware};
use engine::cache::Cache;
use engine::delivery::{Guard, Reach};
use engine::queue::Queue;
use engine::webhook::signature;
use engine::{Engine, Parts};
use infra::Env;
use infra::env::{ExposeSecret, SecretString};
use infra::health::Readiness;
use infra::http::LongBodies;
use infra::http::openapi::exact;
use infra::http::routes::with_documents;
use infra::limit::Limiter;
use infra::redis::{Connection, Lookups};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use home::Links;
pub use limits::Limits;

/// The name of the gateway in logs, metrics and health.
pub(crate) const SERVICE: &str = "gateway";

/// How long readiness waits for Redis.
const REDIS_PATIENCE: Duration = Duration::from_secs(1);

/// How many bodies over 64 KiB are in memory at the same time. Disputes are rare; past it Stripe and clients send them again.
const LONG_AT_ONCE: usize = 16;

/// The database role of the gateway: see `migrations/0010_roles.sql`.
const DATABASE_ROLE: &str = "pawl_gateway";

/// The configuration of the gateway.
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
    /// The issuer whose tokens are accepted.
    pub authz: authz::Config,
    /// The rate limits.
    pub limits: Limits,
    /// What the page at `/` links.
    pub links: Links,
}

impl Config {
    /// Reads the environment; faults are collected in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let webhook_secrets = webhook_secrets(env);
        Self {
            address: env.socket("GATEWAY_ADDR"),
            database_url: env.secret("DATABASE_URL"),
            database_connections: env.number("GATEWAY_DATABASE_CONNECTIONS"),
            redis_url: env.secret("REDIS_URL"),
            webhook_secrets,
            webhook_reach: Reach::from_env(env),
            authz: authz::Config::from_env(env),
            limits: Limits::from_env(env),
            links: Links::from_env(env),
        }
    }
}

/// The secrets of `STRIPE_WEBHOOK_SECRET`, separated by commas.
fn webhook_secrets(env: &mut Env) -> Vec<SecretString> {
    let all = env.secret("STRIPE_WEBHOOK_SECRET");
    all.expose_secret()
        .split(',')
        .map(|secret| secret.trim().to_owned().into())
        .collect()
}

/// The state of every handler. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gateway(Arc<Shared>);

/// What all requests share.
pub(crate) struct Shared {
    engine: Engine,
    verifier: authz::Verifier,
    /// Verifies that a webhook is Stripe's.
    stripe: signature::Verifier,
    guard: Guard,
    long_bodies: LongBodies,
    redis: Connection,
    limits: Limits,
    limiter: Limiter,
}

impl Deref for Gateway {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// Serves the API on `listener` until `shutdown`, then finishes the open requests.
///
/// Postgres and Redis may be away when it starts: requests are answered 503 until Postgres is there.
///
/// # Errors
/// If the configuration cannot be used, or `DATABASE_URL` leads to a connection pooler.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    infra::postgres::refuse_pooler(config.database_url.expose_secret()).await?;
    let pool = infra::postgres::pool_as(
        DATABASE_ROLE,
        config.database_url.expose_secret(),
        config.database_connections,
    )?;
    let redis_url = config.redis_url.expose_secret();
    // A request that needs a token and a view gets both in one round trip.
    let lookups = Lookups::connect(redis_url)?;
    let engine = Engine::start(Parts {
        pool: pool.clone(),
        queue: Queue::connect(redis_url, engine::queue::JOBS)?,
        cache: Cache::with_reads(redis_url, lookups.clone())?,
    });
    let gateway = Gateway(Arc::new(Shared {
        engine,
        verifier: authz::Verifier::new(&config.authz, pool.clone())?,
        stripe: signature::Verifier::new(&config.webhook_secrets)
            .context("STRIPE_WEBHOOK_SECRET")?,
        guard: Guard::new(config.webhook_reach),
        long_bodies: LongBodies::new(LONG_AT_ONCE),
        redis: infra::redis::manager(redis_url, REDIS_PATIENCE)?,
        limits: config.limits,
        limiter: Limiter::new(lookups),
    }));
    infra::postgres::watch(SERVICE, pool, shutdown.clone());
    tracing::info!(address = %listener.local_addr()?, "gateway listens");
    let limits = infra::http::Limits {
        long_bodies: |path| path == webhook::PATH || disputes::takes_evidence(path),
        ..infra::http::Limits::default()
    };
    let home = home::page(&config.links);
    let router = router(gateway).route("/", get(async move || home.clone()));
    infra::http::serve_within(limits, SERVICE, listener, router, shutdown).await
}

/// The description of the API: what the gateway serves at `/openapi.json`, and docs/openapi.json repeats.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    finished(described(merchants()).into_openapi())
}

/// The routes of merchants and their users; [`limits`] verifies the caller of each.
fn merchants() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(payments::create, payments::list))
        .routes(routes!(payments::read))
        .routes(routes!(payments::by_intent))
        .routes(routes!(commands::confirm))
        .routes(routes!(commands::capture))
        .routes(routes!(commands::list_captures))
        .routes(routes!(commands::cancel))
        .routes(routes!(refunds::create, refunds::list))
        .routes(routes!(refunds::list_all))
        .routes(routes!(refunds::read))
        .routes(routes!(disputes::list))
        .routes(routes!(disputes::read))
        .routes(routes!(disputes::submit_evidence))
        .routes(routes!(disputes::accept))
        .routes(routes!(events::list))
        .routes(routes!(explanations::payment))
        .routes(routes!(explanations::refund))
        .routes(routes!(explanations::dispute))
        .routes(routes!(webhook_endpoints::create, webhook_endpoints::list))
        .routes(routes!(
            webhook_endpoints::read,
            webhook_endpoints::update,
            webhook_endpoints::remove
        ))
        .routes(routes!(webhook_endpoints::rotate_secret))
        .routes(routes!(webhook_endpoints::test))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::read))
        .routes(routes!(deliveries::resend))
}

/// The routes that have a description: both are made from one list.
fn described(merchants: OpenApiRouter<Gateway>) -> OpenApiRouter<Gateway> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .merge(merchants)
        .routes(routes!(webhook::stripe))
}

/// The document with the routes of every service.
fn finished(document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let mut document = exact(document);
    let requires = "Payments are accepted while Postgres answers and has the schema, the clock is right, and callers can be verified. Redis is reported: without it payments are slower to move, not lost.";
    infra::health::describe(&mut document, SERVICE, requires);
    document
}

/// All routes.
fn router(gateway: Gateway) -> Router {
    let limited = middleware::from_fn_with_state(gateway.clone(), limits::limit);
    let (router, document) = described(merchants().route_layer(limited)).split_for_parts();
    let router = router.merge(infra::health::routes(SERVICE, ready));
    with_documents(router, &finished(document)).with_state(gateway)
}

/// Whether a payment that is sent now would be accepted.
async fn ready(gateway: Gateway) -> Readiness {
    let (readiness, redis) = tokio::join!(
        gateway.engine.check(Readiness::new(SERVICE)),
        infra::redis::ping(&gateway.redis)
    );
    readiness
        .needs("callers", gateway.verifier.ready())
        .reports("redis", redis)
}
