//! Passwords: hashed with argon2id, a bounded number at a time. The work does not show whether a user exists.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use infra::env::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use crate::Error;

/// 19 MiB, two passes, one lane: OWASP's recommendation, 60 to 80 ms on one core.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// How long a password may wait for its turn before the answer is a 503.
const PATIENCE: Duration = Duration::from_secs(20);

/// The password in the one form in which it is counted, hashed and verified: Unicode's NFKC, as NIST SP 800-63B advises.
/// The same letters typed on another system may be sent as other bytes.
pub(crate) fn normalized(password: &SecretString) -> SecretString {
    let text: String = password.expose_secret().nfkc().collect();
    SecretString::from(text)
}

/// Hashes and verifies passwords, normalized to NFKC. Each call waits for one of a few permits, so that a flood of logins
/// leaves the rest of the service processors and memory.
#[derive(Debug)]
pub struct Passwords {
    permits: Arc<Semaphore>,
    argon: Argon2<'static>,
    /// The hash that is verified when the user does not exist.
    dummy: String,
    hashed: AtomicU64,
}

impl Passwords {
    /// One permit less than there are processors, and at least one.
    ///
    /// # Errors
    /// If a first password cannot be hashed.
    pub fn new() -> Result<Self, Error> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
            .map_err(|error| Error::Hashing(error.into()))?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut random = [0; 32];
        aws_lc_rs::rand::fill(&mut random).map_err(|error| Error::System(error.to_string()))?;
        let dummy = argon.hash_password(&random).map_err(Error::Hashing)?;
        Ok(Self {
            permits: Arc::new(Semaphore::new(processors.saturating_sub(1).max(1))),
            argon,
            dummy: dummy.to_string(),
            hashed: AtomicU64::new(0),
        })
    }

    /// The hash of a password with a fresh salt, as a PHC string.
    ///
    /// # Errors
    /// [`Error::Busy`] if no permit was free in 20 s.
    pub async fn hash(&self, password: SecretString) -> Result<String, Error> {
        let password = normalized(&password);
        self.work(move |argon| {
            let hash = argon.hash_password(password.expose_secret().as_bytes());
            hash.map(|hash| hash.to_string()).map_err(Error::Hashing)
        })
        .await
    }

    /// Whether the password is the one that was hashed. Without a hash (no such user) the same work is done and the answer is
    /// `false`.
    ///
    /// # Errors
    /// [`Error::Busy`] if no permit was free in 20 s; [`Error::Hashing`] if the hash is not one.
    pub async fn verify(&self, password: SecretString, hash: Option<&str>) -> Result<bool, Error> {
        let exists = hash.is_some();
        let password = normalized(&password);
        let hash = hash.unwrap_or(&self.dummy).to_owned();
        let matches = self
            .work(move |argon| {
                let hash =
                    PasswordHash::new(&hash).map_err(|error| Error::Hashing(error.into()))?;
                match argon.verify_password(password.expose_secret().as_bytes(), &hash) {
                    Ok(()) => Ok(true),
                    Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                    Err(error) => Err(Error::Hashing(error)),
                }
            })
            .await?;
        Ok(exists && matches)
    }

    /// Whether a hash was made with other parameters than today's and should be replaced.
    #[must_use]
    pub fn is_outdated(&self, hash: &str) -> bool {
        let current = Params::new(MEMORY_KIB, PASSES, LANES, None).ok();
        let params = PasswordHash::new(hash).ok().and_then(|hash| {
            (hash.algorithm == Algorithm::Argon2id.ident()).then_some(())?;
            Params::try_from(&hash).ok()
        });
        match (params, current) {
            (Some(params), Some(current)) => {
                (params.m_cost(), params.t_cost(), params.p_cost())
                    != (current.m_cost(), current.t_cost(), current.p_cost())
            }
            _ => true,
        }
    }

    /// The number of passwords hashed so far, to store or to compare. If it differed between existing and unknown users, the
    /// time of a login would show which users exist.
    #[must_use]
    pub fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = tokio::time::timeout(PATIENCE, self.permits.clone().acquire_owned())
            .await
            .map_err(|_| Error::Busy)?
            .map_err(|error| Error::System(error.to_string()))?;
        let argon = self.argon.clone();
        self.hashed.fetch_add(1, Ordering::Relaxed);
        tokio::task::spawn_blocking(move || {
            let done = work(&argon);
            // Not earlier: a client that disconnects must not free the permit while its hash is computed.
            drop(permit);
            done
        })
        .await
        .map_err(|error| Error::System(error.to_string()))?
    }
}
