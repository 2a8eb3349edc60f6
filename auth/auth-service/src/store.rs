//! The only SQL on `account` and `app_user`.

use std::collections::HashMap;

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Error;

/// A person who may log in.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) email: String,
    pub(crate) password_hash: String,
    /// How often the password was changed.
    pub(crate) password_version: i64,
}

pub(crate) async fn user_named(pool: &PgPool, email: &str) -> Result<Option<User>, Error> {
    Ok(sqlx::query_as!(
        User,
        "select id, email, password_hash, password_version from app_user where email = $1",
        email,
    )
    .fetch_optional(pool)
    .await?)
}

pub(crate) async fn user(pool: &PgPool, id: Uuid) -> Result<Option<User>, Error> {
    Ok(sqlx::query_as!(
        User,
        "select id, email, password_hash, password_version from app_user where id = $1",
        id,
    )
    .fetch_optional(pool)
    .await?)
}

/// The addresses of these users.
pub(crate) async fn emails(pool: &PgPool, users: &[Uuid]) -> Result<HashMap<Uuid, String>, Error> {
    let rows = sqlx::query!("select id, email from app_user where id = any($1)", users)
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.email)).collect())
}

/// The name of the account and the time it was created.
pub(crate) async fn account(
    pool: &PgPool,
    id: Uuid,
) -> Result<Option<(String, OffsetDateTime)>, Error> {
    let row = sqlx::query!("select name, created_at from account where id = $1", id)
        .fetch_optional(pool)
        .await?;
    Ok(row.map(|row| (row.name, row.created_at)))
}

/// Accounts with their names, newest first, below `after`.
pub(crate) async fn accounts(
    pool: &PgPool,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(Uuid, String)>, Error> {
    let rows = sqlx::query!(
        "select id, name from account where id < $1 order by id desc limit $2",
        after.unwrap_or(Uuid::max()),
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

pub(crate) async fn rename_account(
    connection: &mut PgConnection,
    id: Uuid,
    name: &str,
) -> Result<(), Error> {
    sqlx::query!("update account set name = $2 where id = $1", id, name)
        .execute(connection)
        .await?;
    Ok(())
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

/// Replaces a hash by another one of the same password, unless the password changed meanwhile.
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

/// Locks the password until the end of the transaction; false if it changed since `version`.
pub(crate) async fn hold_password(
    connection: &mut PgConnection,
    user: Uuid,
    version: i64,
) -> Result<bool, Error> {
    let held = sqlx::query!(
        "select id from app_user where id = $1 and password_version = $2 for share",
        user,
        version,
    )
    .fetch_optional(connection)
    .await?;
    Ok(held.is_some())
}

/// Replaces the password, unless it changed since `version`.
pub(crate) async fn change_password(
    connection: &mut PgConnection,
    user: Uuid,
    version: i64,
    hash: &str,
) -> Result<bool, Error> {
    let changed = sqlx::query!(
        "update app_user set password_hash = $3, password_version = password_version + 1
         where id = $1 and password_version = $2",
        user,
        version,
        hash,
    )
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() == 1)
}
