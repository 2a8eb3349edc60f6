//! The refund as it is stored and as Stripe shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json;
use crate::table::Row;

/// Stripe's reason of a refund that releases an authorized amount which was not captured.
pub(crate) const RELEASE: &str = "expired_uncaptured_charge";

/// The statuses of a refund that the simulator uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Not completed yet.
    Pending,
    /// Paid back, as far as Stripe knows.
    Succeeded,
    /// The bank returned the money to the merchant.
    Failed,
    /// Canceled before it was completed.
    Canceled,
}

/// One refund.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) charge: String,
    pub(crate) created: i64,
    pub(crate) currency: String,
    pub(crate) failure_reason: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) payment_intent: String,
    pub(crate) reason: Option<String>,
    pub(crate) status: Status,
}

impl Row for Refund {
    const KIND: &'static str = "refund";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Refund {
    /// Whether it only releases an authorized amount, so that no money is paid back.
    pub(crate) fn is_release(&self) -> bool {
        self.reason.as_deref() == Some(RELEASE)
    }

    /// The refund as Stripe shows it.
    pub(crate) fn render(&self) -> Box<RawValue> {
        json::render(&Shown {
            id: &self.id,
            object: "refund",
            amount: self.amount,
            balance_transaction: None,
            charge: &self.charge,
            created: self.created,
            currency: &self.currency,
            failure_reason: self.failure_reason.as_deref(),
            metadata: &self.metadata,
            payment_intent: &self.payment_intent,
            reason: self.reason.as_deref(),
            receipt_number: None,
            source_transfer_reversal: None,
            status: self.status,
            transfer_reversal: None,
        })
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    object: &'static str,
    amount: i64,
    balance_transaction: Option<()>,
    charge: &'a str,
    created: i64,
    currency: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<&'a str>,
    metadata: &'a BTreeMap<String, String>,
    payment_intent: &'a str,
    reason: Option<&'a str>,
    receipt_number: Option<()>,
    source_transfer_reversal: Option<()>,
    status: Status,
    transfer_reversal: Option<()>,
}
