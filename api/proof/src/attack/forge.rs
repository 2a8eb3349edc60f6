//! Forged tokens.

use anyhow::{Context as _, Result};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// The parts of a genuine token, which can be changed and joined again.
#[derive(Debug, Clone)]
pub(super) struct Forge {
    pub(super) header: Value,
    pub(super) claims: Value,
    signature: String,
}

impl Forge {
    /// Splits a token into its parts.
    pub(super) fn parse(token: &str) -> Result<Forge> {
        let mut parts = token.split('.');
        let mut part = || parts.next().context("a token without three parts");
        let read = |part: &str| -> Result<Value> {
            Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?)
        };
        Ok(Forge {
            header: read(part()?)?,
            claims: read(part()?)?,
            signature: part()?.to_owned(),
        })
    }

    /// Replaces a claim; removes it if `value` is null.
    pub(super) fn claim(mut self, name: &str, value: Value) -> Forge {
        set(&mut self.claims, name, value);
        self
    }

    /// Replaces a field of the header; removes it if `value` is null.
    pub(super) fn head(mut self, name: &str, value: Value) -> Forge {
        set(&mut self.header, name, value);
        self
    }

    fn signed_part(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", part(&self.header), part(&self.claims))
    }

    /// The token with the signature of the genuine one.
    pub(super) fn copied(&self) -> String {
        format!("{}.{}", self.signed_part(), self.signature)
    }

    /// The token with an empty signature.
    pub(super) fn unsigned(&self) -> String {
        format!("{}.", self.signed_part())
    }

    /// The token, signed as HS256 with these bytes as the secret.
    pub(super) fn hmac(&self, secret: &[u8]) -> String {
        let text = self.signed_part();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// The token, signed with an Ed25519 key.
    pub(super) fn signed(&self, key: &Ed25519KeyPair) -> String {
        let text = self.signed_part();
        let signature = key.sign(text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn set(object: &mut Value, name: &str, value: Value) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    if value.is_null() {
        fields.remove(name);
    } else {
        fields.insert(name.to_owned(), value);
    }
}

/// A private key as `JWT_PRIVATE_KEY` has it: PKCS#8 as PEM, its line breaks possibly as `\n`, or one line of base64.
pub(super) fn signing_key(text: &str) -> Result<Ed25519KeyPair> {
    let text = text.replace("\\n", "\n");
    let body: String = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let der = STANDARD
        .decode(body)
        .context("the signing key is no base64")?;
    Ed25519KeyPair::from_pkcs8(&der)
        .ok()
        .context("the signing key is no Ed25519 private key in PKCS#8")
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, KeyPair as _, UnparsedPublicKey};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_forged_token_bears_the_changed_claim_and_a_signature_that_fits() {
        let key = Ed25519KeyPair::generate().unwrap();
        let genuine = Forge {
            header: json!({"alg": "EdDSA"}),
            claims: json!({"sub": "a", "exp": 1}),
            signature: "x".to_owned(),
        };
        let token = genuine
            .claim("exp", json!("1"))
            .claim("sub", Value::Null)
            .signed(&key);
        let forged = Forge::parse(&token).unwrap();
        assert_eq!(forged.claims, json!({"exp": "1"}));
        let (text, signature) = token.rsplit_once('.').unwrap();
        UnparsedPublicKey::new(&ED25519, key.public_key())
            .verify(text.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
            .unwrap();
    }
}
