//! The operators' door: what waits for a person, and what the person decides.
//!
//! It has no SQL and no rules of its own. Reading and acting both need a role that members of a merchant's staff do not
//! have by default, and reach only what belongs to the account of that role. What somebody does is written down before
//! it is done.

mod error;
mod operator;
mod ops;

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use engine::cache::Cache;
use engine::queue::Queue;
use engine::{Engine, Parts};
use infra::Env;
use infra::client_ip::TrustedProxies;
use infra::env::{ExposeSecret, SecretString};
use infra::health::{Readiness, alive};
use infra::http::problem::{Code, Problem};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const SERVICE: &str = "core-service";
const CONNECTIONS: u32 = 8;

/// The role whose rights it has in the database: see `migrations/0010_roles.sql`.
const DATABASE_ROLE: &str = "pawl_core";

/// What the core service needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where it listens: `CORE_ADDR`.
    pub address: SocketAddr,
    /// `DATABASE_URL`.
    pub database_url: SecretString,
    /// `REDIS_URL`.
    pub redis_url: SecretString,
    /// Whose word about a client's address is believed: `TRUSTED_PROXIES`.
    pub trusted_proxies: TrustedProxies,
    /// Whose tokens are believed.
    pub authz: authz::Config,
}

impl Config {
    /// Reads the environment; faults are collected in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        Self {
            address: env.parsed("CORE_ADDR", SocketAddr::from(([127, 0, 0, 1], 8082))),
            database_url: env.secret("DATABASE_URL"),
            redis_url: env.secret("REDIS_URL"),
            trusted_proxies: TrustedProxies::from_env(env),
            authz: authz::Config::from_env(env),
        }
    }
}

/// What every handler may use. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Core {
    engine: Engine,
    verifier: authz::Verifier,
    trusted_proxies: TrustedProxies,
}

/// Serves operators on `listener` until `shutdown`, then finishes what was begun.
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
        CONNECTIONS,
    )?;
    let redis_url = config.redis_url.expose_secret();
    let engine = Engine::start(Parts {
        pool: pool.clone(),
        queue: Queue::connect(redis_url, engine::queue::JOBS)?,
        cache: Cache::connect(redis_url)?,
    });
    let verifier = authz::Verifier::new(&config.authz, pool.clone())?;
    infra::metrics::watch_pool(SERVICE, pool, shutdown.clone());
    tracing::info!(address = %listener.local_addr()?, "the core service listens");
    let core = Core {
        engine,
        verifier,
        trusted_proxies: config.trusted_proxies,
    };
    infra::http::serve(SERVICE, listener, router(core), shutdown).await
}

fn router(core: Core) -> Router {
    let health = || async { alive(SERVICE) };
    Router::new()
        .route("/api/health", get(health))
        .route("/health", get(health))
        .route("/livez", get(health))
        .route("/readyz", get(readyz))
        .route("/metrics", get(infra::metrics::page))
        .route("/api/v1/ops/jobs", get(ops::jobs))
        .route("/api/v1/ops/jobs/{id}/retry", post(ops::retry))
        .merge(infra::http::docs::pages())
        .fallback(|| async {
            error::named(Problem::new(Code::RouteNotFound, "There is no such route."))
        })
        .method_not_allowed_fallback(|| async {
            error::named(Problem::new(
                Code::MethodNotAllowed,
                "The header Allow names the methods of this route.",
            ))
        })
        .with_state(core)
}

/// Whether operators can see and do anything: that takes Postgres.
async fn readyz(State(core): State<Core>) -> Readiness {
    Readiness::of(SERVICE).requires("postgres", core.engine.ready().await)
}
