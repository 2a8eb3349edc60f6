//! The verifier: from a request's headers to its caller.

use std::fmt;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use infra::http::page::Page;
use infra::{Env, postgres};
use jsonwebtoken::jwk::JwkSet;
use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use crate::api_key::ApiKeys;
use crate::audit::Act;
use crate::key_set::KeySet;
use crate::revocations::Revocations;
use crate::single_header::single;
use crate::token::Tokens;
use crate::{Caller, Error, Role, StaffRole, api_key, audit, membership, staff};

/// The issuer whose tokens are accepted.
#[derive(Clone, Debug)]
pub struct Config {
    /// The `iss` of every token.
    pub issuer: String,
    /// The `aud` of every token.
    pub audience: String,
    /// The address of the issuer's public keys.
    pub jwks_url: String,
}

impl Config {
    /// Reads `JWT_ISSUER` (`pawl`), `JWT_AUDIENCE` (`pawl-api`) and `JWT_JWKS_URL` (an auth service on this machine).
    pub fn from_env(env: &Env) -> Self {
        Self {
            issuer: env.text("JWT_ISSUER"),
            audience: env.text("JWT_AUDIENCE"),
            jwks_url: env.text("JWT_JWKS_URL"),
        }
    }
}

/// Finds the caller of a request by its token or API key. Cheap to clone; clones share their caches.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    tokens: Tokens,
    keys: ApiKeys,
    pool: PgPool,
}

impl Verifier {
    /// Verifies tokens with the keys that the auth service publishes, and API keys in this database.
    ///
    /// The keys are fetched in the background; while the auth service does not answer, those that it wrote to this database
    /// are taken. Until either knows a key, requests with tokens are answered 503. Revocations are read from the database every two seconds; while it is away, the last known ones
    /// hold. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(config: &Config, pool: PgPool) -> anyhow::Result<Self> {
        let keys = KeySet::remote(&config.jwks_url, pool.clone())?;
        Ok(Self::start(keys, config, pool))
    }

    /// Verifies tokens with exactly these keys and fetches none. Must be called within a Tokio runtime.
    #[must_use]
    pub fn with_keys(keys: &JwkSet, config: &Config, pool: PgPool) -> Self {
        Self::start(KeySet::fixed(keys), config, pool)
    }

    /// Verifies tokens with the keys that this process itself publishes (`None` while it does not know them yet). Must be
    /// called within a Tokio runtime.
    #[must_use]
    pub fn with_own_keys(
        keys: watch::Receiver<Option<JwkSet>>,
        config: &Config,
        pool: PgPool,
    ) -> Self {
        Self::start(KeySet::watched(keys), config, pool)
    }

    fn start(keys: Arc<KeySet>, config: &Config, pool: PgPool) -> Self {
        let revocations = Revocations::follow(pool.clone());
        Self(Arc::new(Inner {
            tokens: Tokens::new(keys, revocations, &config.issuer, &config.audience),
            keys: ApiKeys::new(pool.clone()),
            pool,
        }))
    }

    /// Checks that tokens can be verified.
    ///
    /// # Errors
    /// A sentence that says what is missing, while no key is known.
    pub fn ready(&self) -> Result<(), String> {
        self.0.tokens.ready()
    }

    /// The caller that these headers prove: by `Authorization: Bearer` if it is there, else by `X-API-Key`.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if they prove no caller, [`Error::Unavailable`] if they cannot be verified now.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Error> {
        if headers.contains_key(header::AUTHORIZATION) {
            let token = single(headers, &header::AUTHORIZATION).and_then(bearer);
            return self
                .0
                .tokens
                .verify(token.ok_or(Error::Unauthenticated)?)
                .await;
        }
        let key = api_key::from_headers(headers).ok_or(Error::Unauthenticated)?;
        let found = self.0.keys.find(key).await;
        let found = found.map_err(|error| {
            tracing::error!(%error, "failed to find an API key; answering 503");
            Error::Unavailable
        })?;
        let key = found.ok_or(Error::Unauthenticated)?;
        Ok(Caller {
            account: key.account.ok_or(Error::Unauthenticated)?,
            user: None,
            role: Role::User,
            staff: None,
            key: Some(key.id),
            per_minute: key.per_minute,
        })
    }

    /// The caller's role in the database at this moment, for actions that a caller who has just lost the role must not do.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if a user is no longer a member of the account, [`Error::Unavailable`] if the database query
    /// fails.
    pub async fn current_role(&self, caller: &Caller) -> Result<Role, Error> {
        let Some(user) = caller.user else {
            return Ok(caller.role);
        };
        let found = postgres::within(membership::find(&self.0.pool, caller.account, user)).await;
        let membership = found.map_err(|error| {
            tracing::error!(%error, "failed to read a role; answering 503");
            Error::Unavailable
        })?;
        Ok(membership.ok_or(Error::Unauthenticated)?.role)
    }

    /// The caller's role of the house in the database at this moment; none for a caller whose token names none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the database query fails.
    pub async fn current_staff(&self, caller: &Caller) -> Result<Option<StaffRole>, Error> {
        let (Some(user), Some(_)) = (caller.user, caller.staff) else {
            return Ok(None);
        };
        let found = postgres::within(staff::find(&self.0.pool, user)).await;
        found.map_err(|error| {
            tracing::error!(%error, "failed to read a role of the house; answering 503");
            Error::Unavailable
        })
    }

    /// A page of the audit records of an account, or of all, and whether more follow.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the database query fails.
    pub async fn audit(
        &self,
        account: Option<Uuid>,
        page: &Page<Uuid>,
    ) -> Result<(Vec<audit::Record>, bool), Error> {
        let read = postgres::within(async {
            match account {
                Some(account) => audit::page(&self.0.pool, account, page).await,
                None => audit::page_of_all(&self.0.pool, page).await,
            }
        });
        read.await.map_err(|error| {
            tracing::error!(%error, "failed to read the audit; answering 503");
            Error::Unavailable
        })
    }

    /// Writes an audit record.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the database fails; then the action must not be done either.
    pub async fn record(&self, act: Act<'_>) -> Result<(), Error> {
        let recorded = postgres::within(act.record(&self.0.pool)).await;
        recorded.map_err(|error| {
            tracing::error!(%error, "failed to write an audit record; the action is not done, answering 503");
            Error::Unavailable
        })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Verifier")
    }
}

/// The token of `Bearer …`; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
