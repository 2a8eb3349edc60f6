//! API keys of back ends, and the only SQL on the table `api_key`.
//!
//! A key is shown once, when it is made. The table holds its SHA-256, which needs no slow hash because the key is 256 random
//! bits, and its first characters, by which people recognise it.

use std::fmt;
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;
use axum::http::{HeaderMap, HeaderName};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use infra::env::variable::api_keys;
use infra::env::{ExposeSecret, SecretString};
use infra::http::page::Page;
use infra::{Env, postgres};
use sqlx::{PgExecutor, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::cache::Cache;
use crate::single_header::single;
use crate::{Digest, digest};

/// How long a key is cached: a revoked key is refused everywhere after this time.
const CACHED_FOR: Duration = Duration::from_secs(5);
/// How many keys are cached at most.
const CACHED: usize = 16 * 1024;
const HEADER: HeaderName = HeaderName::from_static("x-api-key");
const MAX_LENGTH: usize = infra::env::variable::LONGEST_API_KEY;
const PREFIX_CHARACTERS: usize = 12;

/// A valid API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: Uuid,
    /// The account it acts for; without one it opens only the auth service.
    pub account: Option<Uuid>,
    /// Its own limit of requests per minute (0 is no limit), if it has one.
    pub per_minute: Option<u32>,
}

/// The keys of `AUTH_API_KEYS`, which open the auth service before there are keys in the database. They act for no account.
#[derive(Clone)]
pub struct Bootstrap(Vec<Digest>);

impl Bootstrap {
    /// Reads `AUTH_API_KEYS`, a list with commas between; a key that could be guessed is a fault.
    pub fn from_env(env: &mut Env) -> Self {
        let keys = env.secret("AUTH_API_KEYS");
        Self(api_keys(keys.expose_secret()).map(digest).collect())
    }

    /// Whether this is one of the keys. Each is compared in constant time.
    #[must_use]
    pub fn holds(&self, key: &str) -> bool {
        let name = digest(key);
        self.0.iter().fold(false, |held, known| {
            held | verify_slices_are_equal(known, &name).is_ok()
        })
    }
}

impl fmt::Debug for Bootstrap {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} keys", self.0.len())
    }
}

/// The key in the header `X-API-Key`, if it came exactly once.
#[must_use]
pub fn from_headers(headers: &HeaderMap) -> Option<&str> {
    single(headers, &HEADER)
}

/// Finds keys in the database, and caches valid ones for 5 s.
#[derive(Debug)]
pub struct ApiKeys {
    pool: PgPool,
    cache: Cache<ApiKey>,
}

impl ApiKeys {
    /// Finds keys in this database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self {
            pool,
            cache: Cache::new(CACHED),
        }
    }

    /// The key with this text, if there is one that is not revoked.
    ///
    /// # Errors
    /// If the database query fails, after [`postgres::ANSWER_WITHIN`] at the latest.
    pub async fn find(&self, key: &str) -> Result<Option<ApiKey>, sqlx::Error> {
        if key.is_empty() || key.len() > MAX_LENGTH {
            return Ok(None);
        }
        let name = digest(key);
        if let Some(found) = self.cache.get(&name) {
            return Ok(Some(found));
        }
        // The result may be true only at the time before the query.
        let ends = Instant::now() + CACHED_FOR;
        let query = sqlx::query!(
            "select id, account_id, rate_limit_per_minute from api_key where sha256 = $1 and revoked_at is null",
            &name[..],
        );
        let row = postgres::within(query.fetch_optional(&self.pool)).await?;
        let found = row.map(|row| ApiKey {
            id: row.id,
            account: row.account_id,
            per_minute: row
                .rate_limit_per_minute
                .and_then(|limit| limit.try_into().ok()),
        });
        if let Some(found) = found {
            self.cache.put(name, found, ends);
        }
        Ok(found)
    }
}

/// A fresh key, 256 bits from the system's random source: `pawl_` and 43 characters.
///
/// # Errors
/// If the system has no random numbers.
pub fn generate() -> Result<SecretString, aws_lc_rs::error::Unspecified> {
    let mut bits = [0; 32];
    rand::fill(&mut bits)?;
    Ok(format!("pawl_{}", URL_SAFE_NO_PAD.encode(bits)).into())
}

