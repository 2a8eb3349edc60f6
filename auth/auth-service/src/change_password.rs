//! `POST /api/v1/auth/password`: a new password, which ends every session of the old one.

use std::net::IpAddr;
use std::sync::Arc;

use authz::audit::Act;
use authz::membership;
use axum::extract::State;
use axum::response::Response;
use infra::env::SecretString;
use infra::http::body::JsonBody;
use infra::http::problem::Problem;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::caller::Person;
use crate::client_ip::ClientIp;
use crate::field_rules::{check_password, check_password_length};
use crate::session::EndReason;
use crate::store::User;
use crate::tokens::{NewSession, Tokens};
use crate::{Auth, Error, session, store, unit};

/// The current password and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Renewal {
    #[schema(value_type = String, format = Password, max_length = 256)]
    current_password: SecretString,
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 256)]
    new_password: SecretString,
}

/// Change the password.
///
/// All sessions of the user end, and within 5 s all access tokens that were given out before. The answer is a pair of a
/// new session.
#[utoipa::path(
    post,
    operation_id = "change_password",
    path = "/api/v1/auth/password",
    tag = "tokens",
    security(("key" = [], "token" = [])),
    request_body = Renewal,
    responses(
        (status = 200, description = "The tokens of a new session", body = Tokens),
        (status = 401, description = "No valid API key or token, or the current password is wrong", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn change(
    State(auth): State<Arc<Auth>>,
    person: Person,
    ClientIp(ip): ClientIp,
    JsonBody(renewal): JsonBody<Renewal>,
) -> Result<Response, Error> {
    check_password_length("current_password", &renewal.current_password)?;
    check_password("new_password", &renewal.new_password)?;
    let user = unit(store::user(&auth.pool, person.user)).await?;
    let hash = user.as_ref().map(|user| user.password_hash.as_str());
    let matches = auth
        .passwords
        .verify(renewal.current_password, hash)
        .await?;
    let user = user.filter(|_| matches).ok_or(Error::WrongPassword)?;
    let fresh = auth.passwords.hash(renewal.new_password).await?;
    unit(replace(&auth, &person, &user, &fresh, ip)).await
}

/// Replaces the password of a user who has proved the present one, and opens a session.
async fn replace(
    auth: &Auth,
    person: &Person,
    user: &User,
    fresh: &str,
    ip: Option<IpAddr>,
) -> Result<Response, Error> {
    let mut tx = auth.pool.begin().await?;
    // Before all else: a login with the old password commits before this statement or finds the password changed.
    if !store::change_password(&mut tx, user.id, user.password_version, fresh).await? {
        return Err(Error::WrongPassword);
    }
    session::end_all(&mut tx, user.id, None, EndReason::PasswordChanged).await?;
    membership::renew(&mut tx, user.id).await?;
    let membership = membership::find(&mut *tx, person.caller.account, user.id).await?;
    let membership = membership.ok_or(authz::Error::Unauthenticated)?;
    let refresh = session::open(&mut tx, user.id, membership.account).await?;
    let act = Act {
        ip,
        ..Act::new("password_changed").by(&person.caller)
    };
    act.record(&mut *tx).await?;
    let response = NewSession(membership, refresh)
        .into_response(auth, &mut tx)
        .await?;
    tx.commit().await?;
    Ok(response)
}
