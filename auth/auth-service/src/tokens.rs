//! The answer that opens a session: an access token and a refresh token.

use authz::membership::Membership;
use authz::staff;
use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use infra::env::ExposeSecret;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::session::Refresh;
use crate::signer::ACCESS_TOKEN_LIFETIME;
use crate::{Auth, Error};

/// An access token for the other services, and the refresh token that replaces it.
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

/// A membership with the refresh token of its session.
pub(crate) struct NewSession(pub(crate) Membership, pub(crate) Refresh);

impl NewSession {
    /// The answer with both tokens. No cache on the way may keep it.
    ///
    /// The role of the house is read after the membership: one that is taken away between the two reads draws a new
    /// generation of the membership, so that this token is refused.
    pub(crate) async fn into_response(
        self,
        auth: &Auth,
        connection: &mut PgConnection,
    ) -> Result<Response, Error> {
        let Self(membership, refresh) = self;
        let staff = staff::find(connection, membership.user).await?;
        let token = auth.signing_keys.signer().await?.access_token_of(
            membership.user,
            membership.account,
            membership.role,
            membership.generation,
            staff,
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
