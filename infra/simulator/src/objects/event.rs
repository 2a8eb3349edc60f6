//! Events: a change with a snapshot of the changed object, rendered once and sent to every endpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::table::Row;
use crate::{id, json};

/// The version of Stripe's API that events are written in.
pub(crate) const API_VERSION: &str = "2026-01-28.clover";

/// One event, its body ready to be signed and sent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    /// `evt_…`.
    pub(crate) id: String,
    /// Stripe's name, `payment_intent.succeeded`.
    pub(crate) kind: String,
    /// Seconds since the epoch.
    pub(crate) created: i64,
    /// The JSON text.
    #[serde(serialize_with = "write_body", deserialize_with = "read_body")]
    pub(crate) body: Bytes,
    /// How many endpoints have not acknowledged it yet.
    undelivered: AtomicU32,
}

/// The request that caused an event; empty if no request did (a timer, `/_sim`).
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Cause {
    /// `req_…`.
    pub(crate) id: Option<String>,
    /// The idempotency key of that request.
    pub(crate) idempotency_key: Option<String>,
}

impl Row for Arc<Event> {
    const KIND: &'static str = "event";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Event {
    /// An event with any body, to be acknowledged by `endpoints` endpoints.
    pub(crate) fn new(
        id: String,
        kind: &str,
        created: i64,
        body: impl Into<Bytes>,
        endpoints: u32,
    ) -> Self {
        Self {
            body: body.into(),
            id,
            kind: kind.to_owned(),
            created,
            undelivered: AtomicU32::new(endpoints),
        }
    }

    /// Records that one endpoint acknowledged it.
    pub(crate) fn acknowledge(&self) {
        let _ = self
            .undelivered
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
    }

    /// Whether every endpoint acknowledged it.
    pub(crate) fn is_delivered(&self) -> bool {
        self.undelivered.load(Ordering::Relaxed) == 0
    }

    /// The event as Stripe shows it.
    pub(crate) fn render(&self) -> Box<RawValue> {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        RawValue::from_string(text).unwrap_or_default()
    }
}

/// The content of an event in Stripe's snapshot form.
#[derive(Debug)]
pub(crate) struct Snapshot<'a> {
    /// Its type.
    pub(crate) kind: &'a str,
    /// The object as it now is.
    pub(crate) object: &'a RawValue,
    /// The changed members of the object as they were before.
    pub(crate) previous: Option<&'a RawValue>,
    /// The request that caused it.
    pub(crate) cause: &'a Cause,
    /// Seconds since the epoch.
    pub(crate) created: i64,
    /// Whether it is an event of live mode.
    pub(crate) livemode: bool,
}

impl Snapshot<'_> {
    /// The event, to be acknowledged by `endpoints` endpoints.
    pub(crate) fn into_event(self, endpoints: u32) -> Event {
        let id = id::new("evt");
        let body = Body {
            id: &id,
            object: "event",
            api_version: API_VERSION,
            created: self.created,
            data: Data {
                object: self.object,
                previous_attributes: self.previous,
            },
            livemode: self.livemode,
            pending_webhooks: endpoints,
            request: self.cause,
            kind: self.kind,
        };
        let body = String::from(Box::<str>::from(json::render(&body)));
        Event::new(id, self.kind, self.created, body, endpoints)
    }
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    object: &'static str,
    api_version: &'static str,
    created: i64,
    data: Data<'a>,
    livemode: bool,
    pending_webhooks: u32,
    request: &'a Cause,
    #[serde(rename = "type")]
    kind: &'a str,
}

#[derive(Serialize)]
struct Data<'a> {
    object: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_attributes: Option<&'a RawValue>,
}

/// Whether `pattern`, a name or a group such as `charge.*` or `*`, covers `name`.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(group) => name.starts_with(group),
        None => pattern == name,
    }
}

fn write_body<S: Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(body))
}

fn read_body<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    String::deserialize(deserializer).map(Bytes::from)
}
