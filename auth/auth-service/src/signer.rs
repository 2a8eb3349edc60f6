//! A private key that signs access tokens, and the tokens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use authz::{ACCESS_TOKEN_TYPE, Claims, Role, StaffRole};
use aws_lc_rs::error::Unspecified;
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

/// A private key of the wrong form; the message never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it must be an Ed25519 private key in PKCS#8, as PEM or as one line of base64: `openssl genpkey -algorithm ed25519` makes one"
)]
pub struct UnusableKey;

/// Makes access tokens. Its holder can act as any user, so only the auth service and tests hold one.
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
    /// A signer of tokens from `issuer` for `audience`. The key's id is its thumbprint (RFC 7638),
    /// so equal ids are equal keys.
    ///
    /// # Errors
    /// If the key is not an Ed25519 private key in PKCS#8.
    pub fn new(
        private_key: &SecretString,
        issuer: &str,
        audience: &str,
    ) -> Result<Self, UnusableKey> {
        let der = der(private_key.expose_secret()).ok_or(UnusableKey)?;
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

    /// An access token for this user in this account, valid from now for [`ACCESS_TOKEN_LIFETIME`]. It has the first
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
        self.access_token_of(user, account, role, 0, None)
    }

    /// [`Signer::access_token`] of this generation of the membership, and with this role of the house.
    ///
    /// # Errors
    /// If the token cannot be signed.
    pub fn access_token_of(
        &self,
        user: Uuid,
        account: Uuid,
        role: Role,
        generation: i64,
        staff: Option<StaffRole>,
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
            staff,
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

/// The bytes of a key written as PEM (its line breaks possibly as `\n`, as environment files have them) or base64.
pub(crate) fn der(text: &str) -> Option<Vec<u8>> {
    let text = text.replace("\\n", "\n");
    let body = match text.split_once(PEM_START) {
        Some((_, rest)) => rest.split_once(PEM_END)?.0,
        None => &text,
    };
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).ok()
}
