//! Access tokens: EdDSA, from our issuer, for our audience, valid now.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};

use crate::cache::Cache;
use crate::key_set::KeySet;
use crate::revocations::Revocations;
use crate::{ACCESS_TOKEN_TYPE, Caller, Claims, Digest, Error, digest};

/// Pawl's tokens have about 500 bytes; a longer text is refused before it is parsed.
const MAX_LENGTH: usize = 4096;
/// How far the clocks of issuer and verifier may be apart.
const LEEWAY_SECONDS: u64 = 30;
/// How many verified tokens are cached at most.
const CACHED: usize = 32 * 1024;

pub(crate) struct Tokens {
    keys: Arc<KeySet>,
    validation: Validation,
    /// An Ed25519 verification is the most expensive step of a request, and clients send the same token many times. Each
    /// entry holds the generation of the keys: once they change, the token is verified again.
    verified: Cache<Verified>,
    revocations: Arc<Revocations>,
}

#[derive(Clone, Copy)]
struct Verified {
    caller: Caller,
    /// The generation of the keys that verified it.
    keys: u64,
    /// The generation of the membership that it was made for.
    membership: i64,
}

impl Tokens {
    /// Checks that keys are known.
    pub(crate) fn ready(&self) -> Result<(), String> {
        if self.keys.is_known() {
            return Ok(());
        }
        Err(
            "no public key of the auth service is known yet: start it, and check JWT_JWKS_URL"
                .to_owned(),
        )
    }

    pub(crate) fn new(
        keys: Arc<KeySet>,
        revocations: Arc<Revocations>,
        issuer: &str,
        audience: &str,
    ) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_SECONDS;
        Self {
            keys,
            validation,
            verified: Cache::new(CACHED),
            revocations,
        }
    }

    /// The caller that the token names, unless it is revoked.
    pub(crate) async fn verify(&self, token: &str) -> Result<Caller, Error> {
        if token.len() > MAX_LENGTH {
            return Err(Error::Unauthenticated);
        }
        let name = digest(token);
        let known = self.verified.get(&name);
        let verified = match known.filter(|known| known.keys == self.keys.keys().generation) {
            Some(verified) => verified,
            None => self.verify_signature(token, name).await?,
        };
        let caller = verified.caller;
        if self.revocations.revoke(&caller, verified.membership) {
            return Err(Error::Unauthenticated);
        }
        Ok(caller)
    }

    /// Verifies the signature and the claims.
    async fn verify_signature(&self, token: &str, name: Digest) -> Result<Verified, Error> {
        let header = decode_header(token).map_err(|_| Error::Unauthenticated)?;
        let id = key_id(&header).ok_or(Error::Unauthenticated)?;
        let keys = self.keys.keys_with(id).await?;
        let key = keys.find(id).ok_or(Error::Unauthenticated)?;
        let claims = decode::<Claims>(token, key, &self.validation)
            .map_err(|_| Error::Unauthenticated)?
            .claims;
        let verified = Verified {
            caller: Caller {
                account: claims.account.uuid(),
                user: Some(claims.sub.uuid()),
                role: claims.role,
                staff: claims.staff,
                key: None,
                per_minute: None,
            },
            keys: keys.generation,
            membership: claims.generation,
        };
        if let Some(ends) = future_instant(claims.exp) {
            self.verified.put(name, verified, ends);
        }
        Ok(verified)
    }
}

/// The id of the key, if the auth service writes such headers: it never writes keys, addresses or other extensions.
fn key_id(header: &Header) -> Option<&str> {
    let plain = header.alg == Algorithm::EdDSA
        && header.typ.as_deref() == Some(ACCESS_TOKEN_TYPE)
        && header.jku.is_none()
        && header.jwk.is_none()
        && header.x5u.is_none()
        && header.x5c.is_none()
        && header.crit.is_none();
    header.kid.as_deref().filter(|_| plain)
}

/// That time on the monotonic clock, if it is in the future.
fn future_instant(seconds: u64) -> Option<Instant> {
    let moment = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    Instant::now().checked_add(moment.duration_since(SystemTime::now()).ok()?)
}
