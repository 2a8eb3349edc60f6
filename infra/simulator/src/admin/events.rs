//! `POST /_sim/events`: signs and sends an event that no operation of the simulator leads to.

use bytes::Bytes;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::http::{Request, Response};
use crate::objects::event::{Cause, Event, Snapshot};
use crate::simulator::Simulator;
use crate::store::Store;
use crate::{clock, http, id, json};

/// The event to be sent.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum NewEvent {
    /// One in Stripe's usual form, of any type about any object; it is listed in `/v1/events`.
    Snapshot(NewSnapshot),
    /// One in Stripe's thin form (`v2.core.event`), which only names its object.
    Thin(NewThin),
    /// Any bytes.
    Raw(NewRaw),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSnapshot {
    #[serde(rename = "type")]
    kind: String,
    object: Box<RawValue>,
    previous_attributes: Option<Box<RawValue>>,
    created: Option<i64>,
    #[serde(default)]
    livemode: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewThin {
    #[serde(rename = "type")]
    kind: String,
    related_object: RelatedObject,
}

/// The object of a thin event.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RelatedObject {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRaw {
    /// The type for which endpoints must be registered to receive it.
    #[serde(rename = "type")]
    kind: String,
    body: String,
}

/// Sends the event that the body describes.
pub(crate) fn send(simulator: &Simulator, request: &Request) -> Response {
    let new = match serde_json::from_slice(&request.body) {
        Ok(new) => new,
        Err(error) => return http::fault(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let id = simulator.operate(|store| match new {
        NewEvent::Snapshot(new) => publish(store, |made| snapshot(&new, made), &new.kind, true),
        NewEvent::Thin(new) => publish(store, |made| thin(&new, made), &new.kind, false),
        NewEvent::Raw(new) => publish(store, |made| raw(&new, made), &new.kind, false),
    });
    http::json(StatusCode::OK, &json!({"id": id}))
}

/// The circumstances in which an event is made.
struct Made {
    /// How many endpoints are registered for it.
    endpoints: u32,
    /// Seconds since the epoch.
    now: i64,
}

fn publish(
    store: &mut Store,
    create: impl FnOnce(&Made) -> Event,
    kind: &str,
    listed: bool,
) -> String {
    let event = create(&Made {
        endpoints: store.count_endpoints(kind),
        now: store.now(),
    });
    let id = event.id.clone();
    store.publish(event, listed);
    id
}

fn snapshot(new: &NewSnapshot, made: &Made) -> Event {
    let event = Snapshot {
        kind: &new.kind,
        object: &new.object,
        previous: new.previous_attributes.as_deref(),
        cause: &Cause::default(),
        created: new.created.unwrap_or(made.now),
        livemode: new.livemode,
    };
    event.into_event(made.endpoints)
}

fn thin(new: &NewThin, made: &Made) -> Event {
    let id = id::new("evt_test");
    let body = json::render(&json!({
        "id": id, "object": "v2.core.event", "changes": null, "context": null,
        "created": clock::timestamp(made.now), "livemode": false, "reason": null,
        "related_object": new.related_object, "type": new.kind,
    }));
    let body = String::from(Box::<str>::from(body));
    Event::new(id, &new.kind, made.now, body, made.endpoints)
}

fn raw(new: &NewRaw, made: &Made) -> Event {
    let body = Bytes::from(new.body.clone());
    Event::new(id::new("evt"), &new.kind, made.now, body, made.endpoints)
}
