//! The meaning of an event of Stripe for a payment.

use uuid::Uuid;
use workflows::dispute::Funds;
use workflows::hold::{Hold, Source};
use workflows::stream::{
    ChargeReport, DisputeReport, Event, HoldReport, Identity, IntentReport, RefundReport,
};
use workflows::stripe::{
    Charge, ChargeStatus, Dispute, DisputeStatus, FraudWarning, Intent, IntentStatus, PAYMENT_ID,
    Refund, RefundStatus, Review, id_of,
};
use workflows::{attempt, payment};

use super::events::{REFUNDED, Rule, find_rule};
use super::{Incoming, Object, Pointers};

/// The meaning of an event.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// It reports an object that `step` takes.
    Report {
        /// The payment that it is about.
        target: Target,
        /// The event to apply to it.
        event: Box<Event>,
    },
    /// Something happened that only a resync shows: [`Event::Hinted`].
    Hint {
        /// The payment that it is about.
        target: Target,
        /// The sum that Stripe has refunded, finished or not, where the event says so. A payment whose `refunded + reserved`
        /// is this sum knows every refund and needs no resync; otherwise each refund of ours would cost a read.
        refunded: Option<i64>,
    },
    /// A type that Pawl knows, about something that belongs to no payment: a payout, a charge without an intent.
    Unrelated,
    /// A type or a status that Pawl does not know.
    Unknown {
        /// The payment that it is about, if it is about one.
        target: Target,
    },
}

/// How to find the payment of an event: by Stripe's ids, or by our mark where Stripe's ids are not known yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// `metadata.payment_id`: one of ours, if this server has a payment of that id.
    pub payment_id: Option<Uuid>,
    /// `pi_…`
    pub intent_id: Option<String>,
    /// `ch_…`
    pub charge_id: Option<String>,
}

/// Finds the meaning of an event. `fresh` becomes the id of an attempt, a capture or a refund, should the step add one.
///
/// An event whose object is not of the kind that its type promises is a hint.
#[must_use]
pub fn meaning(incoming: &Incoming, fresh: Uuid) -> Meaning {
    let target = Target::new(&incoming.object);
    let Some(rule) = find_rule(&incoming.r#type) else {
        return Meaning::Unknown { target };
    };
    if is_of_tomorrow(&incoming.object) {
        return Meaning::Unknown { target };
    }
    if target.is_of_no_payment(&incoming.object) {
        return Meaning::Unrelated;
    }
    let event = match (rule, &incoming.object) {
        (Rule::Intent(kind), Object::Intent(intent)) => Some(intent_seen(intent, kind, fresh)),
        (Rule::Charge(status), Object::Charge(charge)) => Some(charge_seen(charge, status, fresh)),
        (Rule::ChargeChanged, Object::Charge(charge)) => {
            let status = attempt::Status::of_charge(charge);
            status.map(|status| charge_seen(charge, status, fresh))
        }
        (Rule::Refund, Object::Refund(refund)) => Some(refund_seen(refund, fresh)),
        (Rule::Dispute(funds), Object::Dispute(dispute)) => {
            Some(dispute_seen(dispute, funds, fresh))
        }
        (Rule::Hold, Object::Review(review)) => Some(review_seen(review)),
        (Rule::Hold, Object::FraudWarning(warning)) => Some(warning_seen(warning)),
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

/// Whether the object has a status that this version does not know.
fn is_of_tomorrow(object: &Object) -> bool {
    match object {
        Object::Intent(intent) => intent.status == IntentStatus::Unknown,
        Object::Charge(charge) => charge.status == ChargeStatus::Unknown,
        Object::Refund(refund) => refund.status == RefundStatus::Unknown,
        Object::Dispute(dispute) => dispute.status == DisputeStatus::Unknown,
        Object::Review(_) | Object::FraudWarning(_) | Object::Other(_) => false,
    }
}

fn intent_seen(intent: &Intent, kind: payment::Kind, fresh: Uuid) -> Event {
    Event::IntentSeen(IntentReport {
        intent: intent.clone(),
        kind,
        answers: None,
        attempt: None,
        fresh_attempt: fresh,
        fresh_capture: fresh,
    })
}

fn charge_seen(charge: &Charge, status: attempt::Status, fresh: Uuid) -> Event {
    Event::ChargeSeen(ChargeReport {
        charge: charge.clone(),
        status,
        fresh_attempt: fresh,
    })
}

fn refund_seen(refund: &Refund, fresh: Uuid) -> Event {
    Event::RefundSeen(RefundReport {
        refund: refund.clone(),
        answers: None,
        fresh_refund: fresh,
    })
}

fn dispute_seen(dispute: &Dispute, funds: Option<Funds>, fresh: Uuid) -> Event {
    Event::DisputeSeen(DisputeReport {
        dispute: dispute.clone(),
        funds,
        answers: None,
        fresh_dispute: fresh,
    })
}

fn review_seen(review: &Review) -> Event {
    Event::HoldSeen(HoldReport {
        hold: Hold {
            source: Source::Review,
            id: review.id.clone(),
            open: review.open,
        },
        intent_id: review.payment_intent.clone(),
        charge_id: review.charge.clone(),
    })
}

fn warning_seen(warning: &FraudWarning) -> Event {
    Event::HoldSeen(HoldReport {
        hold: Hold {
            source: Source::EarlyFraudWarning,
            id: warning.id.clone(),
            open: warning.actionable,
        },
        intent_id: warning.payment_intent.clone(),
        charge_id: warning.charge.clone(),
    })
}

impl Target {
    fn new(object: &Object) -> Self {
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
            Object::Dispute(dispute) => {
                Self::of(dispute.payment_intent.as_ref(), dispute.charge.as_ref())
            }
            Object::Review(review) => {
                Self::of(review.payment_intent.as_ref(), review.charge.as_ref())
            }
            Object::FraudWarning(warning) => {
                Self::of(warning.payment_intent.as_ref(), warning.charge.as_ref())
            }
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

    /// Of an object that bears no mark of ours.
    fn of(intent_id: Option<&String>, charge_id: Option<&String>) -> Self {
        Self {
            payment_id: None,
            intent_id: intent_id.cloned(),
            charge_id: charge_id.cloned(),
        }
    }

    /// What the event says about the payment that it belongs to.
    #[must_use]
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            intent_id: self.intent_id.as_deref(),
            charge_id: self.charge_id.as_deref(),
            mark: self.payment_id,
        }
    }

    /// Whether it names nothing that a payment has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.payment_id.is_none() && self.intent_id.is_none() && self.charge_id.is_none()
    }

    /// The event belongs to no payment intent: its metadata does not name a payment, and it contains no intent. A charge or
    /// a refund always contains its intent; any other object may contain only a charge, by which the payment may be found.
    fn is_of_no_payment(&self, object: &Object) -> bool {
        let has_its_intent = matches!(
            object,
            Object::Intent(_) | Object::Charge(_) | Object::Refund(_)
        );
        let by_charge = !has_its_intent && self.charge_id.is_some();
        self.payment_id.is_none() && self.intent_id.is_none() && !by_charge
    }
}

/// Parses our id; other text is somebody else's metadata.
fn payment_id(text: Option<&String>) -> Option<Uuid> {
    id_of(text?)
}
