//! The review: somebody is to look at a charge before its goods are sent.

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::json;
use crate::table::Row;

/// One review.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Review {
    pub(crate) id: String,
    pub(crate) charge: String,
    /// Why it was closed; none while it is open.
    pub(crate) closed_reason: Option<String>,
    pub(crate) created: i64,
    /// `rule` or `manual`.
    pub(crate) opened_reason: String,
    pub(crate) payment_intent: String,
}

impl Row for Review {
    const KIND: &'static str = "review";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Review {
    /// Whether nobody has decided yet.
    pub(crate) fn is_open(&self) -> bool {
        self.closed_reason.is_none()
    }

    /// The review as Stripe shows it.
    pub(crate) fn render(&self) -> Box<RawValue> {
        let reason = self.closed_reason.as_ref().unwrap_or(&self.opened_reason);
        json::render(&json!({
            "id": self.id, "object": "review", "billing_zip": null, "charge": self.charge,
            "closed_reason": self.closed_reason, "created": self.created, "ip_address": null,
            "ip_address_location": null, "livemode": false, "open": self.is_open(),
            "opened_reason": self.opened_reason, "payment_intent": self.payment_intent,
            "reason": reason, "session": null,
        }))
    }
}
