//! The dispute: a customer's claim against a charge.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::json;
use crate::table::Row;

/// Stripe's statuses of a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// An inquiry that needs evidence.
    WarningNeedsResponse,
    /// An inquiry whose evidence is being reviewed.
    WarningUnderReview,
    /// An inquiry that ended without a dispute.
    WarningClosed,
    /// A dispute that needs evidence.
    NeedsResponse,
    /// A dispute whose evidence is being reviewed.
    UnderReview,
    /// Decided for the merchant.
    Won,
    /// Decided for the customer, or accepted by the merchant.
    Lost,
    /// Resolved before it became a dispute.
    Prevented,
}

impl Status {
    /// Whether it is an inquiry, which moves no money.
    pub(crate) fn is_inquiry(self) -> bool {
        matches!(
            self,
            Self::WarningNeedsResponse | Self::WarningUnderReview | Self::WarningClosed
        )
    }

    /// Whether a dispute never leaves this status.
    pub(crate) fn is_final(self) -> bool {
        matches!(
            self,
            Self::WarningClosed | Self::Won | Self::Lost | Self::Prevented
        )
    }

    /// Whether the charge cannot be refunded meanwhile.
    pub(crate) fn blocks_refunds(self) -> bool {
        matches!(self, Self::NeedsResponse | Self::UnderReview | Self::Lost)
    }
}

/// One dispute.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) charge: String,
    pub(crate) created: i64,
    pub(crate) currency: String,
    pub(crate) due_by: i64,
    pub(crate) evidence: BTreeMap<String, String>,
    /// Whether the amount was withdrawn from the merchant's balance.
    pub(crate) is_withdrawn: bool,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) payment_intent: String,
    pub(crate) reason: String,
    pub(crate) status: Status,
    pub(crate) submissions: u32,
}

impl Row for Dispute {
    const KIND: &'static str = "dispute";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Dispute {
    /// The dispute as Stripe shows it.
    pub(crate) fn render(&self) -> Box<RawValue> {
        json::render(&json!({
            "id": self.id, "object": "dispute", "amount": self.amount, "balance_transactions": [],
            "charge": self.charge, "created": self.created, "currency": self.currency,
            "evidence": self.evidence,
            "evidence_details": {
                "due_by": self.due_by, "has_evidence": !self.evidence.is_empty(), "past_due": false,
                "submission_count": self.submissions,
            },
            "is_charge_refundable": !self.status.blocks_refunds(), "livemode": false,
            "metadata": self.metadata, "payment_intent": self.payment_intent, "reason": self.reason,
            "status": self.status,
        }))
    }
}
