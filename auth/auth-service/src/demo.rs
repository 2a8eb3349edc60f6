//! Accounts, users and keys for `pawl dev`, `pawl seed` and tests.
//!
//! Each function can run again: it then finds the thing that it made before.

use authz::{Role, api_key, membership};
use infra::env::SecretString;
use sqlx::PgPool;
use uuid::Uuid;

use crate::field_rules::{check_password, parse_email};
use crate::{Error, Passwords, store};

/// The oldest account of this name; it is made if there is none.
///
/// # Errors
/// If the database fails.
pub async fn account(pool: &PgPool, name: &str) -> Result<Uuid, Error> {
    let mut tx = pool.begin().await?;
    // A name is not unique, so two seeds at once would make two accounts.
    sqlx::query("select pg_advisory_xact_lock(hashtext('pawl seed account'))")
        .execute(&mut *tx)
        .await?;
    let account = match store::oldest_account_named(&mut tx, name).await? {
        Some(account) => account,
        None => store::insert_account(&mut tx, name).await?,
    };
    tx.commit().await?;
    Ok(account)
}

/// The user with this address, a member of the account in this role. An existing user keeps the password.
///
/// # Errors
/// If address or password are not allowed, or the database fails.
pub async fn user(
    pool: &PgPool,
    account: Uuid,
    email: &str,
    password: &SecretString,
    role: Role,
) -> Result<Uuid, Error> {
    let email = parse_email(email)?;
    check_password("password", password)?;
    let user = match store::user_named(pool, &email).await? {
        Some(user) => user.id,
        None => insert(pool, &email, password).await?,
    };
    let mut tx = pool.begin().await?;
    membership::assign(&mut tx, account, user, role).await?;
    tx.commit().await?;
    Ok(user)
}

async fn insert(pool: &PgPool, email: &str, password: &SecretString) -> Result<Uuid, Error> {
    let hash = Passwords::new()?.hash(password.clone()).await?;
    let mut connection = pool.acquire().await?;
    match store::insert_user(&mut connection, email, &hash).await {
        Err(Error::EmailTaken) => {
            let user = store::user_named(pool, email).await?;
            Ok(user.ok_or(Error::EmailTaken)?.id)
        }
        inserted => inserted,
    }
}

/// A new API key of the account; without an account the key opens the auth service alone. `None` if the account has a key of
/// this name that is not revoked.
///
/// # Errors
/// If the database fails, or the system has no random numbers.
pub async fn api_key(
    pool: &PgPool,
    account: Option<Uuid>,
    name: &str,
) -> Result<Option<SecretString>, Error> {
    if api_key::is_named(pool, account, name).await? {
        return Ok(None);
    }
    let key = api_key::generate().map_err(|error| Error::System(error.to_string()))?;
    api_key::insert(pool, account, name, &key).await?;
    Ok(Some(key))
}

/// Stores a given key (the demonstration's) for the account.
///
/// # Errors
/// If the database fails.
pub async fn known_api_key(
    pool: &PgPool,
    account: Option<Uuid>,
    name: &str,
    key: &SecretString,
) -> Result<(), Error> {
    Ok(api_key::insert(pool, account, name, key).await?)
}
