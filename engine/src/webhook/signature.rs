//! Stripe's webhook signature: `Stripe-Signature: t=…,v1=…[,v1=…]`, HMAC-SHA256 over `"{t}.{raw body}"`.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};

/// Seconds a signature may lie in the past or in the future.
pub const TOLERANCE_SECONDS: i64 = 300;

/// At most this many `v1` values are checked; Stripe sends one for each of its active secrets.
const MOST_CANDIDATES: usize = 16;

/// Why a delivery is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header has no single time or no `v1` value (a `v0` alone is none).
    #[error("the Stripe-Signature header has no single t=… or no v1=…")]
    Malformed,
    /// The time lies more than 300 s before or after now.
    #[error("the signature's time is more than 300 s away from now")]
    OutsideTolerance,
    /// No `v1` value matches the body under any of the secrets.
    #[error("no signature fits the body")]
    Mismatch,
}

/// A configuration without a usable secret. An empty secret would let anybody sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the webhook secrets are missing, or one of them is empty")]
pub struct NoSecret;

/// Verifies deliveries under any of several secrets, so that a secret can be rotated. The keys are prepared once.
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<hmac::Key>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Verifier")
            .field("secrets", &self.keys.len())
            .finish()
    }
}

impl Verifier {
    /// Prepares the keys of all secrets.
    ///
    /// # Errors
    /// [`NoSecret`] if there is none or one is empty.
    pub fn new(secrets: &[SecretString]) -> Result<Self, NoSecret> {
        if secrets.is_empty()
            || secrets
                .iter()
                .any(|secret| secret.expose_secret().is_empty())
        {
            return Err(NoSecret);
        }
        let keys = secrets.iter().map(key).collect();
        Ok(Self { keys })
    }

    /// [`Verifier::verify`], with the proof that the engine asks for.
    ///
    /// # Errors
    /// [`SignatureError`] says why the delivery must be refused.
    pub fn accept<'a>(
        &self,
        body: &'a [u8],
        header: &str,
        now: i64,
    ) -> Result<Signed<'a>, SignatureError> {
        self.verify(body, header, now).map(|()| Signed(body))
    }

    /// Checks the header against the raw body; `now` is Unix seconds. Takes the same time wherever a wrong signature differs.
    ///
    /// # Errors
    /// [`SignatureError`] says why the delivery must be refused.
    pub fn verify(&self, body: &[u8], header: &str, now: i64) -> Result<(), SignatureError> {
        let header = Header::parse(header)?;
        if now.abs_diff(header.seconds) > TOLERANCE_SECONDS.unsigned_abs() {
            return Err(SignatureError::OutsideTolerance);
        }
        let mut fits = false;
        for key in &self.keys {
            let expected = hex_tag(key, header.time, body);
            for candidate in &header.candidates {
                // No early return: the time must not tell which of the values fitted.
                fits |= verify_slices_are_equal(expected.as_bytes(), candidate.as_bytes()).is_ok();
            }
        }
        if fits {
            Ok(())
        } else {
            Err(SignatureError::Mismatch)
        }
    }
}

/// The body of a webhook whose signature was verified; only [`Verifier::accept`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a>(&'a [u8]);

impl Signed<'_> {
    /// The raw bytes that were signed.
    #[must_use]
    pub const fn body(&self) -> &[u8] {
        self.0
    }
}

/// Checks one delivery without keeping the keys; a service keeps a [`Verifier`].
///
/// # Errors
/// [`SignatureError::Mismatch`] also where no usable secret is given.
pub fn verify(
    body: &[u8],
    header: &str,
    secrets: &[SecretString],
    now: i64,
) -> Result<(), SignatureError> {
    Verifier::new(secrets)
        .map_err(|NoSecret| SignatureError::Mismatch)?
        .verify(body, header, now)
}

/// Makes the header value for a body as Stripe would at `now` (Unix seconds).
#[must_use]
pub fn sign(body: &[u8], secret: &SecretString, now: i64) -> String {
    let time = now.to_string();
    let tag = hex_tag(&key(secret), &time, body);
    format!("t={time},v1={tag}")
}

struct Header<'a> {
    /// The time as it was written: the bytes that were signed.
    time: &'a str,
    seconds: i64,
    candidates: Vec<&'a str>,
}

impl<'a> Header<'a> {
    fn parse(header: &'a str) -> Result<Self, SignatureError> {
        let mut time = None;
        let mut candidates = Vec::with_capacity(2);
        for pair in header.split(',') {
            match pair.split_once('=') {
                Some(("t", value)) if time.is_none() => time = Some(value),
                Some(("t", _)) => return Err(SignatureError::Malformed),
                Some(("v1", value)) if candidates.len() < MOST_CANDIDATES => candidates.push(value),
                _ => {}
            }
        }
        let time = time.ok_or(SignatureError::Malformed)?;
        let seconds = time.parse().map_err(|_| SignatureError::Malformed)?;
        if candidates.is_empty() {
            return Err(SignatureError::Malformed);
        }
        Ok(Self {
            time,
            seconds,
            candidates,
        })
    }
}

fn key(secret: &SecretString) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes())
}

fn hex_tag(key: &hmac::Key, time: &str, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(time.as_bytes());
    context.update(b".");
    context.update(body);
    hex::encode(context.sign())
}
