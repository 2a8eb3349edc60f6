//! The keys that sign tokens and their rotation, and the only SQL on the table `signing_key`.
//!
//! A new key is published at once and signs a little later, when every instance and every verifier knows it. The previous
//! key stays published for as long as its tokens live.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use infra::env::SecretString;
use infra::postgres;
use infra::postgres::interval;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use parking_lot::RwLock;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::Error;
use crate::seal::Seal;
use crate::signer::{ACCESS_TOKEN_LIFETIME, Signer, UnusableKey, generate};

/// How often each instance reads the table again.
const READ_EVERY: Duration = Duration::from_secs(3);
/// The same until the first read succeeds: logins wait for it.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// From publishing a new key to signing with it: several times the pause above.
const ACTIVE_AFTER: Duration = Duration::from_secs(15);
/// How much longer than its last token an old key stays published: clocks may differ by 30 s, and a minute to spare.
const MARGIN: Duration = Duration::from_secs(90);
/// How long a request waits for the keys while this process starts.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an old key is accepted after a rotation by default: until its last token has expired.
pub const GRACE: Duration = ACCESS_TOKEN_LIFETIME.saturating_add(MARGIN);

/// A signing key as an operator sees it: without its secret.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its id: `kid`.
    pub kid: String,
    /// When it was published.
    pub created_at: OffsetDateTime,
    /// The time from which it signs.
    pub active_at: OffsetDateTime,
    /// The time from which none of its tokens is accepted.
    pub retires_at: Option<OffsetDateTime>,
    /// Whether that time is past.
    pub is_retired: bool,
}

/// The signing keys as this instance knows them.
pub(crate) struct SigningKeys {
    base: Arc<Signer>,
    seal: Seal,
    issuer: String,
    audience: String,
    signer: RwLock<Option<Arc<Signer>>>,
    published: watch::Sender<Option<JwkSet>>,
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SigningKeys")
    }
}

impl SigningKeys {
    /// Starts with the key of `JWT_PRIVATE_KEY`. No key is published before the table was read: a set without a key that
    /// other services still accept would end its tokens everywhere.
    pub(crate) fn new(
        private_key: &SecretString,
        tokens: &authz::Config,
    ) -> Result<Self, UnusableKey> {
        let signer = Signer::new(private_key, &tokens.issuer, &tokens.audience)?;
        Ok(Self {
            base: Arc::new(signer),
            seal: Seal::new(private_key)?,
            issuer: tokens.issuer.clone(),
            audience: tokens.audience.clone(),
            signer: RwLock::default(),
            published: watch::Sender::new(None),
        })
    }

    /// Reads the table every few seconds, for ever.
    pub(crate) async fn follow(self: Arc<Self>, pool: PgPool) {
        let mut is_known = true;
        loop {
            let read = postgres::within(self.read(&pool)).await;
            if let Err(error) = &read
                && is_known
            {
                tracing::warn!(%error, "failed to read the signing keys; the known keys stay, retrying");
            }
            is_known = read.is_ok();
            let no_key_yet = self.published.borrow().is_none();
            tokio::time::sleep(if no_key_yet { FIRST_RETRY } else { READ_EVERY }).await;
        }
    }

    /// Follows the published keys.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<JwkSet>> {
        self.published.subscribe()
    }

    /// The public keys; waits up to 2 s for them while this process starts.
    pub(crate) async fn key_set(&self) -> Result<JwkSet, Error> {
        let mut published = self.published.subscribe();
        let known = tokio::time::timeout(PATIENCE, published.wait_for(Option::is_some)).await;
        match known {
            Ok(Ok(set)) => set.clone().ok_or(Error::NoSigningKey),
            _ => Err(Error::NoSigningKey),
        }
    }

    /// Whether tokens can be signed and verified; waits like [`SigningKeys::key_set`].
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        self.signer().await.map(drop)
    }

    /// The key that signs now; waits like [`SigningKeys::key_set`].
    pub(crate) async fn signer(&self) -> Result<Arc<Signer>, Error> {
        self.key_set().await?;
        self.current_signer().ok_or(Error::NoSigningKey)
    }

    fn current_signer(&self) -> Option<Arc<Signer>> {
        self.signer.read().clone()
    }

    async fn read(&self, pool: &PgPool) -> sqlx::Result<()> {
        if self.published.borrow().is_none() {
            let mut tx = pool.begin().await?;
            register(&mut tx, &self.base).await?;
            tx.commit().await?;
        }
        let rows = sqlx::query!(
            r#"select kid, sealed, public, active_at <= now() as "is_active!"
               from signing_key where retires_at is null or retires_at > now() order by active_at desc, kid"#,
        )
        .fetch_all(pool)
        .await?;
        let signer = rows
            .iter()
            .filter(|row| row.is_active)
            .find_map(|row| self.find_signer(&row.kid, row.sealed.as_deref()));
        if signer.is_none() {
            tracing::error!(
                "failed to find a usable signing key, so nobody can log in: JWT_PRIVATE_KEY was retired, and its successors were encrypted with another one; `pawl keys rotate` makes a new one"
            );
        }
        *self.signer.write() = signer;
        let keys = rows
            .into_iter()
            .filter_map(|row| serde_json::from_value::<Jwk>(row.public).ok());
        let set = JwkSet {
            keys: keys.collect(),
        };
        self.published.send_if_modified(|published| {
            let changed = published.as_ref() != Some(&set);
            *published = Some(set);
            changed
        });
        Ok(())
    }

    /// The signer of this row, if this instance can decrypt its key.
    fn find_signer(&self, kid: &str, sealed: Option<&[u8]>) -> Option<Arc<Signer>> {
        if kid == self.base.key_id() {
            return Some(self.base.clone());
        }
        let known = self
            .current_signer()
            .filter(|signer| signer.key_id() == kid);
        known.or_else(|| {
            let key = self.seal.open(kid, sealed?)?;
            let signer = Signer::new(&key, &self.issuer, &self.audience).ok()?;
            (signer.key_id() == kid).then(|| Arc::new(signer))
        })
    }
}

