//! The encryption of signing keys in the database.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use infra::env::{ExposeSecret, SecretString};

use crate::signer::{UnusableKey, der};

/// Encrypts private keys with a key that is derived from `JWT_PRIVATE_KEY`: only the auth service can use the copies in the
/// database.
pub(crate) struct Seal(RandomizedNonceKey);

impl Seal {
    /// The seal of this `JWT_PRIVATE_KEY`.
    pub(crate) fn new(private_key: &SecretString) -> Result<Self, UnusableKey> {
        let der = der(private_key.expose_secret()).ok_or(UnusableKey)?;
        let mut key = [0; 32];
        Salt::new(HKDF_SHA256, b"pawl")
            .extract(&der)
            .expand(&[b"signing_key.sealed v1"], &AES_256_GCM)
            .and_then(|derived| derived.fill(&mut key))
            .and_then(|()| RandomizedNonceKey::new(&AES_256_GCM, &key))
            .map(Self)
            .map_err(|_| UnusableKey)
    }

    /// The nonce, then the encrypted key with its tag. It opens only under the same id.
    pub(crate) fn close(
        &self,
        key_id: &str,
        private_key: &SecretString,
    ) -> Result<Vec<u8>, Unspecified> {
        let mut text = private_key.expose_secret().as_bytes().to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(key_id), &mut text)?;
        Ok([&nonce.as_ref()[..], &text].concat())
    }

    /// The private key, unless it was sealed by another `JWT_PRIVATE_KEY` or changed since.
    pub(crate) fn open(&self, key_id: &str, sealed: &[u8]) -> Option<SecretString> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let mut text = text.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self
            .0
            .open_in_place(nonce, Aad::from(key_id), &mut text)
            .ok()?;
        Some(std::str::from_utf8(opened).ok()?.into())
    }
}

#[cfg(test)]
mod tests {
    use infra::env::ExposeSecret;

    use super::Seal;
    use crate::signer::generate;

    #[test]
    fn a_sealed_key_opens_for_the_same_secret_and_id_only() {
        let (ours, theirs) = (generate().unwrap(), generate().unwrap());
        let seal = Seal::new(&ours).unwrap();
        let kept = generate().unwrap();
        let mut sealed = seal.close("one", &kept).unwrap();
        let opened = seal.open("one", &sealed).unwrap();
        assert_eq!(opened.expose_secret(), kept.expose_secret());
        assert!(seal.open("two", &sealed).is_none());
        assert!(Seal::new(&theirs).unwrap().open("one", &sealed).is_none());
        assert!(seal.open("one", &sealed[..5]).is_none());
        *sealed.last_mut().unwrap() ^= 1;
        assert!(seal.open("one", &sealed).is_none());
    }
}
