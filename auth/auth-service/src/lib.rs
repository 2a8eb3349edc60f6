//! The auth service (port 8081): accounts, their users, passwords, and the tokens that other services believe.
//!
//! It alone holds the private key; everybody else asks `/.well-known/jwks.json` for the public one. Every POST needs an
//! API key, because it is made by a back end for its user and never by a browser.

mod account;
mod api_keys;
mod body;
mod caller;
mod error;
mod guard;
mod health;
pub mod keys;
mod login;
pub mod manage;
mod members;
mod openapi;
mod page;
mod password;
mod path;
mod records;
mod refresh;
mod register;
mod renewal;
pub mod ring;
pub mod seed;
mod session;
mod store;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use authz::Verifier;
use authz::api_key::{ApiKeys, Bootstrap};
use infra::Env;
use infra::client_ip::TrustedProxies;
use infra::env::{ExposeSecret, SecretString};
use infra::limit::Limiter;
use ring::Ring;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use error::Error;
pub use keys::Signer;
pub use openapi::document;
pub use password::Passwords;

const SERVICE: &str = "auth-service";
const CONNECTIONS: u32 = 8;
/// How often sessions that are long over are forgotten.
const FORGET_EVERY: Duration = Duration::from_mins(10);

/// The role whose rights it has in the database: see `migrations/0010_roles.sql`.
const DATABASE_ROLE: &str = "pawl_auth";

/// What the auth service is told from outside.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens: `AUTH_ADDR`, 127.0.0.1:8081.
    pub address: SocketAddr,
    /// `DATABASE_URL`.
    pub database_url: SecretString,
    /// `REDIS_URL`, where the limits are counted.
    pub redis_url: SecretString,
    /// Whose word about a client's address is believed: `TRUSTED_PROXIES`.
    pub trusted_proxies: TrustedProxies,
    /// How often one address may ask per minute, 0 is no limit: `RATE_LIMIT_IP_PER_MINUTE`, 10.
    pub ip_per_minute: u32,
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
            redis_url: env.secret("REDIS_URL"),
            trusted_proxies: TrustedProxies::from_env(env),
            ip_per_minute: env.parsed("RATE_LIMIT_IP_PER_MINUTE", 10),
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
    ring: Arc<Ring>,
    verifier: Verifier,
    bootstrap: Bootstrap,
    keys: ApiKeys,
    limiter: Limiter,
    trusted_proxies: TrustedProxies,
    ip_per_minute: u32,
}

/// Serves until `shutdown` is cancelled, then finishes the requests that are open.
///
/// Postgres and Redis may be away at the start; `/readyz` says so.
///
/// # Errors
/// If the configuration cannot be used.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let ring = Ring::new(&config.private_key, &config.tokens);
    let ring = Arc::new(ring.context("JWT_PRIVATE_KEY cannot be used")?);
    let pool = infra::postgres::pool_as(
        DATABASE_ROLE,
        config.database_url.expose_secret(),
        CONNECTIONS,
    )?;
    let auth = Auth {
        verifier: Verifier::with_own_keys(ring.shown(), &config.tokens, pool.clone()),
        ring: ring.clone(),
        passwords: Passwords::new().context("passwords cannot be hashed")?,
        keys: ApiKeys::new(pool.clone()),
        limiter: Limiter::connect(config.redis_url.expose_secret())?,
        bootstrap: config.bootstrap,
        trusted_proxies: config.trusted_proxies,
        ip_per_minute: config.ip_per_minute,
        pool: pool.clone(),
    };
    // What they do is one statement or one transaction at a time, so they may be cut short anywhere.
    let mut upkeep = JoinSet::new();
    upkeep.spawn(ring.follow(pool.clone()));
    upkeep.spawn(forget(pool.clone()));
    infra::metrics::watch_pool(SERVICE, pool, shutdown.clone());
    tracing::info!(address = %listener.local_addr()?, "auth-service listens");
    infra::http::serve(SERVICE, listener, openapi::router(Arc::new(auth)), shutdown).await
}

/// Forgets what is long over, again and again.
async fn forget(pool: PgPool) {
    loop {
        match session::forget(&pool).await {
            Ok(0) => tokio::time::sleep(FORGET_EVERY).await,
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "old sessions cannot be forgotten for the moment");
                tokio::time::sleep(FORGET_EVERY).await;
            }
        }
    }
}