/// Makes a new key. Every instance publishes it within 3 s and signs with it 15 s later; the present keys are accepted for
/// `grace` after that. With a `grace` of zero (after a theft) they are rejected from now on, and the new key signs at once.
///
/// # Errors
/// If `private_key`, the `JWT_PRIVATE_KEY` of the auth service, cannot be used, or the database refuses or is away.
pub async fn rotate(
    pool: &PgPool,
    private_key: &SecretString,
    grace: Duration,
) -> anyhow::Result<String> {
    let base = Signer::new(private_key, "", "")?;
    let key = generate()?;
    let fresh = Signer::new(&key, "", "")?;
    let sealed = Seal::new(private_key)?.close(fresh.key_id(), &key)?;
    let active_after = if grace.is_zero() {
        Duration::ZERO
    } else {
        ACTIVE_AFTER
    };
    let mut tx = pool.begin().await?;
    register(&mut tx, &base).await?;
    retire_all(&mut tx, active_after + grace).await?;
    insert(&mut tx, &fresh, Some(&sealed), active_after).await?;
    tx.commit().await?;
    Ok(fresh.key_id().to_owned())
}

/// All keys, also retired ones, newest first.
///
/// # Errors
/// If the database cannot be asked.
pub async fn list(pool: &PgPool) -> sqlx::Result<Vec<Listed>> {
    sqlx::query_as!(
        Listed,
        r#"select kid, created_at, active_at, retires_at, coalesce(retires_at <= now(), false) as "is_retired!"
           from signing_key order by active_at desc, kid"#,
    )
    .fetch_all(pool)
    .await
}

/// Publishes the key of `JWT_PRIVATE_KEY`. A new one replaces the others as in a rotation.
async fn register(connection: &mut PgConnection, base: &Signer) -> sqlx::Result<()> {
    // Two instances that start at once, or a rotation, must see each other's keys. Released at the transaction's end.
    sqlx::query("select pg_advisory_xact_lock(hashtext('pawl signing keys'))")
        .execute(&mut *connection)
        .await?;
    let is_known = sqlx::query_scalar!(
        r#"select exists (select from signing_key where kid = $1) as "exists!""#,
        base.key_id(),
    )
    .fetch_one(&mut *connection)
    .await?;
    if is_known {
        return Ok(());
    }
    retire_all(connection, GRACE).await?;
    insert(connection, base, None, Duration::ZERO).await
}

/// Sets the end of all keys, unless they end before.
async fn retire_all(connection: &mut PgConnection, grace: Duration) -> sqlx::Result<()> {
    sqlx::query!(
        "update signing_key set retires_at = least(retires_at, now() + $1)
         where retires_at is null or retires_at > now()",
        interval(grace),
    )
    .execute(&mut *connection)
    .await?;
    // A retired key never signs again, so its secret is deleted.
    sqlx::query!("update signing_key set sealed = null where retires_at <= now()")
        .execute(connection)
        .await
        .map(drop)
}

async fn insert(
    connection: &mut PgConnection,
    signer: &Signer,
    sealed: Option<&[u8]>,
    active_after: Duration,
) -> sqlx::Result<()> {
    let public = signer.key_set().keys.first().map(serde_json::to_value);
    let public = public
        .transpose()
        .map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    sqlx::query!(
        "insert into signing_key (kid, sealed, public, active_at) values ($1, $2, $3, now() + $4)",
        signer.key_id(),
        sealed,
        public,
        interval(active_after),
    )
    .execute(connection)
    .await
    .map(drop)
}
