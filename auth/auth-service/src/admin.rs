//! The functions of Pawl's command line on accounts, members and API keys. The audit records them without a user.

use authz::audit::Act;
use authz::id::{KeyId, UserId};
use authz::{Role, StaffRole, api_key, membership, staff};
use infra::env::SecretString;
use infra::http::page::Page;
use infra::id::AccountId;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::field_rules::{check_name, check_password, parse_email};
use crate::{Error, Passwords, store};

/// How many accounts or members are read at once.
const BATCH: u16 = 100;

/// A member as the command line shows it.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its id.
    pub user: Uuid,
    /// Its address.
    pub email: String,
    /// Its role.
    pub role: Role,
}

/// The account with this id (`acct_…`) or, the oldest, with this name.
///
/// # Errors
/// If the database query fails.
pub async fn account(pool: &PgPool, named: &str) -> Result<Option<Uuid>, Error> {
    if let Ok(id) = named.parse::<AccountId>() {
        let found = store::account(pool, id.uuid()).await?;
        return Ok(found.map(|_| id.uuid()));
    }
    let mut connection = pool.acquire().await?;
    store::oldest_account_named(&mut connection, named).await
}

/// Accounts with their names, the newest first, a hundred at most below `after`.
///
/// # Errors
/// If the database query fails.
pub async fn accounts(pool: &PgPool, after: Option<Uuid>) -> Result<Vec<(Uuid, String)>, Error> {
    store::accounts(pool, after, i64::from(BATCH)).await
}

/// Members of an account, those who registered last first, a hundred at most below `after`.
///
/// # Errors
/// If the database query fails.
pub async fn members(
    pool: &PgPool,
    account: Uuid,
    after: Option<Uuid>,
) -> Result<Vec<Member>, Error> {
    let page = Page {
        starting_after: after,
        ending_before: None,
        limit: BATCH,
    };
    let (members, _) = membership::page(pool, account, &page).await?;
    let users: Vec<_> = members.iter().map(|member| member.user).collect();
    let mut emails = store::emails(pool, &users).await?;
    let members = members.into_iter().map(|member| Member {
        user: member.user,
        email: emails.remove(&member.user).unwrap_or_default(),
        role: member.role,
    });
    Ok(members.collect())
}

/// Creates a user with this role. Without an account the user gets a new one, named by the address. Answers the ids of the
/// user and the account.
///
/// # Errors
/// [`Error::EmailTaken`]; or if address or password are not allowed, or the database fails.
pub async fn create_user(
    pool: &PgPool,
    account: Option<Uuid>,
    email: &str,
    password: &SecretString,
    role: Role,
) -> Result<(Uuid, Uuid), Error> {
    let email = parse_email(email)?;
    check_password("password", password)?;
    let hash = Passwords::new()?.hash(password.clone()).await?;
    let mut tx = pool.begin().await?;
    let user = store::insert_user(&mut tx, &email, &hash).await?;
    let account = match account {
        Some(account) => account,
        None => store::insert_account(&mut tx, &email).await?,
    };
    membership::assign(&mut tx, account, user, role).await?;
    member_act("member_added", account, user, role)
        .record(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok((user, account))
}

/// Gives a user this role in an account, whether it was a member before or not.
///
/// # Errors
/// [`Error::NotFound`] if no user has this address, [`Error::LastAdmin`] if the account would be left without an admin.
pub async fn assign(pool: &PgPool, account: Uuid, email: &str, role: Role) -> Result<(), Error> {
    let user = store::user_named(pool, &parse_email(email)?).await?;
    let user = user.ok_or(Error::NotFound)?.id;
    let mut tx = pool.begin().await?;
    let is_new = membership::assign(&mut tx, account, user, role).await?;
    let action = if is_new {
        "member_added"
    } else {
        "role_changed"
    };
    member_act(action, account, user, role)
        .record(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Gives a user a role of the house, whatever it was before, or takes it away; the user's access tokens end. Returns the role
/// before.
///
/// # Errors
/// [`Error::NotFound`] if no user has this address.
pub async fn set_staff(
    pool: &PgPool,
    email: &str,
    role: Option<StaffRole>,
) -> Result<Option<StaffRole>, Error> {
    let user = store::user_named(pool, &parse_email(email)?).await?;
    let user = user.ok_or(Error::NotFound)?.id;
    let mut tx = pool.begin().await?;
    let (action, before) = match role {
        Some(role) => ("staff_granted", staff::grant(&mut tx, user, role).await?),
        None => ("staff_revoked", staff::revoke(&mut tx, user).await?),
    };
    let act = Act {
        target: Some(UserId::from(user).to_string()),
        reason: role.map(StaffRole::as_str),
        before: before.map(|role| json!({ "role": role })),
        after: role.map(|role| json!({ "role": role })),
        ..Act::new(action)
    };
    act.record(&mut *tx).await?;
    tx.commit().await?;
    Ok(before)
}

/// The addresses and roles of everybody with a role of the house.
///
/// # Errors
/// If the database query fails.
pub async fn staff(pool: &PgPool) -> Result<Vec<(String, StaffRole)>, Error> {
    let all = staff::all(pool).await?;
    let users: Vec<_> = all.iter().map(|(user, _)| *user).collect();
    let mut emails = store::emails(pool, &users).await?;
    Ok(all
        .into_iter()
        .map(|(user, role)| (emails.remove(&user).unwrap_or_default(), role))
        .collect())
}

/// Creates a key of an account and answers it, this once, with its id.
///
/// # Errors
/// If the name is not allowed, or the database fails.
pub async fn create_key(
    pool: &PgPool,
    account: Uuid,
    name: &str,
    per_minute: Option<i32>,
) -> Result<(SecretString, KeyId), Error> {
    let name = check_name("name", name)?;
    let mut tx = pool.begin().await?;
    let (key, listed) = api_key::create(&mut *tx, account, name, per_minute).await?;
    key_act("api_key_created", Some(account), listed.id.into())
        .record(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok((key, listed.id.into()))
}

/// Revokes a key, whatever account it belongs to.
///
/// # Errors
/// [`Error::NotFound`] if there is no such key that is not revoked.
pub async fn revoke_key(pool: &PgPool, id: KeyId) -> Result<(), Error> {
    let mut tx = pool.begin().await?;
    let account = api_key::revoke(&mut *tx, id.uuid()).await?;
    let account = account.ok_or(Error::NotFound)?;
    key_act("api_key_revoked", account, id)
        .record(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

fn member_act(action: &'static str, account: Uuid, user: Uuid, role: Role) -> Act<'static> {
    Act {
        account: Some(account),
        target: Some(UserId::from(user).to_string()),
        reason: Some(role.as_str()),
        ..Act::new(action)
    }
}

fn key_act(action: &'static str, account: Option<Uuid>, id: KeyId) -> Act<'static> {
    Act {
        account,
        target: Some(id.to_string()),
        ..Act::new(action)
    }
}
