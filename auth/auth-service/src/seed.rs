//! Accounts, users and keys made without the doors, for `pawl dev`, `pawl seed` and tests.
//!
//! Each function may run again and then finds what it made before.

use authz::{Role, api_key, membership};
use infra::env::SecretString;
use sqlx::PgPool;
use uuid::Uuid;

use crate::register::{check_password, email as checked_email};
use crate::{Error, Passwords, store};

/// The account of this name; made if there is none. If several bear it, the oldest.
///
/// # Errors
/// If the database refuses or is away.
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

/// The user with this address, member of the account in this role. A user who exists keeps their password.
///
/// # Errors
/// If address or password are not allowed, or the database refuses or is away.
pub async fn user(
    pool: &PgPool,
    account: Uuid,
    email: &str,
    password: &SecretString,
    role: Role,
) -> Result<Uuid, Error> {
    let email = checked_email(email)?;
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

/// A new API key of the account (without one: of the auth service alone). Told once: `None` if the account has a key of
/// this name that is not revoked.
///
/// # Errors
/// If the database refuses or is away, or the system has no randomness to give.
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

/// Lets a key that is known already (the demonstration's) act for the account.
///
/// # Errors
/// If the database refuses or is away.
pub async fn known_api_key(
    pool: &PgPool,
    account: Option<Uuid>,
    name: &str,
    key: &SecretString,
) -> Result<(), Error> {
    Ok(api_key::insert(pool, account, name, key).await?)
}
