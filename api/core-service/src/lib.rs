//! The core service: the API of operators, who inspect payments and jobs, and retry dead ones; and their console.
//!
//! It has no SQL and no business rules. A caller needs a role that users do not have by default, and reaches only the
//! account of that role; staff of the house reach all accounts. Every action is recorded in the audit before it is done.

pub mod console;
mod drift;
mod error;
mod interventions;
mod openapi;
mod operator;
mod ops;

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use console::Console;
use engine::cache::Cache;
use engine::queue::Queue;
use engine::{Engine, Parts};
use infra::Env;
use infra::client_ip::TrustedProxies;
use infra::env::{ExposeSecret, SecretString};
use infra::health::{Readiness, alive};
use infra::http::routes::with_documents;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The name of the service in logs, metrics and health.
const SERVICE: &str = "core-service";
/// How many database connections it may open.
const CONNECTIONS: u32 = 8;

/// The database role of the service: see `migrations/0010_roles.sql`.
const DATABASE_ROLE: &str = "pawl_core";

/// The configuration of the core service.
#[derive(Debug)]
pub struct Config {
    /// Where it listens: `CORE_ADDR`.
    pub address: SocketAddr,
    /// `DATABASE_URL`.
    pub database_url: SecretString,
    /// `REDIS_URL`.
    pub redis_url: SecretString,
    /// The proxies whose client addresses are believed: `TRUSTED_PROXIES`.
    pub trusted_proxies: TrustedProxies,
    /// The issuer whose tokens are accepted.
    pub authz: authz::Config,
    /// How the console logs people in.
    pub console: console::ConsoleConfig,
}

impl Config {
    /// Reads the environment; faults are collected in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        Self {
            address: env.socket("CORE_ADDR"),
            database_url: env.secret("DATABASE_URL"),
            redis_url: env.secret("REDIS_URL"),
            trusted_proxies: TrustedProxies::from_env(env),
            authz: authz::Config::from_env(env),
            console: console::ConsoleConfig::from_env(env),
        }
    }
}

/// The state of every handler. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Core {
    engine: Engine,
    verifier: authz::Verifier,
    trusted_proxies: TrustedProxies,
    console: Console,
}

/// Serves operators on `listener` until `shutdown`, then finishes the open requests.
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
        CONNECTIONS,
    )?;
    let redis_url = config.redis_url.expose_secret();
    let engine = Engine::start(Parts {
        pool: pool.clone(),
        queue: Queue::connect(redis_url, engine::queue::JOBS)?,
        cache: Cache::connect(redis_url)?,
    });
    let verifier = authz::Verifier::new(&config.authz, pool.clone())?;
    infra::postgres::watch(SERVICE, pool, shutdown.clone());
    tracing::info!(address = %listener.local_addr()?, "core-service listens");
    let core = Core {
        engine,
        verifier,
        trusted_proxies: config.trusted_proxies,
        console: Console::new(config.console, shutdown.clone())?,
    };
    infra::http::serve(SERVICE, listener, router(core), shutdown).await
}

/// The description of the API: `/openapi.json` serves it, and docs/openapi-core.json is a copy of it.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    openapi::finished(openapi::described().into_openapi())
}

fn router(core: Core) -> Router {
    let (router, document) = openapi::described().split_for_parts();
    let router = router
        .route("/api/health", get(async || alive(SERVICE)))
        .merge(infra::health::routes(SERVICE, ready))
        .merge(console::routes(&core));
    with_documents(router, &openapi::finished(document)).with_state(core)
}

/// Whether operators can see and do everything.
async fn ready(core: Core) -> Readiness {
    let readiness = core.engine.check(Readiness::new(SERVICE)).await;
    readiness.needs("callers", core.verifier.ready())
}
