//! The dispute: a customer's claim against a charge.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

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
    pub(crate) metadata: BTreeMap<String, String>,
    /// The moves of money in the merchant's balance: none, the withdrawal, or the withdrawal and its return.
    #[serde(default)]
    pub(crate) movements: Vec<Movement>,
    /// Whether the time for evidence passed without any.
    #[serde(default)]
    pub(crate) past_due: bool,
    pub(crate) payment_intent: String,
    pub(crate) reason: String,
    pub(crate) status: Status,
    pub(crate) submissions: u32,
}

/// One move of money, to or from the merchant's balance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Movement {
    /// `txn_…`
    pub(crate) id: String,
    /// Seconds since the epoch.
    pub(crate) created: i64,
}

/// The texts of evidence that Stripe accepts.
pub(crate) const TEXTS: &[&str] = &[
    "access_activity_log",
    "billing_address",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_tracking_number",
    "uncategorized_text",
];

/// The fields of evidence that hold the id of a file.
pub(crate) const FILES: &[&str] = &[
    "cancellation_policy",
    "customer_communication",
    "customer_signature",
    "duplicate_charge_documentation",
    "receipt",
    "refund_policy",
    "service_documentation",
    "shipping_documentation",
    "uncategorized_file",
];

/// What the bank charges for a dispute, in the smallest unit of the currency.
const FEE: i64 = 1500;

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
    /// Whether the amount is withdrawn from the merchant's balance now.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.movements.len() % 2 == 1
    }

    /// Whether it waits for evidence, so that it ends when the time for it passes.
    pub(crate) fn needs_response(&self) -> bool {
        matches!(
            self.status,
            Status::NeedsResponse | Status::WarningNeedsResponse
        )
    }

    /// The decision that the submitted evidence asks for, by the texts that Stripe documents for tests.
    pub(crate) fn asked_decision(&self) -> Option<Status> {
        let text = self.evidence.get("uncategorized_text")?;
        match (self.status, text.as_str()) {
            (Status::UnderReview, "winning_evidence") => Some(Status::Won),
            (Status::UnderReview, "losing_evidence") => Some(Status::Lost),
            (Status::WarningUnderReview, "winning_evidence" | "losing_evidence") => {
                Some(Status::WarningClosed)
            }
            (Status::WarningUnderReview, "escalate_inquiry_evidence") => {
                Some(Status::NeedsResponse)
            }
            _ => None,
        }
    }

    /// The moves of money as Stripe shows them, the withdrawal first.
    fn balance_transactions(&self) -> Vec<Value> {
        let movements = self.movements.iter().enumerate();
        movements
            .map(|(place, movement)| {
                let (amount, fee, category) = match place {
                    0 => (-self.amount, FEE, "dispute"),
                    _ => (self.amount, 0, "dispute_reversal"),
                };
                json!({
                    "id": movement.id, "object": "balance_transaction", "amount": amount,
                    "available_on": movement.created, "created": movement.created,
                    "currency": self.currency, "fee": fee, "net": amount - fee,
                    "reporting_category": category, "source": self.id, "status": "available",
                    "type": "adjustment",
                })
            })
            .collect()
    }

    /// Every field of evidence, null where nothing is stored.
    fn shown_evidence(&self) -> BTreeMap<&str, Option<&str>> {
        let names = TEXTS.iter().chain(FILES);
        names
            .map(|name| (*name, self.evidence.get(*name).map(String::as_str)))
            .collect()
    }

    /// The dispute as Stripe shows it.
    pub(crate) fn render(&self) -> Box<RawValue> {
        json::render(&json!({
            "id": self.id, "object": "dispute", "amount": self.amount,
            "balance_transactions": self.balance_transactions(),
            "charge": self.charge, "created": self.created, "currency": self.currency,
            "evidence": self.shown_evidence(),
            "evidence_details": {
                "due_by": self.due_by, "has_evidence": !self.evidence.is_empty(), "past_due": self.past_due,
                "submission_count": self.submissions,
            },
            "is_charge_refundable": !self.status.blocks_refunds(), "livemode": false,
            "metadata": self.metadata, "payment_intent": self.payment_intent, "reason": self.reason,
            "status": self.status,
        }))
    }
}
