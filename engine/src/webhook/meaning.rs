//! What an event of Stripe means for a payment.

use uuid::Uuid;
use workflows::stream::Event;
use workflows::stripe::{Charge, ChargeStatus, Intent, PAYMENT_ID, Refund, id_of};
use workflows::{attempt, payment};

use super::{Incoming, Object, Pointers};

/// What is to be done about an event.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// It reports something that `step` understands.
    Report {
        /// The payment that it is about.
        target: Target,
        /// What to apply to it.
        event: Box<Event>,
    },
    /// Something happened that only a look at Stripe explains: [`Event::Hinted`].
    Hint {
        /// The payment that it is about.
        target: Target,
        /// What Stripe has given back, finished or not, where the event says so. A payment whose `refunded + reserved` is this sum knows of every
        /// refund, and need not be looked at: otherwise each refund of ours would cost a read.
        refunded: Option<i64>,
    },
    /// A type that Pawl knows, about something that belongs to no payment: a payout, a charge without an intent.
    Unrelated,
    /// A type that Pawl does not know.
    Unknown,
}

/// How to find the payment of an event: by what we wrote on it, else by Stripe's ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// `metadata.payment_id`: one of ours, if this server has a payment of that id.
    pub payment_id: Option<Uuid>,
    /// `pi_…`
    pub intent_id: Option<String>,
    /// `ch_…`
    pub charge_id: Option<String>,
}

/// What a type of event is read as.
#[derive(Clone, Copy)]
enum Rule {
    /// The intent moved by this edge.
    Intent(payment::Kind),
    /// The attempt moved by this edge.
    Charge(attempt::Kind),
    /// The charge changed, and only its own fields say how.
    ChargeChanged,
    /// The refund changed; its status says how.
    Refund,
    /// No edge of a machine, but a reason to look.
    Hint,
}

/// Comes after every refund, with the charge but not with the refund.
const REFUNDED: &str = "charge.refunded";

/// The rule of each type of event; a type that is not here is unknown.
fn rule(name: &str) -> Option<Rule> {
    use attempt::Kind as Attempt;
    use payment::Kind as Payment;
    let rule = match name {
        "payment_intent.created" => Rule::Intent(Payment::IntentCreated),
        "payment_intent.requires_action" => Rule::Intent(Payment::ActionRequired),
        "payment_intent.processing" => Rule::Intent(Payment::ProcessingStarted),
        "payment_intent.amount_capturable_updated" => Rule::Intent(Payment::CapturableUpdated),
        "payment_intent.payment_failed" => Rule::Intent(Payment::PaymentFailed),
        "payment_intent.canceled" => Rule::Intent(Payment::Canceled),
        "payment_intent.succeeded" => Rule::Intent(Payment::Succeeded),
        "charge.pending" => Rule::Charge(Attempt::Pended),
        "charge.captured" => Rule::Charge(Attempt::Captured),
        "charge.failed" => Rule::Charge(Attempt::Failed),
        "charge.expired" => Rule::Charge(Attempt::Expired),
        "charge.succeeded" | "charge.updated" => Rule::ChargeChanged,
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            Rule::Refund
        }
        "payment_intent.partially_funded"
        | REFUNDED
        | "charge.dispute.created"
        | "charge.dispute.updated"
        | "charge.dispute.funds_withdrawn"
        | "charge.dispute.funds_reinstated"
        | "charge.dispute.closed"
        | "review.opened"
        | "review.closed"
        | "radar.early_fraud_warning.created"
        | "radar.early_fraud_warning.updated"
        | "checkout.session.completed"
        | "checkout.session.expired"
        | "checkout.session.async_payment_succeeded"
        | "checkout.session.async_payment_failed"
        | "payout.paid"
        | "payout.failed"
        | "mandate.updated" => Rule::Hint,
        _ => return None,
    };
    Some(rule)
}

/// Whether Pawl does something about events of this type.
pub(super) fn is_known(name: &str) -> bool {
    rule(name).is_some()
}

