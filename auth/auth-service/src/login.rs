//! `POST /api/v1/auth/login`: an access token for a password.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use infra::env::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::body::{Body, Invalid};
use crate::keys::ACCESS_TOKEN_LIFETIME;
use crate::register::LONGEST_PASSWORD;
use crate::{Auth, Error, store};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    email: String,
    password: SecretString,
}

#[derive(Serialize)]
struct Token {
    token: String,
    expires_in: u64,
}

/// Answers 200 with `token` and `expires_in` (seconds). A wrong password and an unknown user get the same answer after
/// the same work. A password that was hashed with older parameters is hashed again.
pub(crate) async fn login(
    State(auth): State<Arc<Auth>>,
    Body(credentials): Body<Credentials>,
) -> Result<Response, Error> {
    let password = credentials.password;
    if password.expose_secret().chars().count() > LONGEST_PASSWORD {
        return Err(Invalid::field("password", "This must be at most 256 characters.").into());
    }
    let member = store::member(&auth.pool, &credentials.email.trim().to_ascii_lowercase()).await?;
    let hash = member.as_ref().map(|member| member.password_hash.as_str());
    let matches = auth.passwords.verify(password.clone(), hash).await?;
    let member = member.filter(|_| matches).ok_or(Error::WrongCredentials)?;
    if auth.passwords.is_outdated(&member.password_hash) {
        let fresh = auth.passwords.hash(password).await?;
        store::replace_hash(&auth.pool, member.user, &member.password_hash, &fresh).await?;
    }
    let body = Json(Token {
        token: auth
            .signer
            .access_token(member.user, member.account, member.role)?,
        expires_in: ACCESS_TOKEN_LIFETIME.as_secs(),
    });
    let private = HeaderValue::from_static("no-store");
    Ok(([(header::CACHE_CONTROL, private)], body).into_response())
}
