//! The caller of a route, and its role.

use std::fmt;
use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::StaffRole;

/// The sender of this request, proven by a token or an API key.
///
/// As an extractor it needs a [`Verifier`](crate::Verifier) in the router's state and answers 401 itself without a valid token or key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The merchant on whose behalf the request is made; nothing of another account may be shown or changed.
    pub account: Uuid,
    /// The person, if a person's token was sent.
    pub user: Option<Uuid>,
    /// The caller's role in the account.
    pub role: Role,
    /// The role of the house, if the person has one: then the other accounts are open too.
    pub staff: Option<StaffRole>,
    /// The API key, if one was sent.
    pub key: Option<Uuid>,
    /// That key's own limit of requests per minute, if it has one.
    pub per_minute: Option<u32>,
}

/// The role of a member, as in the table `membership`; each includes the rights of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Pays and sees payments: the role of every new user and of every API key.
    User,
    /// Sees the console.
    Viewer,
    /// Acts in the console.
    Operator,
    /// Manages users and keys.
    Admin,
}

/// A role that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of user, viewer, operator, admin")]
pub struct UnknownRole;

impl Role {
    /// Every role, the weakest first.
    pub const ALL: [Self; 4] = [Self::User, Self::Viewer, Self::Operator, Self::Admin];

    /// The name in tokens and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or(UnknownRole)
    }
}
