//! The CloudEvent of a transition.

use contracts::event::{CloudEvent, EventData};
use contracts::id;
use contracts::id::EventId;
use infra::trace;

use crate::store::outbox::Message;

/// Renders the event of a transition.
pub(super) fn event(message: &Message) -> serde_json::Result<Vec<u8>> {
    let data = EventData {
        payment_id: message.stream.into(),
        account_id: message.account_id.into(),
        machine: message.machine.clone().into(),
        subject: id::subject(&message.machine, message.subject),
        kind: message.kind.clone().into(),
        from: (message.from_status != "none").then(|| message.from_status.clone().into()),
        to: message.to_status.clone().into(),
        version: message.version,
        cause: message.cause.clone(),
        amount: message.amount,
        currency: message.currency.clone(),
        amount_capturable: message.amount_capturable,
        amount_captured: message.amount_captured,
        amount_refunded: message.amount_refunded,
        amount_reserved: message.amount_reserved,
    };
    serde_json::to_vec(
        &CloudEvent::new(event_id(message), message.created_at, data)
            .within(trace::traceparent(message.stream)),
    )
}

/// Renders the replacement, without payload, of an event that Kafka refuses permanently.
pub(super) fn withheld(message: &Message, reason: String) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(
        &CloudEvent::withheld(event_id(message), message.created_at, reason)
            .within(trace::traceparent(message.stream)),
    )
}

/// The event's id, the same if the message is published twice.
pub(super) fn event_id(message: &Message) -> EventId {
    EventId {
        payment: message.stream.into(),
        version: message.version,
    }
}
