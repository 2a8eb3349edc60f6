//! The messages for Kafka: the `CloudEvent` of a transition, rendered in the transaction that writes it.
//!
//! The outbox keeps a message as Kafka gets it, so a relay reads nothing but its [`Envelope`], and a relay of another
//! version of the program publishes the same bytes.

use contracts::event::{CloudEvent, EventData, SCHEMA_VERSION};
use contracts::id;
use contracts::id::EventId;
use infra::trace;
use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::edges::Machine;
use workflows::stripe::StripeError;

use crate::record::{Record, dispute_data, error_view};
use crate::store::{outbox, transition};

/// What a relay reads of a message.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope {
    /// The event's id, the same if the message is published twice.
    pub(crate) id: EventId,
    /// `pawl.` and the type of the event.
    pub(crate) r#type: String,
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
    /// The id of the command by Kafka that led to the transition.
    commandid: Option<String>,
}

impl Envelope {
    /// The payment whose stream the event belongs to.
    pub(crate) fn stream(&self) -> Uuid {
        self.id.payment.uuid()
    }

    /// Renders the replacement, without payload, of an event that cannot be published.
    pub(crate) fn withheld(&self, reason: String) -> serde_json::Result<Vec<u8>> {
        let traceparent = trace::traceparent(self.stream());
        let event = CloudEvent::withheld(self.id, self.time, reason).within(traceparent);
        serde_json::to_vec(&event.answering(self.commandid.clone()))
    }
}

/// A transition of the record with its message. The message has the amounts as they were after this transition, which the
/// row holds; `record` may be the result of later ones.
pub(crate) fn of<'a>(
    row: &'a transition::New,
    record: &Record,
    now: OffsetDateTime,
) -> sqlx::Result<outbox::New<'a>> {
    let (moved, payment) = (&row.transition, &record.stream.payment);
    let machine = moved.machine.as_str();
    let amount = |name: &str, newest: i64| row.data[name].as_i64().unwrap_or(newest);
    let error = Option::<StripeError>::deserialize(&row.moved["error"])
        .map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let data = EventData {
        schema_version: SCHEMA_VERSION,
        payment_id: row.stream.into(),
        account_id: record.account.into(),
        machine: machine.into(),
        subject: id::subject(machine, moved.subject),
        kind: moved.kind.into(),
        from: (moved.from != "none").then(|| moved.from.into()),
        to: moved.to.into(),
        version: moved.version,
        cause: row.cause.clone(),
        reference: record.notes.reference.clone(),
        metadata: record.notes.metadata.clone(),
        refund_amount: match moved.machine {
            Machine::Refund => row.moved["amount"].as_i64(),
            _ => None,
        },
        error: error.as_ref().map(error_view),
        capture_amount: match moved.machine {
            Machine::Capture => row.moved["amount"].as_i64(),
            _ => None,
        },
        cancellation_reason: row.moved["cancellation_reason"].as_str().map(str::to_owned),
        dispute: match moved.machine {
            Machine::Dispute | Machine::DisputeFunds | Machine::DisputeEvidence => {
                dispute_data(&row.moved)
            }
            Machine::Payment | Machine::Attempt | Machine::Capture | Machine::Refund => None,
        },
        amount: payment.money.amount(),
        currency: payment.money.currency().code(),
        amount_capturable: amount("amount_capturable", payment.capturable),
        amount_captured: amount("amount_captured", payment.captured),
        amount_refunded: amount("amount_refunded", payment.refunded),
        amount_reserved: amount("amount_reserved", payment.reserved),
    };
    let id = EventId::new(row.stream.into(), moved.version);
    let command = row.data["command_id"].as_str().map(str::to_owned);
    let event = CloudEvent::new(id, row.event_type(), now, data)
        .within(trace::traceparent(row.stream))
        .answering(command);
    Ok(outbox::New {
        account: record.account,
        row,
        message: serde_json::to_string(&event)
            .map_err(|error| sqlx::Error::Encode(Box::new(error)))?,
    })
}
