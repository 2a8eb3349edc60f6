//! `POST /api/v1/auth/register`: a new user in an account of its own.

use std::sync::Arc;

use authz::audit::Act;
use authz::id::UserId;
use authz::{Role, membership};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use infra::env::{ExposeSecret, SecretString};
use infra::http::problem::Problem;
use infra::id::AccountId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::{Body, Invalid};
use crate::guard::ClientIp;
use crate::{Auth, Error, store};

const SHORTEST_PASSWORD: usize = 8;
/// In characters; also what login refuses to hash beyond.
pub(crate) const LONGEST_PASSWORD: usize = 256;
const LONGEST_NAME: usize = 200;

/// Somebody new.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registration {
    #[schema(
        max_length = 254,
        pattern = r"^[!-?A-~]+@[!-,\-/-?A-~]+(\.[!-,\-/-?A-~]+)*$"
    )]
    email: String,
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 256)]
    password: SecretString,
    /// What the account is called; the address when absent.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    name: Option<String>,
}

/// The user and the account that are there now.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registered {
    id: UserId,
    account_id: AccountId,
    email: String,
}

/// Register.
///
/// The user gets an account of its own. An address that is taken is a 409 and changes nothing.
#[utoipa::path(
    post,
    operation_id = "register",
    path = "/api/v1/auth/register",
    tag = "tokens",
    security(("key" = [])),
    request_body = Registration,
    responses(
        (status = 201, description = "User, account and membership are there", body = Registered),
        (status = 409, description = "The address is taken", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn register(
    State(auth): State<Arc<Auth>>,
    ClientIp(ip): ClientIp,
    Body(registration): Body<Registration>,
) -> Result<Response, Error> {
    let email = email(&registration.email)?;
    check_password("password", &registration.password)?;
    let name = match &registration.name {
        Some(name) => check_name("name", name)?,
        None => &email,
    };
    let hash = auth.passwords.hash(registration.password).await?;
    let mut tx = auth.pool.begin().await?;
    let user = store::insert_user(&mut tx, &email, &hash).await?;
    let account = store::insert_account(&mut tx, name).await?;
    membership::assign(&mut tx, account, user, Role::User).await?;
    let act = Act {
        account: Some(account),
        user: Some(user),
        ip,
        ..Act::new("registered")
    };
    act.record(&mut *tx).await?;
    tx.commit().await?;
    let body = Json(Registered {
        id: user.into(),
        account_id: account.into(),
        email,
    });
    let private = HeaderValue::from_static("no-store");
    Ok((
        StatusCode::CREATED,
        [(header::CACHE_CONTROL, private)],
        body,
    )
        .into_response())
}

/// The address in the form in which it is kept: lower case. Only ASCII is taken, where that is the same for everybody.
pub(crate) fn email(text: &str) -> Result<String, Invalid> {
    let text = text.trim();
    let is_address = text.len() <= 254
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.contains('@')
                && domain.split('.').all(|label| !label.is_empty())
        });
    if is_address {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(Invalid::field("email", "This must be an e-mail address."))
    }
}

/// A name without the white space around it.
pub(crate) fn check_name<'a>(param: &str, name: &'a str) -> Result<&'a str, Invalid> {
    let trimmed = name.trim();
    if trimmed.is_empty()
        || name.chars().count() > LONGEST_NAME
        || name.chars().any(char::is_control)
    {
        return Err(Invalid::field(
            param,
            "This must be 1 to 200 printable characters.",
        ));
    }
    Ok(trimmed)
}

/// Length is all that is asked of a password, and nothing of it is trimmed or cut.
pub(crate) fn check_password(param: &str, password: &SecretString) -> Result<(), Invalid> {
    let length = password.expose_secret().chars().count();
    if (SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&length) {
        Ok(())
    } else {
        Err(Invalid::field(param, "This must be 8 to 256 characters."))
    }
}
