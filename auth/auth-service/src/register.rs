//! `POST /api/v1/auth/register`: a new user in an account of its own.

use std::net::IpAddr;
use std::sync::Arc;

use authz::audit::Act;
use authz::id::UserId;
use authz::{Role, membership};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use infra::env::SecretString;
use infra::http::body::JsonBody;
use infra::http::problem::Problem;
use infra::id::AccountId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::client_ip::ClientIp;
use crate::field_rules::{check_name, check_password, parse_email};
use crate::{Auth, Error, store, unit};

/// The fields of a new user.
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
    /// The name of the account; the address when absent.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    name: Option<String>,
}

/// The new user and the new account.
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
    JsonBody(registration): JsonBody<Registration>,
) -> Result<Response, Error> {
    let email = parse_email(&registration.email)?;
    check_password("password", &registration.password)?;
    let name = match &registration.name {
        Some(name) => check_name("name", name)?,
        None => &email,
    };
    let hash = auth.passwords.hash(registration.password).await?;
    let (user, account) = unit(insert(&auth, &email, &hash, name, ip)).await?;
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

/// Writes the user and the account; answers their ids.
async fn insert(
    auth: &Auth,
    email: &str,
    hash: &str,
    name: &str,
    ip: Option<IpAddr>,
) -> Result<(Uuid, Uuid), Error> {
    let mut tx = auth.pool.begin().await?;
    let user = store::insert_user(&mut tx, email, hash).await?;
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
    Ok((user, account))
}
