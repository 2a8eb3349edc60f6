//! The roles of the house.

use std::fmt;
use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a person of the house may do in every account; each role includes the rights of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StaffRole {
    /// Sees the payments, jobs and webhooks of all accounts.
    Viewer,
    /// Retries and stops work of all accounts.
    Operator,
    /// Sees the audit of all accounts too.
    Admin,
}

/// A role of the house that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role of the house is one of viewer, operator, admin")]
pub struct UnknownStaffRole;

impl StaffRole {
    /// Every role, the weakest first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The name in tokens and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl Display for StaffRole {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for StaffRole {
    type Err = UnknownStaffRole;

    fn from_str(name: &str) -> Result<Self, UnknownStaffRole> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == name);
        role.ok_or(UnknownStaffRole)
    }
}
