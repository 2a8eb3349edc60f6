//! Ids of payments and of what belongs to them.

use std::fmt;
use std::str::FromStr;

use infra::id::NotAnId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

infra::ids! {
    /// A payment.
    PaymentId, Payment, "pay";
    /// One confirmation of a payment.
    AttemptId, Attempt, "att";
    /// Authorized money that is taken.
    CaptureId, Capture, "cap";
    /// A refund.
    RefundId, Refund, "re";
    /// A dispute.
    DisputeId, Dispute, "dp";
    /// A job: work that a transition made necessary.
    JobId, Job, "job";
    /// Where a merchant is told of events.
    WebhookEndpointId, WebhookEndpoint, "we";
    /// One event on its way to one endpoint.
    DeliveryId, Delivery, "del";
}

/// A transition: what happened once to one thing. It has no id of its own in the database; the payment in whose stream
/// it happened and its version name it for ever: `evt_01h2xcejqtf2nbrexx3vqjhp41_7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    /// The payment in whose stream it happened.
    pub payment: PaymentId,
    /// Its number in that stream.
    pub version: i64,
}

impl EventId {
    /// The transition of this number in the stream of this payment.
    #[must_use]
    pub const fn new(payment: PaymentId, version: i64) -> Self {
        Self { payment, version }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payment = self.payment.to_string();
        let suffix = payment.strip_prefix("pay_").unwrap_or(&payment);
        write!(out, "evt_{suffix}_{}", self.version)
    }
}

impl FromStr for EventId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (suffix, version) = text
            .strip_prefix("evt_")
            .and_then(|rest| rest.split_once('_'))
            .filter(|(_, version)| version.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or(NotAnId)?;
        Ok(Self {
            payment: format!("pay_{suffix}").parse()?,
            version: version.parse().map_err(|_| NotAnId)?,
        })
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for EventId {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^evt_[0-7][0-9a-hjkmnp-tv-z]{25}_[0-9]{1,18}$"))
            .examples(["evt_01h2xcejqtf2nbrexx3vqjhp41_7"])
            .build()
            .into()
    }
}

impl ToSchema for EventId {
    fn name() -> std::borrow::Cow<'static, str> {
        "EventId".into()
    }
}

/// The id of a machine's subject under its own prefix: `attempt` gives `att_…`, `capture` gives `cap_…`, `refund` gives
/// `re_…`, `dispute`, `dispute_funds` and `dispute_evidence` give `dp_…`, and everything else is the payment.
#[must_use]
pub fn subject(machine: &str, uuid: Uuid) -> String {
    match machine {
        "attempt" => AttemptId::from(uuid).to_string(),
        "capture" => CaptureId::from(uuid).to_string(),
        "refund" => RefundId::from(uuid).to_string(),
        "dispute" | "dispute_funds" | "dispute_evidence" => DisputeId::from(uuid).to_string(),
        _ => PaymentId::from(uuid).to_string(),
    }
}