/// Stores a given key of this account, or without an account a key of the auth service alone. A key that is stored already
/// stays as it is.
///
/// # Errors
/// If the database fails.
pub async fn insert(
    executor: impl PgExecutor<'_>,
    account: Option<Uuid>,
    name: &str,
    key: &SecretString,
) -> Result<(), sqlx::Error> {
    let key = key.expose_secret();
    sqlx::query!(
        "insert into api_key (id, account_id, name, prefix, sha256) values ($1, $2, $3, $4, $5)
         on conflict (sha256) do nothing",
        Uuid::now_v7(),
        account,
        name,
        prefix(key),
        &digest(key)[..],
    )
    .execute(executor)
    .await
    .map(drop)
}

fn prefix(key: &str) -> String {
    key.chars().take(PREFIX_CHARACTERS).collect()
}

/// A key as its owner may see it: everything but the key.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its id.
    pub id: Uuid,
    /// Its name, given by its owner.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// Its own limit of requests per minute, if it has one.
    pub rate_limit_per_minute: Option<i32>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
}

/// Creates a key of the account. Answers the key itself, this once, and the rest of its row.
///
/// # Errors
/// If the database fails, or the system has no random numbers (a [`sqlx::Error::Protocol`]).
pub async fn create(
    executor: impl PgExecutor<'_>,
    account: Uuid,
    name: &str,
    per_minute: Option<i32>,
) -> Result<(SecretString, Listed), sqlx::Error> {
    let key = generate().map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
    let text = key.expose_secret();
    let listed = sqlx::query_as!(
        Listed,
        "insert into api_key (id, account_id, name, prefix, sha256, rate_limit_per_minute) values ($1, $2, $3, $4, $5, $6)
         returning id, name, prefix, rate_limit_per_minute, created_at, revoked_at",
        Uuid::now_v7(),
        account,
        name,
        prefix(text),
        &digest(text)[..],
        per_minute,
    )
    .fetch_one(executor)
    .await?;
    Ok((key, listed))
}

/// A page of the account's keys, newest first and revoked ones too, and whether more follow.
///
/// # Errors
/// If the database query fails.
pub async fn page(
    executor: impl PgExecutor<'_>,
    account: Uuid,
    page: &Page<Uuid>,
) -> Result<(Vec<Listed>, bool), sqlx::Error> {
    let rows = sqlx::query_as!(
        Listed,
        r#"select id as "id!", name as "name!", prefix as "prefix!", rate_limit_per_minute, created_at as "created_at!", revoked_at
           from ((select * from api_key where $3::uuid is null and account_id = $1 and id < $2
                  order by id desc limit $4)
                 union all
                 (select * from api_key where account_id = $1 and id > $3 order by id limit $4)) page
           order by case when $3::uuid is null then id end desc, id"#,
        account,
        page.starting_after.unwrap_or(Uuid::max()),
        page.ending_before,
        page.rows(),
    )
    .fetch_all(executor)
    .await?;
    Ok(page.cut(rows))
}

/// Revokes a key of this account and answers its row; within 5 s no service accepts the key any more. A revoked key stays as
/// it is. `None` if the account has no such key.
///
/// # Errors
/// If the database fails.
pub async fn revoke_of(
    executor: impl PgExecutor<'_>,
    account: Uuid,
    id: Uuid,
) -> Result<Option<Listed>, sqlx::Error> {
    sqlx::query_as!(
        Listed,
        "update api_key set revoked_at = coalesce(revoked_at, now()) where id = $1 and account_id = $2
         returning id, name, prefix, rate_limit_per_minute, created_at, revoked_at",
        id,
        account,
    )
    .fetch_optional(executor)
    .await
}

/// Whether this account has a key of this name that is not revoked.
///
/// # Errors
/// If the database query fails.
pub async fn is_named(
    pool: &PgPool,
    account: Option<Uuid>,
    name: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (
               select from api_key
               where account_id is not distinct from $1 and name = $2 and revoked_at is null
           ) as "exists!""#,
        account,
        name,
    )
    .fetch_one(pool)
    .await
}

/// Revokes a key of any account; within 5 s no service accepts it any more. Answers its account (the inner `None` if it has
/// none); the outer `None` if the key is unknown or already revoked.
///
/// # Errors
/// If the database fails.
pub async fn revoke(
    executor: impl PgExecutor<'_>,
    id: Uuid,
) -> Result<Option<Option<Uuid>>, sqlx::Error> {
    sqlx::query_scalar!(
        "update api_key set revoked_at = now() where id = $1 and revoked_at is null returning account_id",
        id,
    )
    .fetch_optional(executor)
    .await
}
