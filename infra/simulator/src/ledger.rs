//! The sums of all charges, captures and refunds that really happened, whatever the answers to requests said.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

/// Sums that stay when their objects are removed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ledger {
    pub(crate) totals: BTreeMap<String, Totals>,
    /// Successful charges by a fingerprint of the payment: 16 bytes each, so that all can be kept.
    charges: HashMap<u64, u32>,
    /// Payments with more than one successful charge.
    pub(crate) charged_more_than_once: u64,
}

/// Sums of one currency in its smallest unit.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Totals {
    /// Intents created.
    pub(crate) intents: u64,
    /// Successful charges, authorizations included.
    pub(crate) charges: u64,
    /// Charges that the bank declined.
    pub(crate) failed_charges: u64,
    /// The amounts of all intents.
    pub(crate) amount: i64,
    /// The amounts of all successful charges.
    pub(crate) authorized: i64,
    /// The captured amounts.
    pub(crate) captured: i64,
    /// The amounts of successful refunds.
    pub(crate) refunded: i64,
    /// The amounts of pending refunds.
    pub(crate) refund_pending: i64,
}

impl Ledger {
    /// The sums of `currency`, to be changed.
    pub(crate) fn totals(&mut self, currency: &str) -> &mut Totals {
        self.totals.entry(currency.to_owned()).or_default()
    }

    /// Counts a successful charge of `payment`.
    pub(crate) fn add_charge(&mut self, payment: &str, currency: &str, amount: i64) {
        let totals = self.totals(currency);
        totals.charges += 1;
        totals.authorized += amount;
        let mut hasher = DefaultHasher::new();
        payment.hash(&mut hasher);
        let charges = self.charges.entry(hasher.finish()).or_default();
        *charges += 1;
        if *charges == 2 {
            self.charged_more_than_once += 1;
        }
    }
}
