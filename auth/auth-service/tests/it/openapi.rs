//! The description of the API, the API, and the copy in docs/ are one.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::{API_KEY, Stage};

const COPY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi-auth.json");

#[test]
fn the_copy_in_docs_is_the_description() {
    let description = auth_service::document();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(COPY, &description).unwrap();
    }
    let copy = std::fs::read_to_string(COPY).unwrap_or_default();
    assert!(
        copy == description,
        "docs/openapi-auth.json differs from the code: `UPDATE=1 cargo test -p auth-service --test it the_copy` writes it anew"
    );
}

fn document() -> Value {
    serde_json::from_str(&auth_service::document()).unwrap()
}

#[test]
fn every_operation_tells_its_limit_its_key_and_its_problems() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            if !path.starts_with("/api/") {
                assert!(operation.get("security").is_none(), "{method} {path}");
                continue;
            }
            let name = operation["operationId"].as_str().unwrap();
            assert!(
                names.insert(name.to_owned()),
                "two operations are called {name}"
            );
            assert!(
                operation["security"][0].get("key").is_some(),
                "{method} {path}"
            );
            for (status, response) in responses {
                let what = format!("{method} {path} {status}");
                for header in ["Limit", "Remaining", "Retry-After"] {
                    let header = format!("X-RateLimit-{header}");
                    assert!(response["headers"].get(header).is_some(), "{what}");
                }
                if status.as_str() >= "400" {
                    let problem = &response["content"]["application/problem+json"];
                    assert_eq!(
                        problem["schema"]["$ref"], "#/components/schemas/Problem",
                        "{what}"
                    );
                }
            }
            for status in ["401", "429"] {
                assert!(responses.contains_key(status), "{method} {path} {status}");
            }
        }
    }
    assert_eq!(names.len(), 15, "{names:?}");
}

#[tokio::test]
async fn each_described_route_exists_and_the_served_description_is_the_same() {
    let stage = Stage::start().await;
    let served = stage.get("/openapi.json").await;
    assert_eq!(served.headers()["content-type"], "application/json");
    let served: Value = served.json().await.unwrap();
    assert_eq!(served, document());
    for (path, item) in served["paths"].as_object().unwrap() {
        let path = path
            .replace("{id}", "key_01h2xcejqtf2nbrexx3vqjhp41")
            .replace("{user_id}", "usr_01h2xcejqtf2nbrexx3vqjhp41");
        for method in item.as_object().unwrap().keys() {
            let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let request = stage.http.request(verb, stage.url(&path));
            let response = request.header("x-api-key", API_KEY).send().await.unwrap();
            let status = response.status();
            assert!(
                status != StatusCode::NOT_FOUND && status != StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}: {status}"
            );
        }
    }
}

#[tokio::test]
async fn every_reference_of_the_description_leads_somewhere() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    found.insert(target.clone());
                }
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.contains("#/components/schemas/Tokens"), "{found:?}");
    for target in found {
        let pointer = target.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{target}");
    }
}

#[tokio::test]
async fn the_page_for_people_needs_no_other_host_and_no_inline_script() {
    let stage = Stage::start().await;
    let page = stage.get("/docs").await;
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("script-src 'self';") && policy.contains("default-src 'none'"),
        "{policy}"
    );
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    let html = page.text().await.unwrap();
    assert!(!html.contains("://"), "{html}");
    let mut scripts = 0;
    for tag in html.split("<script").skip(1) {
        let (attributes, rest) = tag.split_once('>').unwrap();
        let source = attributes.split('"').nth(1).unwrap();
        assert!(
            rest.trim_start().starts_with("</script>"),
            "an inline script: {rest}"
        );
        let path = format!("/docs/{}", source.trim_start_matches("./"));
        let script = stage.get(&path).await;
        assert_eq!(script.status(), StatusCode::OK, "{path}");
        let kind = script.headers()["content-type"].to_str().unwrap();
        assert!(kind.contains("javascript"), "{path}: {kind}");
        scripts += 1;
    }
    assert!(scripts >= 2);
    let start = stage
        .get("/docs/swagger-initializer.js")
        .await
        .text()
        .await
        .unwrap();
    assert!(
        start.contains("\"/openapi.json\"") && !start.contains("petstore"),
        "{start}"
    );
}
