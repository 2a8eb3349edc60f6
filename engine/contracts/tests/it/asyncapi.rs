//! The description of what Kafka carries.

use contracts::asyncapi;
use contracts::webhook::EVENT_TYPES;
use serde_json::Value;

#[test]
fn the_committed_document_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/asyncapi.json");
    let generated = serde_json::to_string_pretty(&asyncapi::document().unwrap()).unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == generated,
        "docs/asyncapi.json is not what is published. Regenerate it with \
         `UPDATE_OPENAPI=1 cargo test -p contracts --test it asyncapi::the_committed`, and commit it."
    );
}

#[test]
fn every_reference_leads_somewhere_and_every_type_has_a_message() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    found.push(target.clone());
                }
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = asyncapi::document().unwrap();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(
        found.iter().any(|target| target.ends_with("/ErrorView")),
        "{found:?}"
    );
    for target in found {
        assert!(
            document.pointer(target.trim_start_matches('#')).is_some(),
            "{target}"
        );
    }
    let messages = document["channels"]["payments"]["messages"]
        .as_object()
        .unwrap();
    for name in EVENT_TYPES {
        assert!(messages.contains_key(&format!("pawl.{name}")), "{name}");
    }
    assert_eq!(
        messages.len(),
        EVENT_TYPES.len() + 1,
        "and the one that is withheld"
    );
}
