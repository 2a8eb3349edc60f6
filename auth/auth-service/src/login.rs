//! `POST /api/v1/auth/login`: an access token and a refresh token for a password.

use std::sync::Arc;

use authz::audit::{Act, Outcome};
use authz::id::UserId;
use authz::membership;
use authz::membership::Membership;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use infra::env::{ExposeSecret, SecretString};
use infra::http::problem::Problem;
use infra::id::AccountId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::{Body, Invalid};
use crate::guard::ClientIp;
use crate::keys::ACCESS_TOKEN_LIFETIME;
use crate::register::{LONGEST_PASSWORD, email};
use crate::session::Refresh;
use crate::store::User;
use crate::{Auth, Error, session, store};

/// Who says to be whom.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// The address that was registered.
    email: String,
    #[schema(value_type = String, format = Password, max_length = 256)]
    password: SecretString,
    /// The account to act for; the one that the user has belonged to longest when absent.
    #[serde(default)]
    account_id: Option<AccountId>,
}

/// What opens the other services, and what replaces it when it has expired.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tokens {
    /// The access token: `Authorization: Bearer …`.
    token: String,
    /// Works once, at `/api/v1/auth/refresh`.
    #[schema(pattern = "^pawl_rt_[A-Za-z0-9_-]{43}$")]
    refresh_token: String,
    /// Seconds until the access token expires.
    expires_in: u64,
    /// Seconds until a password must be shown again.
    refresh_expires_in: i64,
}

/// Log in.
///
/// A wrong password and an unknown user get the same answer after the same work.
#[utoipa::path(
    post,
    operation_id = "log_in",
    path = "/api/v1/auth/login",
    tag = "tokens",
    security(("key" = [])),
    request_body = Credentials,
    responses(
        (status = 200, description = "The tokens", body = Tokens),
        (status = 401, description = "No valid API key, or the wrong credentials", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn login(
    State(auth): State<Arc<Auth>>,
    ClientIp(ip): ClientIp,
    Body(credentials): Body<Credentials>,
) -> Result<Response, Error> {
    let password = credentials.password;
    if password.expose_secret().chars().count() > LONGEST_PASSWORD {
        return Err(Invalid::field("password", "This must be at most 256 characters.").into());
    }
    // What is no address names nobody; the work is the same.
    let user = match email(&credentials.email) {
        Ok(email) => store::user_named(&auth.pool, &email).await?,
        Err(_) => None,
    };
    let hash = user.as_ref().map(|user| user.password_hash.as_str());
    let matches = auth.passwords.verify(password.clone(), hash).await?;
    let opened = match &user {
        Some(user) if matches => open(&auth, user, credentials.account_id, ip, password).await?,
        _ => None,
    };
    if let Some(tokens) = opened {
        return Ok(tokens);
    }
    let account = match &user {
        Some(user) => membership::longest_of(&auth.pool, user.id).await?,
        None => None,
    };
    let act = Act {
        account: account.map(|membership| membership.account),
        target: user.map(|user| UserId::from(user.id).to_string()),
        outcome: Outcome::Refused,
        reason: Some(if matches {
            "no_such_membership"
        } else {
            "wrong_credentials"
        }),
        ip,
        ..Act::new("login_failed")
    };
    act.record(&auth.pool).await?;
    Err(Error::WrongCredentials)
}

/// A membership with the refresh token of its session.
pub(crate) struct Opened(pub(crate) Membership, pub(crate) Refresh);

impl Opened {
    /// The answer that tells both tokens, to be kept by nobody on the way.
    pub(crate) fn into_response(self, auth: &Auth) -> Result<Response, Error> {
        let Self(membership, refresh) = self;
        let token = auth.ring.signer()?.access_token_of(
            membership.user,
            membership.account,
            membership.role,
            membership.generation,
        )?;
        let body = Json(Tokens {
            token,
            refresh_token: refresh.token.expose_secret().to_owned(),
            expires_in: ACCESS_TOKEN_LIFETIME.as_secs(),
            refresh_expires_in: refresh.expires_in,
        });
        let private = HeaderValue::from_static("no-store");
        Ok(([(header::CACHE_CONTROL, private)], body).into_response())
    }
}

/// Opens a session for a user who showed the right password, unless it was changed meanwhile or the user does not belong
/// to the account. A password that was hashed with older parameters is hashed again.
async fn open(
    auth: &Auth,
    user: &User,
    account: Option<AccountId>,
    ip: Option<std::net::IpAddr>,
    password: SecretString,
) -> Result<Option<Response>, Error> {
    if auth.passwords.is_outdated(&user.password_hash) {
        let fresh = auth.passwords.hash(password).await?;
        store::replace_hash(&auth.pool, user.id, &user.password_hash, &fresh).await?;
    }
    let mut tx = auth.pool.begin().await?;
    if !store::hold_password(&mut tx, user.id, user.password_version).await? {
        return Ok(None);
    }
    let membership = match account {
        Some(account) => membership::of(&mut *tx, account.uuid(), user.id).await?,
        None => membership::longest_of(&mut *tx, user.id).await?,
    };
    let Some(membership) = membership else {
        return Ok(None);
    };
    let refresh = session::open(&mut tx, user.id, membership.account).await?;
    let act = Act {
        account: Some(membership.account),
        user: Some(user.id),
        ip,
        ..Act::new("login")
    };
    act.record(&mut *tx).await?;
    let response = Opened(membership, refresh).into_response(auth)?;
    tx.commit().await?;
    Ok(Some(response))
}
