//! Stripe's webhooks: the check of a signature ([`signature`]), the parser of events ([`parse`]), and the meaning of an event
//! for a payment ([`meaning`]).
//!
//! Nothing here is stored or applied: the inbox does that.

mod events;
mod meaning;
pub mod signature;

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use infra::storable;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use workflows::stripe::{Charge, Dispute, FraudWarning, Intent, PAYMENT_ID, Refund, Review};

pub(crate) use events::enabled_chunks;
pub use events::enabled_events;
pub use meaning::{Meaning, Target, meaning};

/// An id is the primary key of the inbox, so its length is bounded; Stripe documents 255 for all its ids.
const LONGEST_ID: usize = 255;

/// The mode and the account whose events are applied. A signature proves that Stripe sent an event, and not that the event
/// is ours: one endpoint may receive events of the other mode, or of connected accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Whether real money moves here: `STRIPE_API_KEY` is a live key.
    pub livemode: bool,
    /// The connected account whose payments these are: `STRIPE_ACCOUNT`. None is the account of the key itself.
    pub account: Option<String>,
}

impl Source {
    /// Why an event is kept and not applied, if it is of another mode or account.
    #[must_use]
    pub fn stranger(&self, incoming: &Incoming) -> Option<Stranger> {
        let mode = |livemode| if livemode { "live" } else { "test" };
        if incoming.livemode != self.livemode {
            return Some(Stranger::Mode(format!(
                "an event of {} mode, and the key here is of {} mode",
                mode(incoming.livemode),
                mode(self.livemode)
            )));
        }
        // An account's own events bear no account.
        match &incoming.account {
            Some(account) if Some(account) != self.account.as_ref() => Some(Stranger::Account(
                format!("an event of the connected account {account}, which is not STRIPE_ACCOUNT"),
            )),
            _ => None,
        }
    }
}

/// Why an event is not of this mode or account, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// It is of the other mode.
    Mode(String),
    /// It is of a connected account that is not ours.
    Account(String),
}

/// What a webhook is stored under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// `evt_…`, the same for every delivery; for a body without an id of at most 255 characters, `body_` and its hash.
    pub id: String,
    /// Its type; empty where the body has none of at most 255 characters.
    pub r#type: String,
}

/// One event of Stripe.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// `evt_…`, the same for every delivery of this event.
    pub id: String,
    /// `payment_intent.succeeded` and so on. Types that Pawl does not know are kept.
    pub r#type: String,
    /// Whether real money is meant.
    pub livemode: bool,
    /// The connected account that it happened in.
    pub account: Option<String>,
    /// A snapshot of its object, as it was when the event was made; of a thin event only what it points to.
    pub object: Object,
}

/// The object of an event.
#[derive(Clone, Debug)]
pub enum Object {
    /// A payment intent.
    Intent(Box<Intent>),
    /// A charge.
    Charge(Box<Charge>),
    /// A refund.
    Refund(Box<Refund>),
    /// A dispute.
    Dispute(Box<Dispute>),
    /// A review.
    Review(Box<Review>),
    /// An early warning of fraud.
    FraudWarning(Box<FraudWarning>),
    /// Any other object (checkout session, payout …): the ids that it contains.
    Other(Box<Pointers>),
}

/// The ids inside an object that Pawl has no type for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointers {
    /// Stripe's name of the type of the object.
    pub object: Option<String>,
    /// Its own id.
    pub id: Option<String>,
    /// The intent it belongs to.
    pub intent_id: Option<String>,
    /// The charge it belongs to.
    pub charge_id: Option<String>,
    /// `metadata.payment_id`.
    pub payment_id: Option<String>,
}

/// A body that is no event.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// No JSON, or without what every event has.
    #[error("the body is no Stripe event: {0}")]
    Envelope(#[from] serde_json::Error),
    /// The event's id or type is empty or longer than 255 characters.
    #[error("the event's id or type is empty or longer than {LONGEST_ID} characters")]
    Name,
    /// An event of a type that Pawl handles, about an object without an id.
    #[error("the event has no object, or one without an id")]
    Object,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    id: String,
    r#type: String,
    #[serde(default)]
    livemode: bool,
    #[serde(default)]
    account: Option<String>,
    #[serde(borrow, default)]
    data: Option<Data<'a>>,
    #[serde(default)]
    related_object: Option<Related>,
}

/// What a thin event (`v2.core.event`) is about: it carries no snapshot.
#[derive(Deserialize)]
struct Related {
    id: String,
    r#type: String,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
}

