//! `POST /api/v1/auth/password`: another password, which ends everything that the old one opened.

use std::sync::Arc;

use authz::audit::Act;
use authz::membership;
use axum::extract::State;
use axum::response::Response;
use infra::env::{ExposeSecret, SecretString};
use infra::http::problem::Problem;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::body::{Body, Invalid};
use crate::caller::Person;
use crate::guard::ClientIp;
use crate::login::{Opened, Tokens};
use crate::register::{LONGEST_PASSWORD, check_password};
use crate::session::Because;
use crate::{Auth, Error, session, store};

/// The password as it is and as it shall be.
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
    Body(renewal): Body<Renewal>,
) -> Result<Response, Error> {
    if renewal.current_password.expose_secret().chars().count() > LONGEST_PASSWORD {
        let detail = "This must be at most 256 characters.";
        return Err(Invalid::field("current_password", detail).into());
    }
    check_password("new_password", &renewal.new_password)?;
    let user = store::user(&auth.pool, person.user).await?;
    let hash = user.as_ref().map(|user| user.password_hash.as_str());
    let matches = auth
        .passwords
        .verify(renewal.current_password, hash)
        .await?;
    let user = user.filter(|_| matches).ok_or(Error::WrongPassword)?;
    let fresh = auth.passwords.hash(renewal.new_password).await?;

    let mut tx = auth.pool.begin().await?;
    // First of all: logins that hold the old password end before this or find it changed.
    if !store::change_password(&mut tx, user.id, user.password_version, &fresh).await? {
        return Err(Error::WrongPassword);
    }
    session::end_all(&mut tx, user.id, None, Because::PasswordChanged).await?;
    membership::renew(&mut tx, user.id).await?;
    let membership = membership::of(&mut *tx, person.caller.account, user.id).await?;
    let membership = membership.ok_or(authz::Error::Unauthenticated)?;
    let refresh = session::open(&mut tx, user.id, membership.account).await?;
    let act = Act {
        ip,
        ..Act::new("password_changed").by(&person.caller)
    };
    act.record(&mut *tx).await?;
    let response = Opened(membership, refresh).into_response(&auth)?;
    tx.commit().await?;
    Ok(response)
}
