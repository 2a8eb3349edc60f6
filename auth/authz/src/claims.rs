//! What an access token says.

use infra::id::AccountId;
use serde::{Deserialize, Serialize};

use crate::Role;
use crate::id::UserId;

/// The `typ` of an access token (RFC 9068); any other kind of token of the same issuer is refused by it.
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// The claims of an access token. Times are seconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Who made the token.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// The person.
    pub sub: UserId,
    /// The account the person acts for.
    pub account: AccountId,
    /// What the person may do there.
    pub role: Role,
    /// The generation of the membership that it was made for; a change of role or password draws a later one, and then
    /// this token is refused. A token without it is the first that any such change ends.
    #[serde(default, rename = "gen")]
    pub generation: i64,
    /// When it was made.
    pub iat: u64,
    /// From when on it is valid.
    pub nbf: u64,
    /// Until when it is valid.
    pub exp: u64,
    /// A name of its own, so that no two tokens are equal.
    pub jti: String,
}
