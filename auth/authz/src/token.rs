//! Access tokens: EdDSA, from our issuer, for our audience, valid now.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};

use crate::cache::Cache;
use crate::key_set::KeySet;
use crate::revocations::Revocations;
use crate::{ACCESS_TOKEN_TYPE, Caller, Claims, Digest, Error, digest};

/// Ours have about 500 bytes; anything much longer is refused before it is looked at.
const LONGEST: usize = 4096;
/// How far the clocks of issuer and verifier may be apart.
const LEEWAY_SECONDS: u64 = 30;
const REMEMBERED: usize = 32 * 1024;

pub(crate) struct Tokens {
    keys: Arc<KeySet>,
    validation: Validation,
    /// An Ed25519 verification is the dearest step of a request, and clients send the same token many times. The
    /// generation of the keys is kept with each: a token is proven again once they changed.
    verified: Cache<Verified>,
    revocations: Arc<Revocations>,
}

#[derive(Clone, Copy)]
struct Verified {
    caller: Caller,
    /// Of the keys that vouched for it.
    keys: u64,
    /// Of the membership that it was made for.
    membership: i64,
}

impl Tokens {
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
            verified: Cache::new(REMEMBERED),
            revocations,
        }
    }

    /// The person whom the token names, unless what it says was revoked.
    pub(crate) async fn verify(&self, token: &str) -> Result<Caller, Error> {
        if token.len() > LONGEST {
            return Err(Error::Unauthenticated);
        }
        let name = digest(token);
        let known = self.verified.get(&name);
        let verified = match known.filter(|known| known.keys == self.keys.keys().generation) {
            Some(verified) => verified,
            None => self.prove(token, name).await?,
        };
        let caller = verified.caller;
        if self.revocations.end(&caller, verified.membership) {
            return Err(Error::Unauthenticated);
        }
        Ok(caller)
    }

    /// Asks the signature and the claims.
    async fn prove(&self, token: &str, name: Digest) -> Result<Verified, Error> {
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
                key: None,
                per_minute: None,
            },
            keys: keys.generation,
            membership: claims.generation,
        };
        if let Some(ends) = instant_of(claims.exp) {
            self.verified.put(name, verified, ends);
        }
        Ok(verified)
    }
}

/// The id of the key, if the header is one that we write: a token that brings keys or addresses of its own, or asks
/// for anything else, is not ours.
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

/// That moment on the monotonic clock, if it is still to come.
fn instant_of(seconds: u64) -> Option<Instant> {
    let moment = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    Instant::now().checked_add(moment.duration_since(SystemTime::now()).ok()?)
}
