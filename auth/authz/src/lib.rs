//! Verifies access tokens and API keys, and gives routes the [`Caller`].
//!
//! The auth service issues tokens; this crate knows only its public keys, and issues API keys alone. Every refusal looks the
//! same to the client.

pub mod api_key;
pub mod audit;
mod cache;
mod caller;
mod claims;
pub mod code;
mod error;
mod extract;
pub mod id;
mod key_set;
pub mod membership;
mod revocations;
mod single_header;
pub mod staff;
mod staff_role;
mod token;
mod verifier;

pub use caller::{Caller, Role, UnknownRole};
pub use claims::{ACCESS_TOKEN_TYPE, Claims};
pub use error::Error;
pub use staff_role::{StaffRole, UnknownStaffRole};
pub use verifier::{Config, Verifier};

/// The SHA-256 of a token or an API key, which stands for the secret: the secret itself is stored nowhere.
pub type Digest = [u8; 32];

/// The digest of a secret that is too random to be guessed, and so needs no slow hash.
#[must_use]
pub fn digest(secret: &str) -> Digest {
    let mut digest = Digest::default();
    digest.copy_from_slice(
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes()).as_ref(),
    );
    digest
}
