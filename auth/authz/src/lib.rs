//! Who is calling: verifies access tokens and API keys, and hands routes a [`Caller`].
//!
//! Nothing here issues anything but API keys; tokens come from the auth service, and this crate knows only its public
//! keys. Every refusal looks the same from outside.

pub mod api_key;
mod cache;
mod caller;
mod claims;
mod error;
mod key_set;
mod token;
mod verifier;

pub use caller::{Caller, Role, UnknownRole};
pub use claims::{ACCESS_TOKEN_TYPE, Claims};
pub use error::Error;
pub use verifier::{Config, Verifier};

/// The SHA-256 of a token or a key, under which it is known here: the thing itself is kept nowhere.
pub(crate) type Digest = [u8; 32];

pub(crate) fn digest(secret: &str) -> Digest {
    let mut digest = Digest::default();
    digest.copy_from_slice(
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes()).as_ref(),
    );
    digest
}
