//! What operators ask for, about a payment.

use serde::Deserialize;
use utoipa::ToSchema;
use workflows::payment::Status;

use crate::schema::PaymentStatus;

/// A request to move a payment by hand.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForcePayment {
    /// The status to move to.
    #[schema(value_type = PaymentStatus)]
    pub status: Status,
    /// Why, for the audit and the payment's history.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
    /// The version of the payment that the operator has seen. Of a payment that has moved on, nothing is changed.
    pub version: i64,
}

/// A request to read a payment's objects at Stripe now.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResyncPayment {
    /// Why, for the audit.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    pub reason: Option<String>,
}
