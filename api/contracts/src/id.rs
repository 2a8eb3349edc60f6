//! Ids as the world sees them: a prefix that names the thing and the UUID (version 7) of its row: a `TypeID`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use type_safe_id::{StaticType, TypeSafeId};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};
use uuid::Uuid;

/// The kind of thing an id names; it fixes the prefix.
pub trait Tag: StaticType + Copy + Eq + Ord + 'static {
    /// The name of the id's schema in the OpenAPI document.
    const SCHEMA: &'static str;
}

/// A TypeID such as `pay_01h2xcejqtf2nbrexx3vqjhp41`, sortable by the time it was made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id<T>(TypeSafeId<T>);

/// A string that is no id of the expected kind. It says no more: an unknown id and a foreign one look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct NotAnId;

impl<T: Tag> Id<T> {
    /// A fresh id, later in order than every id made before this millisecond.
    #[must_use]
    pub fn generate() -> Self {
        Self::from_uuid(Uuid::now_v7())
    }

    /// The id of the row with this UUID.
    #[must_use]
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(TypeSafeId::from_uuid(uuid))
    }

    /// The UUID that the database holds.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.0.uuid()
    }
}

impl<T: Tag> From<Uuid> for Id<T> {
    fn from(uuid: Uuid) -> Self {
        Self::from_uuid(uuid)
    }
}

impl<T: Tag> fmt::Display for Id<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl<T: Tag> fmt::Debug for Id<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl<T: Tag> FromStr for Id<T> {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        text.parse().map(Self).map_err(|_| NotAnId)
    }
}

impl<T: Tag> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&self.0)
    }
}

impl<'de, T: Tag> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl<T: Tag> PartialSchema for Id<T> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(format!("^{}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", T::TYPE)))
            .examples([format!("{}_01h2xcejqtf2nbrexx3vqjhp41", T::TYPE)])
            .build()
            .into()
    }
}

impl<T: Tag> ToSchema for Id<T> {
    fn name() -> std::borrow::Cow<'static, str> {
        T::SCHEMA.into()
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $id:ident, $tag:ident, $prefix:literal;)*) => {$(
        #[doc = concat!("The tag of ids that start with `", $prefix, "_`.")]
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $tag;

        impl StaticType for $tag {
            const TYPE: &'static str = $prefix;
        }

        impl Tag for $tag {
            const SCHEMA: &'static str = stringify!($id);
        }

        $(#[$doc])*
        pub type $id = Id<$tag>;
    )*};
}

ids! {
    /// A payment.
    PaymentId, Payment, "pay";
    /// One confirmation of a payment.
    AttemptId, Attempt, "att";
    /// A refund.
    RefundId, Refund, "re";
    /// A dispute.
    DisputeId, Dispute, "dp";
    /// A job: work that a transition made necessary.
    JobId, Job, "job";
    /// A person.
    UserId, User, "usr";
    /// A merchant.
    AccountId, Account, "acct";
    /// An API key of a merchant.
    KeyId, Key, "key";
    /// A record of who did what.
    AuditId, Audit, "aud";
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

/// The id of a machine's subject under its own prefix: `attempt` gives `att_…`, `refund` gives `re_…`, `dispute` gives
/// `dp_…`, and everything else is the payment.
#[must_use]
pub fn subject(machine: &str, uuid: Uuid) -> String {
    match machine {
        "attempt" => AttemptId::from(uuid).to_string(),
        "refund" => RefundId::from(uuid).to_string(),
        "dispute" => DisputeId::from(uuid).to_string(),
        _ => PaymentId::from(uuid).to_string(),
    }
}
