//! Holds: signs that a payment should be looked at before its goods leave. They move nothing; clients see them.

use serde::{Deserialize, Serialize};

use crate::names::names;

names! {
    /// What set a hold.
    pub enum Source: "source of a hold" {
        /// A review by Radar or by a person.
        Review = "review",
        /// A warning of the customer's bank.
        EarlyFraudWarning = "early_fraud_warning",
    }
}

/// One object of Stripe that set a hold. It is kept when the hold is cleared, because an older report may come later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What it is.
    pub source: Source,
    /// `prv_…` or `issfr_…`
    pub id: String,
    /// Whether it holds the payment now. Never true again once it was false.
    pub open: bool,
}
