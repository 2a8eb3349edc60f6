//! Memberships: the users of an account and their roles, and the only SQL on `membership` and `revocation`.
//!
//! Every change that takes a right from a member draws a new generation for the membership and records it as a revocation,
//! in one transaction. Within 5 s every service refuses access tokens of earlier generations.

use std::collections::HashMap;

use infra::http::page::Page;
use sqlx::{PgConnection, PgExecutor, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Role;

/// A user's membership in an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The account.
    pub account: Uuid,
    /// The user.
    pub user: Uuid,
    /// The user's role there.
    pub role: Role,
    /// The claim `gen` of its access tokens.
    pub generation: i64,
    /// When the user became a member.
    pub created_at: OffsetDateTime,
}

/// The reason why a membership was not changed.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// The account would be left without an admin.
    #[error("an account keeps at least one admin")]
    LastAdmin,
    /// The user is not a member of the account.
    #[error("no such member")]
    NotAMember,
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

struct Row {
    account_id: Uuid,
    user_id: Uuid,
    role: String,
    generation: i64,
    created_at: OffsetDateTime,
}

impl TryFrom<Row> for Membership {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        let role = row.role.parse();
        Ok(Self {
            account: row.account_id,
            user: row.user_id,
            role: role.map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            generation: row.generation,
            created_at: row.created_at,
        })
    }
}

/// The membership of this user in this account.
///
/// # Errors
/// If the database query fails.
pub async fn find(
    executor: impl PgExecutor<'_>,
    account: Uuid,
    user: Uuid,
) -> sqlx::Result<Option<Membership>> {
    sqlx::query_as!(
        Row,
        "select account_id, user_id, role, generation, created_at
         from membership where account_id = $1 and user_id = $2",
        account,
        user,
    )
    .fetch_optional(executor)
    .await?
    .map(Membership::try_from)
    .transpose()
}

/// The oldest membership of the user.
///
/// # Errors
/// If the database query fails.
pub async fn oldest(executor: impl PgExecutor<'_>, user: Uuid) -> sqlx::Result<Option<Membership>> {
    sqlx::query_as!(
        Row,
        "select account_id, user_id, role, generation, created_at
         from membership where user_id = $1 order by created_at, account_id limit 1",
        user,
    )
    .fetch_optional(executor)
    .await?
    .map(Membership::try_from)
    .transpose()
}

/// A page of an account's members, last registered first, and whether more follow.
///
/// # Errors
/// If the database query fails.
pub async fn page(
    executor: impl PgExecutor<'_>,
    account: Uuid,
    page: &Page<Uuid>,
) -> sqlx::Result<(Vec<Membership>, bool)> {
    let rows = sqlx::query_as!(
        Row,
        r#"select account_id as "account_id!", user_id as "user_id!", role as "role!", generation as "generation!",
                  created_at as "created_at!"
           from ((select * from membership where $3::uuid is null and account_id = $1 and user_id < $2
                  order by user_id desc limit $4)
                 union all
                 (select * from membership where account_id = $1 and user_id > $3 order by user_id limit $4)) page
           order by case when $3::uuid is null then user_id end desc, user_id"#,
        account,
        page.starting_after.unwrap_or(Uuid::max()),
        page.ending_before,
        page.rows(),
    )
    .fetch_all(executor)
    .await?;
    let members: sqlx::Result<Vec<_>> = rows.into_iter().map(Membership::try_from).collect();
    Ok(page.cut(members?))
}

/// Makes the user a member of the account with this role, whatever the role was before, and answers whether the membership is
/// new.
///
/// # Errors
/// [`MembershipError::LastAdmin`] if the account would be left without an admin.
pub async fn assign(
    connection: &mut PgConnection,
    account: Uuid,
    user: Uuid,
    role: Role,
) -> Result<bool, MembershipError> {
    let inserted = sqlx::query!(
        "insert into membership (account_id, user_id, role) values ($1, $2, $3)
         on conflict (account_id, user_id) do nothing",
        account,
        user,
        role.as_str(),
    )
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 1 {
        return Ok(true);
    }
    change(connection, account, user, role).await?;
    Ok(false)
}

