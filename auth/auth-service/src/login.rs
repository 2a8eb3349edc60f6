//! `POST /api/v1/auth/login`: an access token and a refresh token for a password.

use std::net::IpAddr;
use std::sync::Arc;

use authz::audit::{Act, Outcome};
use authz::id::UserId;
use authz::membership;
use axum::extract::State;
use axum::response::Response;
use infra::env::SecretString;
use infra::http::body::JsonBody;
use infra::http::problem::Problem;
use infra::id::AccountId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::client_ip::ClientIp;
use crate::field_rules::{check_password_length, parse_email};
use crate::store::User;
use crate::tokens::{NewSession, Tokens};
use crate::{Auth, Error, session, store, unit};

/// The credentials of a user.
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
    JsonBody(credentials): JsonBody<Credentials>,
) -> Result<Response, Error> {
    let password = credentials.password;
    check_password_length("password", &password)?;
    // Text that is no address belongs to no user; the work is the same.
    let user = match parse_email(&credentials.email) {
        Ok(email) => unit(store::user_named(&auth.pool, &email)).await?,
        Err(_) => None,
    };
    let hash = user.as_ref().map(|user| user.password_hash.as_str());
    let matches = auth.passwords.verify(password.clone(), hash).await?;
    let session = match &user {
        Some(user) if matches => open(&auth, user, credentials.account_id, ip, password).await?,
        _ => None,
    };
    if let Some(tokens) = session {
        return Ok(tokens);
    }
    let reason = if matches {
        "no_such_membership"
    } else {
        "wrong_credentials"
    };
    unit(record_failure(&auth, user, reason, ip)).await?;
    Err(Error::WrongCredentials)
}

/// Writes the audit record of a login that was refused.
async fn record_failure(
    auth: &Auth,
    user: Option<User>,
    reason: &'static str,
    ip: Option<IpAddr>,
) -> Result<(), Error> {
    let account = match &user {
        Some(user) => membership::oldest(&auth.pool, user.id).await?,
        None => None,
    };
    let act = Act {
        account: account.map(|membership| membership.account),
        target: user.map(|user| UserId::from(user.id).to_string()),
        outcome: Outcome::Refused,
        reason: Some(reason),
        ip,
        ..Act::new("login_failed")
    };
    Ok(act.record(&auth.pool).await?)
}

/// Opens a session for a user whose password was right, unless the password changed meanwhile or the user is not a member of
/// the account. A password that was hashed with older parameters is hashed again.
async fn open(
    auth: &Auth,
    user: &User,
    account: Option<AccountId>,
    ip: Option<IpAddr>,
    password: SecretString,
) -> Result<Option<Response>, Error> {
    if auth.passwords.is_outdated(&user.password_hash) {
        let fresh = auth.passwords.hash(password).await?;
        unit(store::replace_hash(
            &auth.pool,
            user.id,
            &user.password_hash,
            &fresh,
        ))
        .await?;
    }
    unit(open_session(auth, user, account, ip)).await
}

async fn open_session(
    auth: &Auth,
    user: &User,
    account: Option<AccountId>,
    ip: Option<IpAddr>,
) -> Result<Option<Response>, Error> {
    let mut tx = auth.pool.begin().await?;
    if !store::hold_password(&mut tx, user.id, user.password_version).await? {
        return Ok(None);
    }
    let membership = match account {
        Some(account) => membership::find(&mut *tx, account.uuid(), user.id).await?,
        None => membership::oldest(&mut *tx, user.id).await?,
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
    let response = NewSession(membership, refresh)
        .into_response(auth, &mut tx)
        .await?;
    tx.commit().await?;
    Ok(Some(response))
}
