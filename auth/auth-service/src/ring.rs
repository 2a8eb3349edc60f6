//! The keys that sign tokens, one after the other, and the only SQL on the table `signing_key`.
//!
//! A new key is shown at once and signs a little later, when every instance and every verifier knows it. The key before
//! it is shown for as long as its tokens live, and then no more.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use infra::env::SecretString;
use infra::postgres::interval;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::keys::{ACCESS_TOKEN_LIFETIME, Seal, UnusableKey, generate};
use crate::{Error, Signer};

/// How often each instance reads the table again.
const READ_EVERY: Duration = Duration::from_secs(3);
/// From showing a new key to signing with it: several times the pause above.
const HEARD_AFTER: Duration = Duration::from_secs(15);
/// How much longer than its last token an old key is shown: clocks differ by 30 s at most, and a minute to spare.
const MARGIN: Duration = Duration::from_secs(90);
/// Of a caller who asks for the keys in the first moments of this process.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an old key is believed after a rotation, unless somebody says otherwise: until its last token has expired.
pub const GRACE: Duration = ACCESS_TOKEN_LIFETIME.saturating_add(MARGIN);

/// A signing key, as whoever runs Pawl may see it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its id: `kid`.
    pub kid: String,
    /// When it was made known.
    pub created_at: OffsetDateTime,
    /// From when on it signs.
    pub active_at: OffsetDateTime,
    /// From when on no token of it is believed.
    pub retires_at: Option<OffsetDateTime>,
    /// Whether that moment is past.
    pub is_retired: bool,
}

/// The keys as this instance knows them.
pub(crate) struct Ring {
    base: Arc<Signer>,
    seal: Seal,
    issuer: String,
    audience: String,
    signer: RwLock<Option<Arc<Signer>>>,
    shown: watch::Sender<Option<JwkSet>>,
}

impl fmt::Debug for Ring {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Ring")
    }
}

impl Ring {
    /// One whose first key is `JWT_PRIVATE_KEY`. It shows nothing before the table was read: to withhold a key that the
    /// others still believe would end its tokens everywhere.
    pub(crate) fn new(
        private_key: &SecretString,
        tokens: &authz::Config,
    ) -> Result<Self, UnusableKey> {
        let signer = Signer::new(private_key, &tokens.issuer, &tokens.audience)?;
        Ok(Self {
            base: Arc::new(signer),
            seal: Seal::of(private_key)?,
            issuer: tokens.issuer.clone(),
            audience: tokens.audience.clone(),
            signer: RwLock::default(),
            shown: watch::Sender::new(None),
        })
    }

    /// Reads the table now and again, for ever.
    pub(crate) async fn follow(self: Arc<Self>, pool: PgPool) {
        let mut is_known = true;
        loop {
            let read = self.read(&pool).await;
            if let Err(error) = &read
                && is_known
            {
                tracing::warn!(%error, "the signing keys cannot be read; those that are known stay");
            }
            is_known = read.is_ok();
            tokio::time::sleep(READ_EVERY).await;
        }
    }

    /// What changes when the shown keys do.
    pub(crate) fn shown(&self) -> watch::Receiver<Option<JwkSet>> {
        self.shown.subscribe()
    }

    /// The public keys; waits a moment for them in the first moments of this process.
    pub(crate) async fn key_set(&self) -> Result<JwkSet, Error> {
        let mut shown = self.shown.subscribe();
        let known = tokio::time::timeout(PATIENCE, shown.wait_for(Option::is_some)).await;
        match known {
            Ok(Ok(set)) => set.clone().ok_or(Error::NoSigningKey),
            _ => Err(Error::NoSigningKey),
        }
    }

    /// Whether tokens can be signed and verified; waits like [`Ring::key_set`].
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        self.key_set().await?;
        self.signer().map(drop)
    }

    /// The key that signs now.
    pub(crate) fn signer(&self) -> Result<Arc<Signer>, Error> {
        let signer = self.signer.read().unwrap_or_else(PoisonError::into_inner);
        signer.clone().ok_or(Error::NoSigningKey)
    }

    async fn read(&self, pool: &PgPool) -> sqlx::Result<()> {
        if self.shown.borrow().is_none() {
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
            .find_map(|row| self.held(&row.kid, row.sealed.as_deref()));
        if signer.is_none() {
            tracing::error!(
                "no signing key can be used: JWT_PRIVATE_KEY was withdrawn, and the keys that replaced it were made with another one; `pawl keys rotate` makes a new one"
            );
        }
        *self.signer.write().unwrap_or_else(PoisonError::into_inner) = signer;
        let keys = rows
            .into_iter()
            .filter_map(|row| serde_json::from_value::<Jwk>(row.public).ok());
        let set = JwkSet {
            keys: keys.collect(),
        };
        self.shown.send_if_modified(|shown| {
            let changed = shown.as_ref() != Some(&set);
            *shown = Some(set);
            changed
        });
        Ok(())
    }

    /// The key of this row, if this instance can sign with it.
    fn held(&self, kid: &str, sealed: Option<&[u8]>) -> Option<Arc<Signer>> {
        if kid == self.base.key_id() {
            return Some(self.base.clone());
        }
        let known = self.signer().ok().filter(|signer| signer.key_id() == kid);
        known.or_else(|| {
            let key = self.seal.open(kid, sealed?)?;
            let signer = Signer::new(&key, &self.issuer, &self.audience).ok()?;
            (signer.key_id() == kid).then(|| Arc::new(signer))
        })
    }
}

/// Makes a new key, which every instance shows within 3 s and signs with 15 s later; the present ones are believed for
/// `grace` after that. Without grace (of a stolen key) they are not believed from now on, and the new one signs at once.
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
    let sealed = Seal::of(private_key)?.close(fresh.key_id(), &key)?;
    let heard_after = if grace.is_zero() {
        Duration::ZERO
    } else {
        HEARD_AFTER
    };
    let mut tx = pool.begin().await?;
    register(&mut tx, &base).await?;
    retire_all(&mut tx, heard_after + grace).await?;
    insert(&mut tx, &fresh, Some(&sealed), heard_after).await?;
    tx.commit().await?;
    Ok(fresh.key_id().to_owned())
}

/// All keys there were, newest first.
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

/// Makes a `JWT_PRIVATE_KEY` known. If it is a new one beside others, it takes their place as in a rotation.
async fn register(connection: &mut PgConnection, base: &Signer) -> sqlx::Result<()> {
    // Two that begin at once, or a rotation beside it, must see each other's keys. Released at the transaction's end.
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
    // What will never sign again need not be kept.
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
