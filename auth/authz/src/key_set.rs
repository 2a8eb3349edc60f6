//! The public keys that access tokens are verified with.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use infra::postgres;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use parking_lot::RwLock;
use sqlx::PgPool;
use sqlx::types::Json;
use tokio::sync::{Mutex, watch};

use crate::Error;

/// How often the keys are fetched: a retired key is accepted no longer than this.
const REFRESH_EVERY: Duration = Duration::from_secs(30);
/// The least time between two fetches, so that tokens with invented key ids do not flood the auth service.
const REFRESH_AT_MOST_EVERY: Duration = Duration::from_secs(5);
/// The least time between two fetches while no keys are known.
const FIRST_FETCH_EVERY: Duration = Duration::from_secs(1);
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);

/// Keys by their id. `generation` changes whenever the keys do: tokens that an earlier set verified are verified again.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    pub(crate) generation: u64,
    by_id: HashMap<String, DecodingKey>,
}

/// The auth service's keys as they are known now, and the source of newer ones.
pub(crate) struct KeySet {
    keys: RwLock<Arc<Keys>>,
    source: Option<Source>,
}

struct Source {
    url: String,
    client: reqwest::Client,
    pool: PgPool,
    last: Mutex<Option<Instant>>,
}

impl Keys {
    pub(crate) fn find(&self, id: &str) -> Option<&DecodingKey> {
        self.by_id.get(id)
    }

    /// The Ed25519 keys of a set. Keys of other kinds are left out, so that no token can choose one.
    fn new(set: &JwkSet, generation: u64) -> Self {
        let by_id = set.keys.iter().filter_map(|key| {
            let AlgorithmParameters::OctetKeyPair(pair) = &key.algorithm else {
                return None;
            };
            let id = key
                .common
                .key_id
                .clone()
                .filter(|_| pair.curve == EllipticCurve::Ed25519)?;
            Some((id, DecodingKey::from_jwk(key).ok()?))
        });
        Self {
            generation,
            by_id: by_id.collect(),
        }
    }

    fn same_ids(&self, other: &Self) -> bool {
        self.by_id.len() == other.by_id.len()
            && self.by_id.keys().all(|id| other.by_id.contains_key(id))
    }
}

impl KeySet {
    /// Exactly these keys, which never change.
    pub(crate) fn fixed(set: &JwkSet) -> Arc<Self> {
        Arc::new(Self {
            keys: RwLock::new(Arc::new(Keys::new(set, 1))),
            source: None,
        })
    }

    /// The keys that this process publishes, followed for as long as the result lives.
    pub(crate) fn watched(mut shown: watch::Receiver<Option<JwkSet>>) -> Arc<Self> {
        let set = Arc::new(Self {
            keys: RwLock::default(),
            source: None,
        });
        let weak = Arc::downgrade(&set);
        tokio::spawn(async move {
            shown.mark_changed();
            while shown.changed().await.is_ok() {
                let Some(set) = weak.upgrade() else { return };
                let keys = shown.borrow_and_update().clone();
                if let Some(keys) = keys {
                    set.replace(&keys);
                }
            }
        });
        set
    }

    /// The keys at `url`, fetched now and again in the background for as long as the result lives.
    /// While nothing answers there, the keys that the auth service wrote to the database are taken.
    pub(crate) fn remote(url: &str, pool: PgPool) -> anyhow::Result<Arc<Self>> {
        let client = reqwest::Client::builder()
            .timeout(FETCH_TIMEOUT)
            // The address is configured: an answer must not redirect to another one.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .context("no HTTP client for the JWKS could be made")?;
        let source = Source {
            url: url.to_owned(),
            client,
            pool,
            last: Mutex::new(None),
        };
        let set = Arc::new(Self {
            keys: RwLock::default(),
            source: Some(source),
        });
        let weak = Arc::downgrade(&set);
        tokio::spawn(async move {
            while let Some(set) = weak.upgrade() {
                set.refresh().await;
                let pause = if set.is_known() {
                    REFRESH_EVERY
                } else {
                    FIRST_FETCH_EVERY
                };
                drop(set);
                tokio::time::sleep(pause).await;
            }
        });
        Ok(set)
    }

    /// The keys as they are known now.
    pub(crate) fn keys(&self) -> Arc<Keys> {
        self.keys.read().clone()
    }

    /// The keys, fetched again if `id` is not among them; fails only if no keys are known.
    pub(crate) async fn keys_with(&self, id: &str) -> Result<Arc<Keys>, Error> {
        let keys = self.keys();
        if keys.find(id).is_some() {
            return Ok(keys);
        }
        self.refresh().await;
        if self.is_known() {
            Ok(self.keys())
        } else {
            Err(Error::Unavailable)
        }
    }

    pub(crate) fn is_known(&self) -> bool {
        self.keys().generation > 0
    }

    /// Fetches the keys unless that was tried a moment ago; concurrent callers wait for the same fetch.
    async fn refresh(&self) {
        let Some(source) = &self.source else { return };
        let mut last = source.last.lock().await;
        let pause = if self.is_known() {
            REFRESH_AT_MOST_EVERY
        } else {
            FIRST_FETCH_EVERY
        };
        if last.is_some_and(|last| last.elapsed() < pause) {
            return;
        }
        let fetched = source.fetch().await;
        *last = Some(Instant::now());
        match fetched {
            Ok(set) => self.replace(&set),
            Err(error) => {
                tracing::warn!(
                    url = source.url,
                    error = format!("{error:#}"),
                    "failed to fetch the auth service's public keys; taking those in the database, and retrying"
                );
                match source.stored().await {
                    Ok(set) if set.keys.is_empty() => {}
                    Ok(set) => self.replace(&set),
                    Err(error) => {
                        tracing::warn!(%error, "failed to read the auth service's public keys from the database; the known ones stay");
                    }
                }
            }
        }
    }

    fn replace(&self, set: &JwkSet) {
        let mut keys = self.keys.write();
        let fresh = Keys::new(set, keys.generation + 1);
        // A key id is the thumbprint of its key: equal ids are equal keys.
        if keys.generation == 0 || !keys.same_ids(&fresh) {
            tracing::info!(
                keys = fresh.by_id.len(),
                "new public keys of the auth service"
            );
            *keys = Arc::new(fresh);
        }
    }
}

impl Source {
    async fn fetch(&self) -> anyhow::Result<JwkSet> {
        let response = self
            .client
            .get(&self.url)
            .send()
            .await?
            .error_for_status()?;
        Ok(response.json().await?)
    }

    /// The keys that the auth service shows, as it wrote them to the database.
    async fn stored(&self) -> sqlx::Result<JwkSet> {
        let keys = sqlx::query_scalar!(
            r#"select public as "public: Json<Jwk>" from signing_key where retires_at is null or retires_at > now()"#
        );
        let keys = postgres::within(keys.fetch_all(&self.pool)).await?;
        Ok(JwkSet {
            keys: keys.into_iter().map(|key| key.0).collect(),
        })
    }
}
