//! Stripe's fields of a dispute's evidence, and their limits.

/// Stripe's fields of a dispute's evidence that hold text.
pub const TEXTS: [&str; 18] = [
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

/// Stripe's fields of a dispute's evidence that hold the id of a file that was uploaded to Stripe.
pub const FILES: [&str; 9] = [
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

/// The most characters that a text of evidence may have, and that all texts together may have: Stripe's limits.
pub const TEXT_LENGTH: usize = 20_000;
/// See [`TEXT_LENGTH`].
pub const LENGTH: usize = 150_000;
