//! Staff of the house: people who see and act across accounts, and the only SQL on the table `staff`.
//!
//! The command line of operators is the only caller of [`grant`] and [`revoke`]: no service may write the table, so that no
//! administrator of an account can become staff.

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::membership;
use crate::staff_role::{StaffRole, UnknownStaffRole};

/// The role of the house that this user has now.
///
/// # Errors
/// If the database query fails.
pub async fn find(executor: impl PgExecutor<'_>, user: Uuid) -> sqlx::Result<Option<StaffRole>> {
    let role = sqlx::query_scalar!("select role from staff where user_id = $1", user)
        .fetch_optional(executor)
        .await?;
    let role = role.map(|role| role.parse().map_err(decode));
    role.transpose()
}

/// Everybody with a role of the house, in the order of their ids.
///
/// # Errors
/// If the database query fails.
pub async fn all(executor: impl PgExecutor<'_>) -> sqlx::Result<Vec<(Uuid, StaffRole)>> {
    let rows = sqlx::query!("select user_id, role from staff order by user_id")
        .fetch_all(executor)
        .await?;
    rows.into_iter()
        .map(|row| Ok((row.user_id, row.role.parse().map_err(decode)?)))
        .collect()
}

/// Gives a user a role of the house, whatever it was before, and ends all access tokens that the user has, which say
/// otherwise. Returns the role before.
///
/// # Errors
/// If the database refuses, as when there is no such user.
pub async fn grant(
    connection: &mut PgConnection,
    user: Uuid,
    role: StaffRole,
) -> sqlx::Result<Option<StaffRole>> {
    let before = find(&mut *connection, user).await?;
    sqlx::query!(
        "insert into staff (user_id, role) values ($1, $2)
         on conflict (user_id) do update set role = excluded.role, granted_at = now()",
        user,
        role.as_str(),
    )
    .execute(&mut *connection)
    .await?;
    membership::renew(connection, user).await?;
    Ok(before)
}

/// Takes the role of the house from a user, and ends all access tokens that the user has. Returns the role before; a user
/// without one keeps all tokens.
///
/// # Errors
/// If the database fails.
pub async fn revoke(connection: &mut PgConnection, user: Uuid) -> sqlx::Result<Option<StaffRole>> {
    let before = sqlx::query_scalar!("delete from staff where user_id = $1 returning role", user)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(before) = before else {
        return Ok(None);
    };
    membership::renew(connection, user).await?;
    before.parse().map(Some).map_err(decode)
}

fn decode(error: UnknownStaffRole) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}
