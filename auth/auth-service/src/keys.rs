//! A key that signs tokens, the tokens themselves, and how such a key is kept where others may read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use authz::{ACCESS_TOKEN_TYPE, Claims, Role};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use infra::env::{ExposeSecret, SecretString};
use infra::id::AccountId;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm,
    OctetKeyPairParameters, OctetKeyPairType, PublicKeyUse, ThumbprintHash,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use uuid::Uuid;

/// How long an access token is valid.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_mins(15);

const PEM_START: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// A private key that is not what it should be; the message never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it must be an Ed25519 private key in PKCS#8, as PEM or as one line of base64: `openssl genpkey -algorithm ed25519` makes one"
)]
pub struct UnusableKey;

/// Makes tokens. Whoever holds it can be anybody, so only the auth service and tests do.
#[derive(Debug)]
pub struct Signer {
    key: EncodingKey,
    key_id: String,
    key_set: JwkSet,
    issuer: String,
    audience: String,
}

/// A fresh Ed25519 private key, PKCS#8 in PEM, as `JWT_PRIVATE_KEY` takes it.
///
/// # Errors
/// If the system has no randomness to give.
pub fn generate() -> Result<SecretString, Unspecified> {
    let document = Ed25519KeyPair::generate()?.to_pkcs8v1()?;
    Ok(format!("{PEM_START}\n{}\n{PEM_END}\n", STANDARD.encode(document)).into())
}

impl Signer {
    /// A signer of tokens that say they are from `issuer` and for `audience`. The key's id is its thumbprint (RFC 7638),
    /// so equal ids are equal keys.
    ///
    /// # Errors
    /// If the key is not an Ed25519 private key in PKCS#8.
    pub fn new(
        private_key: &SecretString,
        issuer: &str,
        audience: &str,
    ) -> Result<Self, UnusableKey> {
        let der = der_of(private_key.expose_secret()).ok_or(UnusableKey)?;
        let pair = Ed25519KeyPair::from_pkcs8(&der).map_err(|_| UnusableKey)?;
        let mut public = Jwk {
            common: CommonParameters {
                public_key_use: Some(PublicKeyUse::Signature),
                key_algorithm: Some(KeyAlgorithm::EdDSA),
                ..CommonParameters::default()
            },
            algorithm: AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x: URL_SAFE_NO_PAD.encode(pair.public_key()),
            }),
        };
        let key_id = public
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(|_| UnusableKey)?;
        public.common.key_id = Some(key_id.clone());
        Ok(Self {
            key: EncodingKey::from_ed_der(&der),
            key_id,
            key_set: JwkSet { keys: vec![public] },
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
        })
    }

    /// The id of the key.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The public keys that tokens of this signer are verified with.
    #[must_use]
    pub fn key_set(&self) -> &JwkSet {
        &self.key_set
    }

    /// An access token for this person in this account, valid from now for [`ACCESS_TOKEN_LIFETIME`]. It is of the first
    /// generation: any change of the membership ends it.
    ///
    /// # Errors
    /// If the token cannot be signed.
    pub fn access_token(
        &self,
        user: Uuid,
        account: Uuid,
        role: Role,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        self.access_token_of(user, account, role, 0)
    }

    /// [`Signer::access_token`] of this generation of the membership.
    ///
    /// # Errors
    /// If the token cannot be signed.
    pub fn access_token_of(
        &self,
        user: Uuid,
        account: Uuid,
        role: Role,
        generation: i64,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        self.sign(&Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user.into(),
            account: AccountId::from(account),
            role,
            generation,
            iat: now,
            nbf: now,
            exp: now + ACCESS_TOKEN_LIFETIME.as_secs(),
            jti: Uuid::now_v7().simple().to_string(),
        })
    }

    fn sign(&self, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(ACCESS_TOKEN_TYPE.to_owned());
        header.kid = Some(self.key_id.clone());
        encode(&header, claims, &self.key)
    }
}

/// Seals private keys under one that is derived from `JWT_PRIVATE_KEY`, so that the database keeps what only the auth
/// service can use.
pub(crate) struct Seal(RandomizedNonceKey);

impl Seal {
    /// The seal of this `JWT_PRIVATE_KEY`.
    pub(crate) fn of(private_key: &SecretString) -> Result<Self, UnusableKey> {
        let der = der_of(private_key.expose_secret()).ok_or(UnusableKey)?;
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

/// The bytes of a key written as PEM (its line breaks possibly as `\n`, as environment files have them) or base64.
fn der_of(text: &str) -> Option<Vec<u8>> {
    let text = text.replace("\\n", "\n");
    let body = match text.split_once(PEM_START) {
        Some((_, rest)) => rest.split_once(PEM_END)?.0,
        None => &text,
    };
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_key_opens_for_the_same_secret_and_id_only() {
        let (ours, theirs) = (generate().unwrap(), generate().unwrap());
        let seal = Seal::of(&ours).unwrap();
        let kept = generate().unwrap();
        let mut sealed = seal.close("one", &kept).unwrap();
        let opened = seal.open("one", &sealed).unwrap();
        assert_eq!(opened.expose_secret(), kept.expose_secret());
        assert!(seal.open("two", &sealed).is_none());
        assert!(Seal::of(&theirs).unwrap().open("one", &sealed).is_none());
        assert!(seal.open("one", &sealed[..5]).is_none());
        *sealed.last_mut().unwrap() ^= 1;
        assert!(seal.open("one", &sealed).is_none());
    }
}
