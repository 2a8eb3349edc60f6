//! What differs between an intent of Stripe and the payment that the database has of it.

use contracts::id::PaymentId;
use workflows::payment::Status;

use crate::store::payment::sums::Sums;
use crate::stripe::IntentSums;

/// What differs between an intent and its payment: the name of the field, and its value on both sides.
pub(super) fn differences(
    intent: Option<&IntentSums>,
    row: Option<&Sums>,
) -> Vec<(&'static str, String, String)> {
    let none = || "none".to_owned();
    let (intent, row) = match (intent, row) {
        (Some(intent), Some(row)) => (intent, row),
        // Another program's intent is no difference.
        (Some(intent), None) if intent.payment().is_none() => return Vec::new(),
        (Some(intent), None) => return vec![("payment", intent.id.clone(), none())],
        (None, Some(row)) => return vec![("payment", none(), row.intent_id.clone())],
        (None, None) => return Vec::new(),
    };
    let status = Status::of_intent(intent.status).map_or("unknown", Status::as_str);
    [
        ("status", status.to_owned(), row.status.clone()),
        (
            "captured",
            intent.amount_received.to_string(),
            row.captured.to_string(),
        ),
        (
            "refunded",
            intent.amount_refunded().to_string(),
            row.refunded.to_string(),
        ),
    ]
    .into_iter()
    .filter(|(_, stripe, pawl)| stripe != pawl)
    .collect()
}

/// What to do about a difference.
pub(super) fn action(what: &str, is_known: bool, payment: PaymentId) -> String {
    match (what, is_known) {
        ("payment", false) => {
            "Stripe has an intent of ours that the database does not know. Find out whether the database was restored from a \
             backup; `pawl adopt` writes the payment again."
                .to_owned()
        }
        ("payment", true) => {
            "The database names an intent that Stripe does not know. Find out whether STRIPE_API_KEY is of the right account \
             and mode."
                .to_owned()
        }
        _ => format!(
            "Stripe is right about money: request POST /api/v1/ops/payments/{payment}/resync, then audit again. If a refunded \
             sum still differs, compare the payment's refunds with Stripe's one by one."
        ),
    }
}
