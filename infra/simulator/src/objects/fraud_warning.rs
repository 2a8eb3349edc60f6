//! The early warning of fraud: a bank believes that a charge was not made by its customer.

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::json;
use crate::table::Row;

/// One warning.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FraudWarning {
    pub(crate) id: String,
    /// Whether a refund may still prevent a dispute.
    pub(crate) actionable: bool,
    pub(crate) charge: String,
    pub(crate) created: i64,
    pub(crate) fraud_type: String,
    pub(crate) payment_intent: String,
}

impl Row for FraudWarning {
    const KIND: &'static str = "early_fraud_warning";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl FraudWarning {
    /// The warning as Stripe shows it.
    pub(crate) fn render(&self) -> Box<RawValue> {
        json::render(&json!({
            "id": self.id, "object": "radar.early_fraud_warning", "actionable": self.actionable,
            "charge": self.charge, "created": self.created, "fraud_type": self.fraud_type,
            "livemode": false, "payment_intent": self.payment_intent,
        }))
    }
}
