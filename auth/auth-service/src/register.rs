//! `POST /api/v1/auth/register`: a new user in an account of its own.

use std::sync::Arc;

use authz::Role;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contracts::id::{AccountId, UserId};
use infra::env::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::body::{Body, Invalid};
use crate::{Auth, Error, store};

const SHORTEST_PASSWORD: usize = 8;
/// In characters; also what login refuses to hash beyond.
pub(crate) const LONGEST_PASSWORD: usize = 256;
const LONGEST_NAME: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registration {
    email: String,
    password: SecretString,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Serialize)]
struct Registered {
    id: UserId,
    account_id: AccountId,
    email: String,
}

/// Answers 201 once user, account and membership are committed together. An address that is taken is a 409 and changes
/// nothing.
pub(crate) async fn register(
    State(auth): State<Arc<Auth>>,
    Body(registration): Body<Registration>,
) -> Result<Response, Error> {
    let email = email(&registration.email)?;
    check_password(&registration.password)?;
    let name = registration
        .name
        .as_deref()
        .map_or(email.as_str(), str::trim);
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control)
    {
        return Err(Invalid::field("name", "This must be 1 to 200 printable characters.").into());
    }
    let hash = auth.passwords.hash(registration.password).await?;
    let mut tx = auth.pool.begin().await?;
    let user = store::insert_user(&mut tx, &email, &hash).await?;
    let account = store::insert_account(&mut tx, name).await?;
    store::set_role(&mut tx, account, user, Role::User).await?;
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

/// Length is all that is asked of a password, and nothing of it is trimmed or cut.
pub(crate) fn check_password(password: &SecretString) -> Result<(), Invalid> {
    let length = password.expose_secret().chars().count();
    if (SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&length) {
        Ok(())
    } else {
        Err(Invalid::field(
            "password",
            "This must be 8 to 256 characters.",
        ))
    }
}