/// The fields of an object that identify it and its payment, whatever else Stripe has changed in it.
#[derive(Deserialize)]
struct Outside<'a> {
    #[serde(borrow, default)]
    object: Option<Cow<'a, str>>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    payment_intent: Option<Value>,
    #[serde(default)]
    charge: Option<Value>,
    #[serde(default)]
    metadata: Option<Value>,
}

/// The name of a webhook, whatever its body holds: Stripe gives up on endpoints that refuse its events.
#[must_use]
pub fn name(raw: &[u8]) -> Name {
    let body: Option<Value> = serde_json::from_slice(&storable::json(raw)).ok();
    let field = |name: &str| {
        let text = body.as_ref()?.get(name)?.as_str()?;
        is_name(text).then(|| text.to_owned())
    };
    let hash = || format!("body_{}", hex::encode(digest(&SHA256, raw)));
    Name {
        id: field("id").unwrap_or_else(hash),
        r#type: field("type").unwrap_or_default(),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_ID
}

/// Reads an event. A type or an object that Pawl does not know is no error: Stripe adds both at any time. The texts of what
/// is returned can be stored.
///
/// # Errors
/// [`ParseError`] for a body that is no event.
pub fn parse(raw: &[u8]) -> Result<Incoming, ParseError> {
    let raw = storable::json(raw);
    let envelope: Envelope<'_> = serde_json::from_slice(&raw)?;
    if !is_name(&envelope.id) || !is_name(&envelope.r#type) {
        return Err(ParseError::Name);
    }
    let object = match (envelope.data, envelope.related_object) {
        (Some(data), _) => object(data.object)?,
        (None, Some(related)) => Object::Other(Box::new(related.pointers())),
        (None, None) => return Err(ParseError::Object),
    };
    let unnamed = matches!(&object, Object::Other(pointers) if pointers.id.is_none());
    if unnamed && events::is_known(&envelope.r#type) {
        return Err(ParseError::Object);
    }
    Ok(Incoming {
        id: envelope.id,
        r#type: envelope.r#type,
        livemode: envelope.livemode,
        account: envelope.account,
        object,
    })
}

fn object(raw: &RawValue) -> Result<Object, ParseError> {
    let outside: Outside<'_> = serde_json::from_str(raw.get())?;
    let known = match outside.object.as_deref() {
        Some("payment_intent") => serde_json::from_str(raw.get()).map(Object::Intent),
        Some("charge") => serde_json::from_str(raw.get()).map(Object::Charge),
        Some("refund") => serde_json::from_str(raw.get()).map(Object::Refund),
        Some("dispute") => serde_json::from_str(raw.get()).map(Object::Dispute),
        Some("review") => serde_json::from_str(raw.get()).map(Object::Review),
        Some("radar.early_fraud_warning") => {
            serde_json::from_str(raw.get()).map(Object::FraudWarning)
        }
        _ => return Ok(Object::Other(Box::new(outside.pointers()))),
    };
    Ok(known.unwrap_or_else(|error| {
        // Perhaps a newer version of the API: the objects can still be retrieved by their ids.
        tracing::warn!(%error, object = outside.object.as_deref(), id = outside.id, "failed to read an object of a webhook; using the ids that it contains");
        Object::Other(Box::new(outside.pointers()))
    }))
}

impl Related {
    fn pointers(self) -> Pointers {
        let itself = |name: &str| (self.r#type == name).then(|| self.id.clone());
        Pointers {
            intent_id: itself("payment_intent"),
            charge_id: itself("charge"),
            payment_id: None,
            object: Some(self.r#type),
            id: Some(self.id),
        }
    }
}

impl Outside<'_> {
    fn pointers(self) -> Pointers {
        let named = |value: Option<Value>| match value {
            Some(Value::String(id)) => Some(id),
            // Expanded.
            Some(Value::Object(mut object)) => match object.remove("id") {
                Some(Value::String(id)) => Some(id),
                _ => None,
            },
            _ => None,
        };
        let itself = |name: &str| {
            self.object
                .as_deref()
                .filter(|object| *object == name)
                .and(self.id.clone())
        };
        let (own_intent, own_charge) = (itself("payment_intent"), itself("charge"));
        let payment_id = self
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.get(PAYMENT_ID)?.as_str())
            .map(str::to_owned);
        Pointers {
            object: self.object.map(Cow::into_owned),
            id: self.id,
            intent_id: own_intent.or_else(|| named(self.payment_intent)),
            charge_id: own_charge.or_else(|| named(self.charge)),
            payment_id,
        }
    }
}
