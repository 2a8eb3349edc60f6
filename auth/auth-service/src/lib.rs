//! The auth service (port 8081): accounts, their users, passwords, and the tokens that other services accept.
//!
//! It alone holds the private key; other services fetch the public one from `/.well-known/jwks.json`. Every route of `/api`
//! needs an API key, because a back end calls it for its users; browsers do not.

mod account;
pub mod admin;
mod api_keys;
mod audit;
mod caller;
mod change_password;
mod client_ip;
pub mod code;
pub mod demo;
mod error;
mod field_rules;
mod jwks;
mod login;
mod members;
mod openapi;
mod page;
mod password;
mod rate_limit;
mod refresh;
mod register;
mod seal;
mod session;
pub mod signer;
pub mod signing_keys;
mod store;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use authz::Verifier;
use authz::api_key::{ApiKeys, Bootstrap};
use infra::client_ip::TrustedProxies;
use infra::env::{ExposeSecret, SecretString};
use infra::limit::Limiter;
use infra::{Env, postgres};
use signing_keys::SigningKeys;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use error::Error;
pub use openapi::document;
pub use password::Passwords;
pub use signer::Signer;

const SERVICE: &str = "auth-service";
const CONNECTIONS: u32 = 8;
/// How often expired sessions are deleted.
const DELETE_EVERY: Duration = Duration::from_mins(10);

/// The database role of the service: see `migrations/0010_roles.sql`.
const DATABASE_ROLE: &str = "pawl_auth";

/// The configuration of the auth service.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens: `AUTH_ADDR`, 127.0.0.1:8081.
    pub address: SocketAddr,
    /// `DATABASE_URL`.
    pub database_url: SecretString,
    /// `REDIS_URL`, where the limits are counted.
    pub redis_url: SecretString,
    /// The proxies whose client addresses are believed: `TRUSTED_PROXIES`.
    pub trusted_proxies: TrustedProxies,
    /// Requests per minute of one address, 0 is no limit: `RATE_LIMIT_IP_PER_MINUTE`, 10.
    pub ip_per_minute: u32,
    /// The keys that open it before there are any in the database: `AUTH_API_KEYS`.
    pub bootstrap: Bootstrap,
    /// The Ed25519 key that signs tokens, PKCS#8 as PEM or base64: `JWT_PRIVATE_KEY`.
    pub private_key: SecretString,
    /// The issuer and the audience of its tokens: `JWT_ISSUER`, `JWT_AUDIENCE`.
    pub tokens: authz::Config,
}

impl Config {
    /// Reads the environment; [`Env::finish`] reports the faults.
    pub fn from_env(env: &mut Env) -> Self {
        let config = Self {
            address: env.socket("AUTH_ADDR"),
            database_url: env.secret("DATABASE_URL"),
            redis_url: env.secret("REDIS_URL"),
            trusted_proxies: TrustedProxies::from_env(env),
            ip_per_minute: env.number("RATE_LIMIT_IP_PER_MINUTE"),
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

    fn signer(&self) -> Result<Signer, signer::UnusableKey> {
        Signer::new(
            &self.private_key,
            &self.tokens.issuer,
            &self.tokens.audience,
        )
    }
}

/// The state of every handler.
struct Auth {
    pool: PgPool,
    passwords: Passwords,
    signing_keys: Arc<SigningKeys>,
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
/// If the configuration cannot be used, or `DATABASE_URL` leads to a connection pooler.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let signing_keys = SigningKeys::new(&config.private_key, &config.tokens);
    let signing_keys = Arc::new(signing_keys.context("JWT_PRIVATE_KEY cannot be used")?);
    postgres::refuse_pooler(config.database_url.expose_secret()).await?;
    let pool = postgres::pool_as(
        DATABASE_ROLE,
        config.database_url.expose_secret(),
        CONNECTIONS,
    )?;
    let auth = Auth {
        verifier: Verifier::with_own_keys(signing_keys.subscribe(), &config.tokens, pool.clone()),
        signing_keys: signing_keys.clone(),
        passwords: Passwords::new().context("passwords cannot be hashed")?,
        keys: ApiKeys::new(pool.clone()),
        limiter: Limiter::connect(config.redis_url.expose_secret())?,
        bootstrap: config.bootstrap,
        trusted_proxies: config.trusted_proxies,
        ip_per_minute: config.ip_per_minute,
        pool: pool.clone(),
    };
    // Each runs one statement or one transaction at a time, so that it may be aborted anywhere.
    let mut background = JoinSet::new();
    background.spawn(signing_keys.follow(pool.clone()));
    background.spawn(delete_expired_sessions(pool.clone()));
    postgres::watch(SERVICE, pool, shutdown.clone());
    tracing::info!(address = %listener.local_addr()?, "auth-service listens");
    infra::http::serve(SERVICE, listener, openapi::router(Arc::new(auth)), shutdown).await
}

/// Runs the statements of one unit of work, for at most [`postgres::ANSWER_WITHIN`]. A password is hashed outside of it,
/// because it may wait for longer.
///
/// # Errors
/// Those of `work`, and [`Error::Database`] past the bound; then the work may have been committed.
fn unit<T>(work: impl Future<Output = Result<T, Error>>) -> impl Future<Output = Result<T, Error>> {
    postgres::unit(work)
}

/// Deletes sessions that expired long ago, again and again.
async fn delete_expired_sessions(pool: PgPool) {
    loop {
        match postgres::within(session::delete_expired(&pool)).await {
            Ok(0) => tokio::time::sleep(DELETE_EVERY).await,
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "failed to delete expired sessions; retrying in 10 minutes");
                tokio::time::sleep(DELETE_EVERY).await;
            }
        }
    }
}
