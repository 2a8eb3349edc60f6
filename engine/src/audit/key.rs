//! The key that signs the reports of audits.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};

/// The key that signs reports. It is derived from the secret key of the Stripe account, so that whoever could make a report
/// could read Stripe as well, and no further secret is needed.
#[derive(Clone)]
pub struct AuditKey {
    bytes: Vec<u8>,
}

impl AuditKey {
    /// The key that belongs to the secret key of the Stripe account.
    #[must_use]
    pub fn derive(api_key: &SecretString) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, api_key.expose_secret().as_bytes());
        let derived = hmac::sign(&secret, b"pawl audit report v1");
        Self {
            bytes: derived.as_ref().to_vec(),
        }
    }

    /// Which key it is: the first 16 digits of its SHA-256.
    #[must_use]
    pub fn id(&self) -> String {
        let mut id = hex::encode(digest(&SHA256, &self.bytes));
        id.truncate(16);
        id
    }

    pub(super) fn sign(&self, report: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.bytes);
        hex::encode(hmac::sign(&key, report.as_bytes()))
    }
}
