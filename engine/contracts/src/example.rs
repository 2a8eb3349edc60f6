//! An event of each type as the documents of the API show it: along an edge that leads to it.

use std::borrow::Cow;

use infra::id::AccountId;
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;
use workflows::edges;
use workflows::edges::{Edge, Machine, NONE};
use workflows::event_type::Change;

use crate::event::{DisputeData, EventData, SCHEMA_VERSION};
use crate::id::{EventId, PaymentId, subject};
use crate::request::Metadata;
use crate::view::ErrorView;

/// When the event of each example happened.
pub const TIME: OffsetDateTime = datetime!(2026-11-24 15:00:00.662_587 UTC);

const UUID: Uuid = Uuid::from_u128(0x019a_b6b8_5d80_7c3a_9a55_3f0c_6a6b_7e01);
const AMOUNT: i64 = 1099;

/// How an event comes to have a type.
struct Way {
    edge: Edge,
    has_error: bool,
    /// The reason of a refund.
    reason: Option<&'static str>,
}

impl Way {
    fn has_type(&self, event_type: &str) -> bool {
        let edge = &self.edge;
        let change = Change {
            machine: edge.machine,
            from: edge.from,
            kind: edge.kind,
            to: edge.to,
            has_error: self.has_error,
            reason: self.reason,
        };
        change.event_type() == event_type
    }

    fn is_correction(&self) -> bool {
        matches!(self.edge.kind, "resync" | "forced")
    }
}

/// The machine whose subjects have events of this type; nothing if there is no such type.
#[must_use]
pub fn machine(event_type: &str) -> Option<Machine> {
    way(event_type).map(|way| way.edge.machine)
}

/// The facts of a test event: those of a payment that succeeded, with this id, which no payment has.
#[must_use]
pub fn test(payment: PaymentId, account: AccountId) -> Option<EventData> {
    Some(EventData {
        payment_id: payment,
        account_id: account,
        subject: payment.to_string(),
        kind: "test".into(),
        version: 1,
        cause: "test".to_owned(),
        reference: None,
        metadata: Metadata::new(),
        ..data("payment.succeeded")?
    })
}

/// A transition that events of this type report; nothing if there is no such type.
#[must_use]
pub fn data(event_type: &str) -> Option<EventData> {
    let way = way(event_type)?;
    let Edge {
        machine,
        from,
        kind,
        to,
        ..
    } = way.edge;
    let captured = matches!(to, "succeeded" | "captured" | "failed") && machine != Machine::Attempt
        || to == "captured";
    let sum = |holds: bool| if holds { AMOUNT } else { 0 };
    let failed = way.has_error || matches!(to, "failed" | "local_rejected");
    let is_refund = machine == Machine::Refund;
    Some(EventData {
        schema_version: SCHEMA_VERSION,
        payment_id: UUID.into(),
        account_id: AccountId::from_uuid(UUID),
        machine: machine.as_str().into(),
        subject: subject(machine.as_str(), UUID),
        kind: kind.into(),
        from: (from != NONE).then_some(Cow::Borrowed(from)),
        to: to.into(),
        version: 4,
        cause: format!("job_{}_0", UUID.simple()),
        reference: Some("order-1042".to_owned()),
        metadata: Metadata::from([("shop".to_owned(), "north".to_owned())]),
        refund_amount: is_refund.then_some(AMOUNT),
        capture_amount: (machine == Machine::Capture).then_some(AMOUNT),
        cancellation_reason: (to == "canceled" && machine == Machine::Payment)
            .then(|| "requested_by_customer".to_owned()),
        error: failed.then(declined),
        dispute: dispute(machine, to),
        amount: AMOUNT,
        currency: "eur".to_owned(),
        amount_capturable: sum(matches!(to, "requires_capture" | "authorized")),
        amount_captured: sum(captured || is_refund),
        amount_refunded: sum(is_refund && to == "succeeded" && way.reason.is_none()),
        amount_reserved: sum(
            is_refund && matches!(to, "local_requested" | "pending" | "requires_action")
        ),
    })
}

fn dispute(machine: Machine, to: &str) -> Option<DisputeData> {
    let status = match machine {
        Machine::Dispute => to,
        Machine::DisputeFunds | Machine::DisputeEvidence => "needs_response",
        Machine::Payment | Machine::Attempt | Machine::Capture | Machine::Refund => return None,
    };
    Some(DisputeData {
        status: status.to_owned(),
        amount: AMOUNT,
        currency: "eur".to_owned(),
        reason: "product_not_received".to_owned(),
        evidence_due_by: Some(datetime!(2026-12-24 23:59:59 UTC)),
    })
}

/// The id of the event of each example.
#[must_use]
pub fn event_id() -> EventId {
    EventId::new(PaymentId::from_uuid(UUID), 4)
}

/// The first way to the type in the order of the edges; a correction only where nothing else leads there.
fn way(event_type: &str) -> Option<Way> {
    const RELEASE: &str = "expired_uncaptured_charge";
    let ways = edges::all().into_iter().flat_map(|edge| {
        [(false, None), (true, None), (false, Some(RELEASE))].map(|(has_error, reason)| Way {
            edge,
            has_error,
            reason,
        })
    });
    ways.filter(|way| way.has_type(event_type))
        .min_by_key(|way| (way.is_correction(), way.reason.is_some(), way.has_error))
}

fn declined() -> ErrorView {
    let text = |text: &str| Some(text.to_owned());
    ErrorView {
        r#type: text("card_error"),
        code: text("card_declined"),
        decline_code: text("insufficient_funds"),
        advice_code: text("try_again_later"),
        network_decline_code: text("51"),
        network_advice_code: text("02"),
        param: None,
        message: text("Your card has insufficient funds."),
    }
}
