//! The `AsyncAPI` description of what Kafka carries, made from the types that are published.

mod commands;

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::event::{CONTENT_TYPE, CloudEvent, EventData, TOPIC, Withheld};
use crate::id::PaymentId;
use crate::{command, example, webhook};

/// The type of the event that replaces one that Kafka refused.
pub const WITHHELD: &str = "pawl.event.withheld";

/// The document, in version 3.0 of `AsyncAPI`: what docs/asyncapi.json repeats. It has a message for each type of event.
///
/// # Errors
/// None in practice: the schemas hold strings, numbers and lists, which always have JSON.
pub fn document() -> serde_json::Result<Value> {
    let mut schemas = Vec::new();
    add::<CloudEvent<EventData>>(&mut schemas, envelope::<EventData>());
    add::<CloudEvent<Withheld>>(&mut schemas, envelope::<Withheld>());
    add::<EventData>(&mut schemas, EventData::name().into_owned());
    add::<Withheld>(&mut schemas, Withheld::name().into_owned());
    add::<PaymentId>(&mut schemas, PaymentId::name().into_owned());
    let mut messages = Map::new();
    for event_type in webhook::EVENT_TYPES {
        if let Some(data) = example::data(event_type) {
            let machine = data.machine.clone();
            let event = CloudEvent::new(example::event_id(), event_type, example::TIME, data);
            let only = json!({ "machine": { "const": machine } });
            let name = event.r#type.clone();
            let payload = payload::<EventData>(&name, &only);
            messages.insert(name.clone(), message(&name, &payload, &json!(event)));
        }
    }
    let reason = "MessageSizeTooLarge (Broker: Message size too large)".to_owned();
    let withheld = CloudEvent::withheld(example::event_id(), example::TIME, reason);
    let payload = payload::<Withheld>(WITHHELD, &json!({}));
    messages.insert(
        WITHHELD.to_owned(),
        message(WITHHELD, &payload, &json!(withheld)),
    );
    let (commands, refused) = commands::messages(&mut schemas)?;
    let schemas: Map<String, Value> = schemas
        .into_iter()
        .map(|(name, schema)| Ok((name, serde_json::to_value(schema)?)))
        .collect::<serde_json::Result<_>>()?;
    let of_channel = [&messages, &commands, &refused].map(references);
    let [of_payments, of_commands, of_refused] = of_channel;
    messages.extend(commands);
    messages.extend(refused);
    Ok(json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Pawl",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Every transition of every payment, its attempts and its refunds: at least once, within a payment in the order of versions; and commands to Pawl, if KAFKA_COMMANDS is true. docs/kafka-events.md explains the guarantees and how to consume.",
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {
            "payments": {
                "address": TOPIC,
                "description": "CloudEvents 1.0 in structured JSON, keyed by the payment's id.",
                "messages": of_payments,
            },
            "commands": {
                "address": command::TOPIC,
                "description": "Commands in JSON. Those with one key are done in their order: use the payment's id, or your order id for create.",
                "messages": of_commands,
            },
            "dead": {
                "address": command::DEAD_TOPIC,
                "description": "Commands that were refused, keyed as the commands were.",
                "messages": of_refused,
            },
        },
        "operations": operations(),
        "components": { "messages": messages, "schemas": schemas },
    }))
}

/// What Pawl does with the channels.
fn operations() -> Value {
    json!({
        "publish": {
            "action": "send",
            "channel": { "$ref": "#/channels/payments" },
            "summary": "Pawl publishes what has happened.",
        },
        "take": {
            "action": "receive",
            "channel": { "$ref": "#/channels/commands" },
            "summary": "Pawl does what is asked, once for each id.",
        },
        "refuse": {
            "action": "send",
            "channel": { "$ref": "#/channels/dead" },
            "summary": "Pawl says why it did not do what was asked.",
        },
    })
}

/// References to messages, as a channel names them.
fn references(messages: &Map<String, Value>) -> Map<String, Value> {
    let reference = |name: &String| {
        let target = format!("#/components/messages/{name}");
        (name.clone(), json!({ "$ref": target }))
    };
    messages.keys().map(reference).collect()
}

/// Adds the schema of a type under this name, and those of the types in it.
fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>, name: String) {
    schemas.push((name, T::schema()));
    T::schemas(schemas);
}

/// The name of the schema of an event with this data: the name of a generic type does not contain that of its parameter.
fn envelope<D: ToSchema>() -> String {
    format!("CloudEvent_{}", D::name())
}

/// The schema of the event of this type, whose data has these properties.
fn payload<D: ToSchema>(event_type: &str, data: &Value) -> Value {
    json!({ "allOf": [
        { "$ref": format!("#/components/schemas/{}", envelope::<D>()) },
        { "properties": {
            "type": { "const": event_type },
            "data": { "properties": data },
        } },
    ] })
}

fn message(event_type: &str, payload: &Value, example: &Value) -> Value {
    json!({
        "name": event_type,
        "contentType": CONTENT_TYPE,
        "headers": {
            "type": "object",
            "required": ["content-type", "ce_id", "traceparent"],
            "properties": {
                "content-type": { "const": CONTENT_TYPE },
                "ce_id": { "type": "string", "description": "The event's id." },
                "traceparent": { "type": "string", "description": "The payment's place in its trace." },
            },
        },
        "payload": payload,
        "bindings": { "kafka": {
            "key": { "$ref": format!("#/components/schemas/{}", PaymentId::name()) },
            "bindingVersion": "0.5.0",
        } },
        "examples": [{ "payload": example }],
    })
}
