//! Sessions, and the only SQL on `session` and `refresh_token`.
//!
//! A session is one login. Each of its refresh tokens works once and is replaced by the next. A client that sends a used
//! token has a copy, or lost the answer; in both cases the session ends.

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use infra::env::{ExposeSecret, SecretString};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::Error;

const PREFIX: &str = "pawl_rt_";

/// Why a session ends, as the table names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    Logout,
    TokenReused,
    PasswordChanged,
    MembershipEnded,
}

impl EndReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::TokenReused => "token_reused",
            Self::PasswordChanged => "password_changed",
            Self::MembershipEnded => "membership_ended",
        }
    }
}

/// One login.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    pub(crate) id: Uuid,
    pub(crate) user: Uuid,
    pub(crate) account: Uuid,
}

/// A new refresh token. Only its digest is stored.
pub(crate) struct Refresh {
    pub(crate) token: SecretString,
    /// Seconds until the session ends, however often it is refreshed.
    pub(crate) expires_in: i64,
}

/// The result of sending a refresh token.
pub(crate) enum Rotation {
    /// The token was valid and is used now; here is the next one.
    Next(Session, Refresh),
    /// The token was used before.
    Reused(Session),
    /// The token does not exist, or its session is over.
    Unknown,
}

/// Opens a session of 30 days with its first token.
pub(crate) async fn open(
    connection: &mut PgConnection,
    user: Uuid,
    account: Uuid,
) -> Result<Refresh, Error> {
    let id = Uuid::now_v7();
    sqlx::query!(
        "insert into session (id, user_id, account_id, expires_at) values ($1, $2, $3, now() + interval '30 days')",
        id,
        user,
        account,
    )
    .execute(&mut *connection)
    .await?;
    issue(connection, id).await
}

/// Uses a token and makes the next one. If two requests send the same token at once, the second waits here for the first
/// and then finds the token used.
pub(crate) async fn rotate(
    connection: &mut PgConnection,
    token: &SecretString,
) -> Result<Rotation, Error> {
    let digest = authz::digest(token.expose_secret());
    let used = sqlx::query!(
        "update refresh_token t set used_at = now() from session s
         where t.sha256 = $1 and t.used_at is null and s.id = t.session_id and s.revoked_at is null and s.expires_at > now()
         returning s.id, s.user_id, s.account_id",
        &digest[..],
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(row) = used {
        let session = Session {
            id: row.id,
            user: row.user_id,
            account: row.account_id,
        };
        let next = issue(connection, session.id).await?;
        return Ok(Rotation::Next(session, next));
    }
    let reused = sqlx::query!(
        "select s.id, s.user_id, s.account_id from refresh_token t join session s on s.id = t.session_id
         where t.sha256 = $1 and t.used_at is not null",
        &digest[..],
    )
    .fetch_optional(connection)
    .await?;
    Ok(reused.map_or(Rotation::Unknown, |row| {
        Rotation::Reused(Session {
            id: row.id,
            user: row.user_id,
            account: row.account_id,
        })
    }))
}

/// The open session that a token, used or not, belongs to.
pub(crate) async fn find(
    connection: &mut PgConnection,
    token: &SecretString,
) -> Result<Option<Session>, Error> {
    let digest = authz::digest(token.expose_secret());
    let row = sqlx::query!(
        "select s.id, s.user_id, s.account_id from refresh_token t join session s on s.id = t.session_id
         where t.sha256 = $1 and s.revoked_at is null",
        &digest[..],
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Session {
        id: row.id,
        user: row.user_id,
        account: row.account_id,
    }))
}

/// Ends a session; one that is over stays as it is.
pub(crate) async fn end(
    connection: &mut PgConnection,
    session: Uuid,
    reason: EndReason,
) -> Result<(), Error> {
    sqlx::query!(
        "update session set revoked_at = now(), revoked_because = $2 where id = $1 and revoked_at is null",
        session,
        reason.as_str(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends the open sessions of a user: those of one account, or without an account all.
pub(crate) async fn end_all(
    connection: &mut PgConnection,
    user: Uuid,
    account: Option<Uuid>,
    reason: EndReason,
) -> Result<(), Error> {
    sqlx::query!(
        "update session set revoked_at = now(), revoked_because = $3
         where user_id = $1 and revoked_at is null and account_id = coalesce($2, account_id)",
        user,
        account,
        reason.as_str(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes up to a hundred sessions that expired more than 30 days ago, with their tokens, and answers their number.
pub(crate) async fn delete_expired(pool: &PgPool) -> sqlx::Result<u64> {
    let deleted = sqlx::query!(
        "delete from session where id in
            (select id from session where expires_at < now() - interval '30 days' order by expires_at limit 100
             for update skip locked)",
    )
    .execute(pool)
    .await?;
    Ok(deleted.rows_affected())
}

async fn issue(connection: &mut PgConnection, session: Uuid) -> Result<Refresh, Error> {
    let mut bits = [0; 32];
    rand::fill(&mut bits).map_err(|error| Error::System(error.to_string()))?;
    let token: SecretString = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bits)).into();
    let expires_in = sqlx::query_scalar!(
        r#"with issued as (insert into refresh_token (sha256, session_id) values ($1, $2))
           select extract(epoch from expires_at - now())::bigint as "seconds!" from session where id = $2"#,
        &authz::digest(token.expose_secret())[..],
        session,
    )
    .fetch_one(connection)
    .await?;
    Ok(Refresh { token, expires_in })
}
