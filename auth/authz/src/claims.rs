//! The claims of an access token.

use infra::id::AccountId;
use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::{Role, StaffRole};

/// The `typ` of an access token (RFC 9068); any other kind of token of the same issuer is refused by it.
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// The claims of an access token. Times are seconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer.
    pub iss: String,
    /// The audience.
    pub aud: String,
    /// The user.
    pub sub: UserId,
    /// The account that the user acts for.
    pub account: AccountId,
    /// The user's role there.
    pub role: Role,
    /// The user's role of the house; most users have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staff: Option<StaffRole>,
    /// The generation of the membership. A change of role or password draws a later one, and then this token is refused. A
    /// token without the claim has the first generation.
    #[serde(default, rename = "gen")]
    pub generation: i64,
    /// When it was made.
    pub iat: u64,
    /// The time from which it is valid.
    pub nbf: u64,
    /// The time until which it is valid.
    pub exp: u64,
    /// A unique name, so that no two tokens are equal.
    pub jti: String,
}
