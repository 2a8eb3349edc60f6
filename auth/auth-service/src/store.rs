//! The only SQL on `account`, `app_user` and `membership`.

use authz::Role;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::Error;

/// A user with the account it has belonged to longest.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) user: Uuid,
    pub(crate) password_hash: String,
    pub(crate) account: Uuid,
    pub(crate) role: Role,
}

pub(crate) async fn member(pool: &PgPool, email: &str) -> Result<Option<Member>, Error> {
    let row = sqlx::query!(
        "select u.id, u.password_hash, m.account_id, m.role
         from app_user u join membership m on m.user_id = u.id
         where u.email = $1
         order by m.created_at, m.account_id
         limit 1",
        email,
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let role = row
        .role
        .parse()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(Some(Member {
        user: row.id,
        password_hash: row.password_hash,
        account: row.account_id,
        role,
    }))
}

pub(crate) async fn user_named(pool: &PgPool, email: &str) -> Result<Option<Uuid>, Error> {
    Ok(
        sqlx::query_scalar!("select id from app_user where email = $1", email)
            .fetch_optional(pool)
            .await?,
    )
}

pub(crate) async fn oldest_account_named(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Option<Uuid>, Error> {
    Ok(sqlx::query_scalar!(
        "select id from account where name = $1 order by created_at, id limit 1",
        name,
    )
    .fetch_optional(connection)
    .await?)
}

pub(crate) async fn insert_account(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Uuid, Error> {
    let id = Uuid::now_v7();
    sqlx::query!("insert into account (id, name) values ($1, $2)", id, name)
        .execute(connection)
        .await?;
    Ok(id)
}

/// A new user; [`Error::EmailTaken`] if there is one with this address.
pub(crate) async fn insert_user(
    connection: &mut PgConnection,
    email: &str,
    password_hash: &str,
) -> Result<Uuid, Error> {
    let id = Uuid::now_v7();
    sqlx::query!(
        "insert into app_user (id, email, password_hash) values ($1, $2, $3)",
        id,
        email,
        password_hash,
    )
    .execute(connection)
    .await
    .map_err(|error| match error.as_database_error() {
        Some(refusal) if refusal.constraint() == Some("app_user_email") => Error::EmailTaken,
        _ => error.into(),
    })?;
    Ok(id)
}

/// Makes the user a member of the account with this role, whatever it was before.
pub(crate) async fn set_role(
    connection: &mut PgConnection,
    account: Uuid,
    user: Uuid,
    role: Role,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into membership (account_id, user_id, role) values ($1, $2, $3)
         on conflict (account_id, user_id) do update set role = excluded.role",
        account,
        user,
        role.as_str(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Replaces a hash by one of the same password, unless the password was changed meanwhile.
pub(crate) async fn replace_hash(
    pool: &PgPool,
    user: Uuid,
    old: &str,
    new: &str,
) -> Result<(), Error> {
    sqlx::query!(
        "update app_user set password_hash = $3 where id = $1 and password_hash = $2",
        user,
        old,
        new,
    )
    .execute(pool)
    .await?;
    Ok(())
}
