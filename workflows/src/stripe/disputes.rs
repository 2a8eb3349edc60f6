//! Snapshots of what may follow a payment: disputes, reviews and early warnings of fraud.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::expandable_id;

/// The status of a Dispute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    /// The bank asks; evidence may prevent a dispute.
    WarningNeedsResponse,
    /// The bank reads the evidence about its inquiry.
    WarningUnderReview,
    /// The inquiry ended without a dispute.
    WarningClosed,
    /// It is disputed, and evidence is needed.
    NeedsResponse,
    /// The bank reads the evidence.
    UnderReview,
    /// Decided for the merchant.
    Won,
    /// Decided for the customer, or accepted by the merchant.
    Lost,
    /// Resolved before the bank made a dispute of it.
    Prevented,
    /// A status that this version does not know: the dispute does not move.
    #[serde(other)]
    Unknown,
}

/// A snapshot of a Dispute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// `dp_…` or `du_…`
    pub id: String,
    /// Where it stands.
    pub status: DisputeStatus,
    /// The disputed amount, in the unit of `currency`.
    pub amount: i64,
    /// Three letters in lower case.
    pub currency: String,
    /// `fraudulent`, `product_not_received`, …
    #[serde(default)]
    pub reason: String,
    /// `ch_…`
    #[serde(default, deserialize_with = "expandable_id")]
    pub charge: Option<String>,
    /// `pi_…`
    #[serde(default, deserialize_with = "expandable_id")]
    pub payment_intent: Option<String>,
    /// The evidence that is stored at Stripe: its texts and the ids of its files, by field.
    #[serde(default)]
    pub evidence: BTreeMap<String, Value>,
    /// How far the evidence is.
    #[serde(default)]
    pub evidence_details: EvidenceDetails,
    /// One movement of money for the withdrawal, and one more where it was given back.
    #[serde(default)]
    pub balance_transactions: Vec<Value>,
}

/// How far the evidence of a dispute is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceDetails {
    /// Until when it may be sent, in Unix seconds.
    #[serde(default)]
    pub due_by: Option<i64>,
    /// Whether any is stored.
    #[serde(default)]
    pub has_evidence: bool,
    /// How often it was sent to the bank.
    #[serde(default)]
    pub submission_count: i64,
}

/// A snapshot of a Review: somebody, or Radar, asks for a look at the payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// `prv_…`
    pub id: String,
    /// Whether it waits for a decision.
    #[serde(default)]
    pub open: bool,
    /// `pi_…`
    #[serde(default, deserialize_with = "expandable_id")]
    pub payment_intent: Option<String>,
    /// `ch_…`
    #[serde(default, deserialize_with = "expandable_id")]
    pub charge: Option<String>,
}

/// A snapshot of an `EarlyFraudWarning`: the bank expects a dispute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FraudWarning {
    /// `issfr_…`
    pub id: String,
    /// Whether a refund may still prevent the dispute.
    #[serde(default)]
    pub actionable: bool,
    /// `pi_…`
    #[serde(default, deserialize_with = "expandable_id")]
    pub payment_intent: Option<String>,
    /// `ch_…`
    #[serde(default, deserialize_with = "expandable_id")]
    pub charge: Option<String>,
}
