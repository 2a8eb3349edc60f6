//! The description of the API, the API, and the copy in docs/ are one.

use std::collections::BTreeSet;

use authz::Role;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::Stage;

const COPY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi-core.json");

/// Every route of the service that its document describes.
const ROUTES: [&str; 27] = [
    "get /api/v1/ops/audit",
    "get /api/v1/ops/deliveries",
    "get /api/v1/ops/deliveries/{id}",
    "get /api/v1/ops/drift",
    "get /api/v1/ops/jobs",
    "get /api/v1/ops/jobs/counts",
    "get /api/v1/ops/jobs/errors",
    "get /api/v1/ops/jobs/{id}",
    "get /api/v1/ops/machines",
    "get /api/v1/ops/payments",
    "get /api/v1/ops/payments/{id}/timeline",
    "get /api/v1/ops/queues",
    "get /api/v1/ops/webhooks",
    "get /api/v1/ops/webhooks/{event}",
    "get /health",
    "get /livez",
    "get /readyz",
    "post /api/v1/ops/deliveries/{id}/resend",
    "post /api/v1/ops/jobs/bulk",
    "post /api/v1/ops/jobs/{id}/cancel",
    "post /api/v1/ops/jobs/{id}/retry",
    "post /api/v1/ops/jobs/{id}/snooze",
    "post /api/v1/ops/payments/{id}/force",
    "post /api/v1/ops/payments/{id}/resync",
    "post /api/v1/ops/queues/{kind}/pause",
    "post /api/v1/ops/queues/{kind}/resume",
    "post /api/v1/ops/webhooks/{event}/replay",
];

#[test]
fn the_copy_in_docs_is_the_description() {
    let description = core_service::openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(COPY, &description).unwrap();
    }
    let copy = std::fs::read_to_string(COPY).unwrap_or_default();
    assert!(
        copy == description,
        "docs/openapi-core.json differs from the code: `UPDATE_OPENAPI=1 cargo test -p core-service --test it the_copy` writes it anew"
    );
}

#[tokio::test]
async fn the_document_lists_each_route_and_each_listed_route_exists() {
    let stage = Stage::start().await;
    let served: Value = stage.get("/openapi.json").await.json().await.unwrap();
    let document = serde_json::to_value(core_service::openapi()).unwrap();
    assert_eq!(served, document);
    let mut routes = BTreeSet::new();
    for (path, item) in served["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            routes.insert(format!("{method} {path}"));
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let id = match path.split('/').nth(4) {
                Some("deliveries") => "del_01h2xcejqtf2nbrexx3vqjhp41",
                Some("payments") => "pay_01h2xcejqtf2nbrexx3vqjhp41",
                _ => "job_01h2xcejqtf2nbrexx3vqjhp41",
            };
            let url = path
                .replace("{id}", id)
                .replace("{kind}", "resync")
                .replace("{event}", "evt_1");
            let request = stage.request(method, &url, Role::Admin);
            let response = request.send().await.unwrap();
            assert_ne!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            let answered = response.status().as_u16().to_string();
            let described = operation["responses"].as_object().unwrap();
            assert!(described.contains_key(&answered), "{path}: {answered}");
            if response.status() == StatusCode::NOT_FOUND {
                let body: Value = response.json().await.unwrap();
                assert_eq!(body["code"], "not_found", "{path}");
            }
        }
    }
    assert_eq!(routes, ROUTES.map(str::to_owned).into());
}
