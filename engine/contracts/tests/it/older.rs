//! Messages and consumers of an older version: `older/before-disputes.json` keeps the schemas and one message of each type
//! from before there were disputes. The file is never generated anew.

use std::collections::BTreeSet;

use contracts::event::Withheld;
use contracts::{CloudEvent, asyncapi};
use serde_json::Value;

const WITHHELD: &str = "pawl.event.withheld";

fn older() -> Value {
    serde_json::from_str(include_str!("older/before-disputes.json")).unwrap()
}

/// Reads a message with today's types and writes it again.
fn read_and_written(name: &str, message: &Value) -> Value {
    let text = message.to_string();
    let read = if name == WITHHELD {
        serde_json::from_str::<CloudEvent<Withheld>>(&text).map(serde_json::to_value)
    } else {
        serde_json::from_str::<CloudEvent>(&text).map(serde_json::to_value)
    };
    read.unwrap_or_else(|error| panic!("{name}: {error}"))
        .unwrap()
}

/// The words of an `enum`, the names of `required` and the members of `type`, as a set.
fn set(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Array(items) => items.iter().map(ToString::to_string).collect(),
        Value::Null => BTreeSet::new(),
        one => BTreeSet::from([one.to_string()]),
    }
}

/// What a consumer that was written by schema `old` misses or does not understand in values of schema `new`. Words of an
/// `enum`, properties and required names may be added.
fn breaks(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    let fields = match (old, new) {
        (Value::Object(fields), Value::Object(_)) => fields,
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            let pairs = old.iter().zip(new);
            pairs.for_each(|(old, new)| breaks(path, old, new, found));
            return;
        }
        _ if old == new => return,
        _ => return found.push(format!("{path} was {old} and is {new}")),
    };
    for (name, was) in fields {
        let is = &new[name];
        let path = format!("{path}.{name}");
        match name.as_str() {
            "enum" | "required" => {
                let gone: Vec<_> = set(was).difference(&set(is)).cloned().collect();
                if !gone.is_empty() {
                    found.push(format!("{path} lacks {gone:?}"));
                }
            }
            "type" if set(was) == set(is) => {}
            _ => breaks(&path, was, is, found),
        }
    }
}

#[test]
fn a_message_of_an_older_version_is_read_whole() {
    let older = older();
    let messages = older["messages"].as_object().unwrap();
    assert!(messages.len() > 30, "{} messages", messages.len());
    for (name, message) in messages {
        assert_eq!(&read_and_written(name, message), message, "{name}");
    }
}

#[test]
fn a_consumer_of_an_older_version_understands_todays_messages() {
    let (older, today) = (older(), asyncapi::document().unwrap());
    let mut found = Vec::new();
    let schemas = &today["components"]["schemas"];
    breaks("schemas", &older["schemas"], schemas, &mut found);
    assert!(found.is_empty(), "{found:#?}");

    let messages = &today["components"]["messages"];
    for (name, was) in older["messages"].as_object().unwrap() {
        let is = &messages[name]["examples"][0]["payload"];
        assert!(is.is_object(), "{name} is published no more");
        for (old, new) in [(was, is), (&was["data"], &is["data"])] {
            for field in old.as_object().unwrap().keys() {
                assert!(new.get(field).is_some(), "{name} lacks {field}");
            }
        }
        assert_eq!(
            was["data"]["schema_version"], is["data"]["schema_version"],
            "{name}"
        );
    }
}
