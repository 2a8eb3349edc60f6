//! The table of Stripe's event types.

use Rule::{Charge, ChargeChanged, Dispute, Hint, Hold, Intent, Refund};
use workflows::attempt::Status;
use workflows::dispute::Funds;
use workflows::payment::Kind;

/// How the events of a type are read.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// The intent moved by this edge.
    Intent(Kind),
    /// The attempt of the charge has this status now.
    Charge(Status),
    /// The charge changed; its own fields show the status of its attempt.
    ChargeChanged,
    /// The refund changed; its own field shows its status.
    Refund,
    /// The dispute changed; its own field shows its status, and the type what became of its money.
    Dispute(Option<Funds>),
    /// The review or the warning holds the payment, or no longer does, as its own field shows.
    Hold,
    /// No edge of a machine, but a reason for a resync.
    Hint,
}

/// To be enabled at Stripe's webhook endpoint.
const ENABLED: bool = true;

/// Handled where it arrives. It only repeats what another event, or the answer that creates the intent, says.
const OPTIONAL: bool = false;

/// Every type that Pawl handles; a type that is not here is kept and ignored.
const EVENTS: [(&str, bool, Rule); 35] = [
    (
        "payment_intent.created",
        OPTIONAL,
        Intent(Kind::IntentCreated),
    ),
    (
        "payment_intent.requires_action",
        ENABLED,
        Intent(Kind::ActionRequired),
    ),
    (
        "payment_intent.processing",
        ENABLED,
        Intent(Kind::ProcessingStarted),
    ),
    (
        "payment_intent.amount_capturable_updated",
        ENABLED,
        Intent(Kind::CapturableUpdated),
    ),
    ("payment_intent.partially_funded", ENABLED, Hint),
    (
        "payment_intent.payment_failed",
        ENABLED,
        Intent(Kind::PaymentFailed),
    ),
    ("payment_intent.canceled", ENABLED, Intent(Kind::Canceled)),
    ("payment_intent.succeeded", ENABLED, Intent(Kind::Succeeded)),
    ("charge.pending", OPTIONAL, Charge(Status::Pending)),
    ("charge.succeeded", OPTIONAL, ChargeChanged),
    ("charge.captured", OPTIONAL, Charge(Status::Captured)),
    ("charge.failed", OPTIONAL, Charge(Status::Failed)),
    ("charge.expired", ENABLED, Charge(Status::Expired)),
    ("charge.updated", OPTIONAL, ChargeChanged),
    ("charge.refunded", ENABLED, Hint),
    ("charge.refund.updated", ENABLED, Refund),
    ("refund.created", ENABLED, Refund),
    ("refund.updated", ENABLED, Refund),
    ("refund.failed", ENABLED, Refund),
    ("charge.dispute.created", ENABLED, Dispute(None)),
    ("charge.dispute.updated", ENABLED, Dispute(None)),
    (
        "charge.dispute.funds_withdrawn",
        ENABLED,
        Dispute(Some(Funds::Withdrawn)),
    ),
    (
        "charge.dispute.funds_reinstated",
        ENABLED,
        Dispute(Some(Funds::Reinstated)),
    ),
    ("charge.dispute.closed", ENABLED, Dispute(None)),
    ("review.opened", ENABLED, Hold),
    ("review.closed", ENABLED, Hold),
    ("radar.early_fraud_warning.created", ENABLED, Hold),
    ("radar.early_fraud_warning.updated", ENABLED, Hold),
    ("checkout.session.completed", ENABLED, Hint),
    ("checkout.session.expired", ENABLED, Hint),
    ("checkout.session.async_payment_succeeded", ENABLED, Hint),
    ("checkout.session.async_payment_failed", ENABLED, Hint),
    ("payout.paid", OPTIONAL, Hint),
    ("payout.failed", ENABLED, Hint),
    ("mandate.updated", ENABLED, Hint),
];

/// Comes after every refund, with the charge but not with the refund.
pub(super) const REFUNDED: &str = "charge.refunded";

/// The types to enable at Stripe's webhook endpoint: all that move a payment or make Pawl resync it.
pub fn enabled_events() -> impl Iterator<Item = &'static str> {
    let enabled = EVENTS.iter().filter(|(_, enabled, _)| *enabled);
    enabled.map(|(name, ..)| *name)
}

/// How many types one listing may name.
const TYPES_AT_ONCE: usize = 20;

/// [`enabled_events`], in portions that Stripe accepts as a filter of its list.
pub(crate) fn enabled_chunks() -> Vec<Vec<&'static str>> {
    let all: Vec<&'static str> = enabled_events().collect();
    all.chunks(TYPES_AT_ONCE).map(<[_]>::to_vec).collect()
}

/// The rule of a type; none for a type that Pawl does not know.
pub(super) fn find_rule(name: &str) -> Option<Rule> {
    let row = EVENTS.iter().find(|(known, ..)| *known == name)?;
    Some(row.2)
}

/// Whether Pawl handles events of this type.
pub(super) fn is_known(name: &str) -> bool {
    find_rule(name).is_some()
}