/// Says what an event means. `fresh` becomes the id of an attempt or a refund, should applying the event make one.
///
/// An event whose object is not of the kind that its type promises is a hint: the payment is looked at instead.
#[must_use]
pub fn meaning(incoming: &Incoming, fresh: Uuid) -> Meaning {
    let Some(rule) = rule(&incoming.r#type) else {
        return Meaning::Unknown;
    };
    let target = Target::of(&incoming.object);
    if target.is_nowhere(&incoming.object) {
        return Meaning::Unrelated;
    }
    let event = match (rule, &incoming.object) {
        (Rule::Intent(kind), Object::Intent(intent)) => Some(intent_seen(intent, kind, fresh)),
        (Rule::Charge(kind), Object::Charge(charge)) => Some(charge_seen(charge, kind, fresh)),
        (Rule::ChargeChanged, Object::Charge(charge)) => {
            kind_of(charge).map(|kind| charge_seen(charge, kind, fresh))
        }
        (Rule::Refund, Object::Refund(refund)) => Some(refund_seen(refund, fresh)),
        _ => None,
    };
    match event {
        Some(event) => Meaning::Report {
            target,
            event: Box::new(event),
        },
        None => Meaning::Hint {
            target,
            refunded: match &incoming.object {
                Object::Charge(charge) if incoming.r#type == REFUNDED => {
                    Some(charge.amount_refunded)
                }
                _ => None,
            },
        },
    }
}

fn intent_seen(intent: &Intent, kind: payment::Kind, fresh: Uuid) -> Event {
    Event::IntentSeen {
        intent: intent.clone(),
        kind,
        answers: None,
        attempt: None,
        fresh_attempt: fresh,
    }
}

fn charge_seen(charge: &Charge, kind: attempt::Kind, fresh: Uuid) -> Event {
    Event::ChargeSeen {
        charge: charge.clone(),
        kind,
        fresh_attempt: fresh,
    }
}

fn refund_seen(refund: &Refund, fresh: Uuid) -> Event {
    Event::RefundSeen {
        refund: refund.clone(),
        answers: None,
        fresh_refund: fresh,
    }
}

/// `charge.succeeded` means authorized or captured, and `charge.updated` comes for a capture as well as for a new description.
fn kind_of(charge: &Charge) -> Option<attempt::Kind> {
    match charge.status {
        ChargeStatus::Succeeded if charge.captured => Some(attempt::Kind::Captured),
        ChargeStatus::Succeeded => Some(attempt::Kind::Authorized),
        ChargeStatus::Pending => Some(attempt::Kind::Pended),
        ChargeStatus::Failed => Some(attempt::Kind::Failed),
        ChargeStatus::Unknown => None,
    }
}

impl Target {
    fn of(object: &Object) -> Self {
        match object {
            Object::Intent(intent) => Self {
                payment_id: payment_id(intent.metadata.get(PAYMENT_ID)),
                intent_id: Some(intent.id.clone()),
                charge_id: intent.charge_id().map(str::to_owned),
            },
            Object::Charge(charge) => Self {
                payment_id: payment_id(charge.metadata.get(PAYMENT_ID)),
                intent_id: charge.payment_intent.clone(),
                charge_id: Some(charge.id.clone()),
            },
            Object::Refund(refund) => Self {
                payment_id: payment_id(refund.metadata.get(PAYMENT_ID)),
                intent_id: refund.payment_intent.clone(),
                charge_id: refund.charge.clone(),
            },
            Object::Other(pointers) => {
                let Pointers {
                    intent_id,
                    charge_id,
                    payment_id: named,
                    ..
                } = pointers.as_ref();
                Self {
                    payment_id: payment_id(named.as_ref()),
                    intent_id: intent_id.clone(),
                    charge_id: charge_id.clone(),
                }
            }
        }
    }

    /// No payment of Stripe's new kind is behind it: neither our mark nor an intent, and of a charge or a refund that means there is none.
    fn is_nowhere(&self, object: &Object) -> bool {
        let charge_tells = matches!(object, Object::Other(_)) && self.charge_id.is_some();
        self.payment_id.is_none() && self.intent_id.is_none() && !charge_tells
    }
}

/// Text that is no id is somebody else's metadata.
fn payment_id(text: Option<&String>) -> Option<Uuid> {
    id_of(text?)
}
