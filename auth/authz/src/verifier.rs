//! From a request's headers to its caller.

use std::fmt;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, header};
use infra::Env;
use jsonwebtoken::jwk::JwkSet;
use sqlx::PgPool;
use tokio::sync::watch;

use crate::api_key::ApiKeys;
use crate::audit::Act;
use crate::key_set::KeySet;
use crate::revocations::Revocations;
use crate::token::Tokens;
use crate::{Caller, Error, Role, api_key, membership};

/// Whose tokens are believed.
#[derive(Clone, Debug)]
pub struct Config {
    /// The `iss` that a token must bear.
    pub issuer: String,
    /// The `aud` that a token must bear.
    pub audience: String,
    /// Where the issuer shows its public keys.
    pub jwks_url: String,
}

impl Config {
    /// Reads `JWT_ISSUER` (`pawl`), `JWT_AUDIENCE` (`pawl-api`) and `JWT_JWKS_URL` (an auth service on this machine).
    pub fn from_env(env: &mut Env) -> Self {
        let jwks_url = env
            .optional("JWT_JWKS_URL")
            .unwrap_or_else(|| "http://127.0.0.1:8081/.well-known/jwks.json".to_owned());
        if !jwks_url.starts_with("http://") && !jwks_url.starts_with("https://") {
            env.fault(format!(
                "JWT_JWKS_URL is {jwks_url:?}, which is not an http(s) address"
            ));
        }
        Self {
            issuer: env.parsed("JWT_ISSUER", "pawl".to_owned()),
            audience: env.parsed("JWT_AUDIENCE", "pawl-api".to_owned()),
            jwks_url,
        }
    }
}

/// Tells callers by their token or key. Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    tokens: Tokens,
    keys: ApiKeys,
    pool: PgPool,
}

impl Verifier {
    /// Verifies tokens with the keys that the auth service shows, and API keys in this database.
    ///
    /// The keys are fetched in the background, so the auth service may start later: until it answers, tokens are
    /// answered 503. What was revoked is read from the database every two seconds; while it is away, tokens that verify
    /// go on. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(config: &Config, pool: PgPool) -> anyhow::Result<Self> {
        Ok(Self::of(KeySet::remote(&config.jwks_url)?, config, pool))
    }

    /// Verifies tokens with exactly these keys; none is ever fetched. Must be called within a Tokio runtime.
    #[must_use]
    pub fn with_keys(keys: &JwkSet, config: &Config, pool: PgPool) -> Self {
        Self::of(KeySet::fixed(keys), config, pool)
    }

    /// Verifies tokens with the keys that this process itself shows (none while it does not know them yet). Must be
    /// called within a Tokio runtime.
    #[must_use]
    pub fn with_own_keys(
        keys: watch::Receiver<Option<JwkSet>>,
        config: &Config,
        pool: PgPool,
    ) -> Self {
        Self::of(KeySet::watched(keys), config, pool)
    }

    fn of(keys: Arc<KeySet>, config: &Config, pool: PgPool) -> Self {
        let revocations = Revocations::followed(pool.clone());
        Self(Arc::new(Inner {
            tokens: Tokens::new(keys, revocations, &config.issuer, &config.audience),
            keys: ApiKeys::new(pool.clone()),
            pool,
        }))
    }

    /// The caller that these headers prove: by `Authorization: Bearer` if it is there, else by `X-API-Key`.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if they prove nobody, [`Error::Unavailable`] if that cannot be told.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Error> {
        if headers.contains_key(header::AUTHORIZATION) {
            let token = only(headers, &header::AUTHORIZATION).and_then(bearer);
            return self
                .0
                .tokens
                .verify(token.ok_or(Error::Unauthenticated)?)
                .await;
        }
        let key = api_key::of(headers).ok_or(Error::Unauthenticated)?;
        let found = self.0.keys.find(key).await.map_err(|error| {
            tracing::error!(%error, "API keys cannot be looked up");
            Error::Unavailable
        })?;
        let key = found.ok_or(Error::Unauthenticated)?;
        Ok(Caller {
            account: key.account.ok_or(Error::Unauthenticated)?,
            user: None,
            role: Role::User,
            key: Some(key.id),
            per_minute: key.per_minute,
        })
    }

    /// What the caller may do at this moment, asked of the database: for what must not be done by somebody who lost the
    /// right to it a second ago.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if a person does not belong to the account any more, [`Error::Unavailable`] if the
    /// database cannot be asked.
    pub async fn current_role(&self, caller: &Caller) -> Result<Role, Error> {
        let Some(user) = caller.user else {
            return Ok(caller.role);
        };
        let found = membership::of(&self.0.pool, caller.account, user).await;
        let membership = found.map_err(|error| {
            tracing::error!(%error, "a role cannot be looked up");
            Error::Unavailable
        })?;
        Ok(membership.ok_or(Error::Unauthenticated)?.role)
    }

    /// Writes down what somebody does, in the database where callers are looked up.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if that cannot be done; then the act must not be done either.
    pub async fn record(&self, act: Act<'_>) -> Result<(), Error> {
        act.record(&self.0.pool).await.map_err(|error| {
            tracing::error!(%error, "an act cannot be written down");
            Error::Unavailable
        })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Verifier")
    }
}

/// The value of a header that came exactly once: two of them could be read differently by a proxy and by us.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

/// The token of `Bearer …`; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
