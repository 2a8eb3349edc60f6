//! `POST /api/v1/auth/refresh` and `/logout`: continue a session, or end it.

use std::net::IpAddr;
use std::sync::Arc;

use authz::audit::{Act, Outcome};
use authz::id::UserId;
use authz::membership;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use infra::env::SecretString;
use infra::http::body::JsonBody;
use infra::http::problem::Problem;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::client_ip::ClientIp;
use crate::session::{EndReason, Rotation};
use crate::tokens::{NewSession, Tokens};
use crate::{Auth, Error, session, unit};

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Presented {
    /// The latest token of its session.
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

/// Refresh.
///
/// Both tokens are new, and the role is the present one. A refresh token works once: sending it again ends the session,
/// because the token may be a stolen copy.
#[utoipa::path(
    post,
    operation_id = "refresh",
    path = "/api/v1/auth/refresh",
    tag = "tokens",
    security(("key" = [])),
    request_body = Presented,
    responses(
        (status = 200, description = "The next tokens", body = Tokens),
        (status = 401, description = "No valid API key, or the token is none, used, or of a session that is over", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn refresh(
    State(auth): State<Arc<Auth>>,
    ClientIp(ip): ClientIp,
    JsonBody(presented): JsonBody<Presented>,
) -> Result<Response, Error> {
    unit(rotate(&auth, &presented, ip)).await
}

async fn rotate(auth: &Auth, presented: &Presented, ip: Option<IpAddr>) -> Result<Response, Error> {
    let mut tx = auth.pool.begin().await?;
    match session::rotate(&mut tx, &presented.refresh_token).await? {
        Rotation::Next(session, next) => {
            let membership = membership::find(&mut *tx, session.account, session.user).await?;
            let Some(membership) = membership else {
                session::end(&mut tx, session.id, EndReason::MembershipEnded).await?;
                tx.commit().await?;
                return Err(Error::WrongToken);
            };
            // Before the commit: if no answer can be made, the token must stay valid.
            let response = NewSession(membership, next)
                .into_response(auth, &mut tx)
                .await?;
            tx.commit().await?;
            Ok(response)
        }
        Rotation::Reused(session) => {
            session::end(&mut tx, session.id, EndReason::TokenReused).await?;
            let act = Act {
                account: Some(session.account),
                target: Some(UserId::from(session.user).to_string()),
                outcome: Outcome::Refused,
                ip,
                ..Act::new("refresh_reused")
            };
            act.record(&mut *tx).await?;
            tx.commit().await?;
            Err(Error::WrongToken)
        }
        Rotation::Unknown => Err(Error::WrongToken),
    }
}

/// Log out.
///
/// The session ends with all its refresh tokens; the access token expires by itself. The answer is the same for every
/// token, known or not.
#[utoipa::path(
    post,
    operation_id = "log_out",
    path = "/api/v1/auth/logout",
    tag = "tokens",
    security(("key" = [])),
    request_body = Presented,
    responses((status = 204, description = "There is no such session, or no more")),
)]
pub(crate) async fn logout(
    State(auth): State<Arc<Auth>>,
    ClientIp(ip): ClientIp,
    JsonBody(presented): JsonBody<Presented>,
) -> Result<StatusCode, Error> {
    unit(end(&auth, &presented, ip)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn end(auth: &Auth, presented: &Presented, ip: Option<IpAddr>) -> Result<(), Error> {
    let mut tx = auth.pool.begin().await?;
    if let Some(session) = session::find(&mut tx, &presented.refresh_token).await? {
        session::end(&mut tx, session.id, EndReason::Logout).await?;
        let act = Act {
            account: Some(session.account),
            user: Some(session.user),
            ip,
            ..Act::new("logout")
        };
        act.record(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}