/// Gives a member another role, which ends the user's access tokens of this account. The same role changes nothing.
///
/// # Errors
/// [`MembershipError::LastAdmin`] if the account would be left without an admin, [`MembershipError::NotAMember`].
pub async fn change(
    connection: &mut PgConnection,
    account: Uuid,
    user: Uuid,
    role: Role,
) -> Result<(), MembershipError> {
    if role != Role::Admin {
        keep_an_admin(connection, account, user).await?;
    }
    let generation = sqlx::query_scalar!(
        "update membership set role = $3, generation = nextval('membership_generation')
         where account_id = $1 and user_id = $2 and role <> $3 returning generation",
        account,
        user,
        role.as_str(),
    )
    .fetch_optional(&mut *connection)
    .await?;
    match generation {
        Some(generation) => Ok(revoke(connection, account, user, generation).await?),
        None if find(connection, account, user).await?.is_some() => Ok(()),
        None => Err(MembershipError::NotAMember),
    }
}

/// Ends a membership, and with it the user's access tokens of this account.
///
/// # Errors
/// [`MembershipError::LastAdmin`], or [`MembershipError::NotAMember`].
pub async fn remove(
    connection: &mut PgConnection,
    account: Uuid,
    user: Uuid,
) -> Result<(), MembershipError> {
    keep_an_admin(connection, account, user).await?;
    let generation = sqlx::query_scalar!(
        r#"delete from membership where account_id = $1 and user_id = $2
           returning nextval('membership_generation') as "generation!""#,
        account,
        user,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(MembershipError::NotAMember)?;
    Ok(revoke(connection, account, user, generation).await?)
}

/// Ends all existing access tokens of a user, in every account.
///
/// # Errors
/// If the database refuses.
pub async fn renew(connection: &mut PgConnection, user: Uuid) -> sqlx::Result<()> {
    let renewed = sqlx::query!(
        "update membership set generation = nextval('membership_generation')
         where user_id = $1 returning account_id, generation",
        user,
    )
    .fetch_all(&mut *connection)
    .await?;
    for membership in renewed {
        revoke(
            connection,
            membership.account_id,
            user,
            membership.generation,
        )
        .await?;
    }
    Ok(())
}

/// Refuses if this user is the only admin of the account. All admins stay locked until the end of the transaction: if two
/// admins remove each other at once, the second waits here and is then the last one.
async fn keep_an_admin(
    connection: &mut PgConnection,
    account: Uuid,
    user: Uuid,
) -> Result<(), MembershipError> {
    let admins = sqlx::query_scalar!(
        "select user_id from membership where account_id = $1 and role = 'admin' order by user_id for update",
        account,
    )
    .fetch_all(connection)
    .await?;
    if admins == [user] {
        return Err(MembershipError::LastAdmin);
    }
    Ok(())
}

async fn revoke(
    connection: &mut PgConnection,
    account: Uuid,
    user: Uuid,
    generation: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into revocation (account_id, user_id, generation, at) values ($1, $2, $3, clock_timestamp())
         on conflict (account_id, user_id) do update
         set generation = greatest(revocation.generation, excluded.generation), at = excluded.at",
        account,
        user,
        generation,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// The least valid generation of each membership whose generation changed in the last 20 minutes, which is longer than an
/// access token lives.
pub(crate) async fn revoked_lately(pool: &PgPool) -> sqlx::Result<HashMap<(Uuid, Uuid), i64>> {
    let rows = sqlx::query!(
        "select account_id, user_id, generation from revocation where at > now() - interval '20 minutes'",
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ((row.account_id, row.user_id), row.generation))
        .collect())
}
