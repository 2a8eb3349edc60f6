//! Who is calling: verifies access tokens and API keys, and hands routes a [`Caller`].
//!
//! Nothing here issues anything but API keys; tokens come from the auth service, and this crate knows only its public
//! keys. Every refusal looks the same from outside.

pub mod api_key;
pub mod audit;
mod cache;
mod caller;
mod claims;
mod error;
pub mod id;
mod key_set;
pub mod membership;
mod revocations;
mod token;
mod verifier;

pub use caller::{Caller, Role, UnknownRole};
pub use claims::{ACCESS_TOKEN_TYPE, Claims};
pub use error::Error;
pub use verifier::{Config, Verifier};

/// Which part of a list, newest first, is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Continue with what is older than this.
    pub starting_after: Option<uuid::Uuid>,
    /// Go back to what is newer than this: the nearest ones. It wins over the other.
    pub ending_before: Option<uuid::Uuid>,
    /// How many at most.
    pub limit: i64,
}

/// The SHA-256 of a token or a key, under which it is known here: the thing itself is kept nowhere.
pub type Digest = [u8; 32];

/// The digest of a secret that needs no slow hash because nobody can guess it.
#[must_use]
pub fn digest(secret: &str) -> Digest {
    let mut digest = Digest::default();
    digest.copy_from_slice(
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes()).as_ref(),
    );
    digest
}
