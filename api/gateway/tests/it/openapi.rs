//! The description of the API and the API are one.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::moving::{stripe, work};
use crate::stage::{PAYMENTS, Stage, body, created};

/// Every route of the design that stands today.
const ROUTES: [&str; 34] = [
    "delete /api/v1/webhook_endpoints/{id}",
    "get /api/v1/disputes",
    "get /api/v1/disputes/{id}",
    "get /api/v1/disputes/{id}/explain",
    "get /api/v1/payment_intents/{intent_id}",
    "get /api/v1/payments",
    "get /api/v1/payments/{id}",
    "get /api/v1/payments/{id}/captures",
    "get /api/v1/payments/{id}/events",
    "get /api/v1/payments/{id}/explain",
    "get /api/v1/payments/{id}/refunds",
    "get /api/v1/refunds",
    "get /api/v1/refunds/{id}",
    "get /api/v1/refunds/{id}/explain",
    "get /api/v1/webhook_endpoints",
    "get /api/v1/webhook_endpoints/{id}",
    "get /api/v1/webhook_endpoints/{id}/deliveries",
    "get /api/v1/webhook_endpoints/{id}/deliveries/{delivery_id}",
    "get /health",
    "get /livez",
    "get /readyz",
    "patch /api/v1/webhook_endpoints/{id}",
    "post /api/v1/disputes/{id}/accept",
    "post /api/v1/disputes/{id}/evidence",
    "post /api/v1/payments",
    "post /api/v1/payments/{id}/cancel",
    "post /api/v1/payments/{id}/capture",
    "post /api/v1/payments/{id}/confirm",
    "post /api/v1/payments/{id}/refunds",
    "post /api/v1/webhook_endpoints",
    "post /api/v1/webhook_endpoints/{id}/deliveries/{delivery_id}/resend",
    "post /api/v1/webhook_endpoints/{id}/rotate_secret",
    "post /api/v1/webhook_endpoints/{id}/test",
    "post /webhooks/stripe",
];

async fn document(stage: &Stage) -> Value {
    let response = stage
        .bare(Method::GET, "/openapi.json")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    body(response, StatusCode::OK).await
}

fn routes(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .keys()
                .map(move |method| format!("{method} {path}"))
        })
        .collect()
}

#[tokio::test]
async fn the_document_lists_each_route_and_each_listed_route_exists() {
    let stage = Stage::start().await;
    let document = document(&stage).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(routes(&document), ROUTES.map(str::to_owned).into());
    for route in routes(&document) {
        let (method, path) = route.split_once(' ').unwrap();
        let path = path
            .replace("{id}", "pay_01h2xcejqtf2nbrexx3vqjhp41")
            .replace("{delivery_id}", "del_01h2xcejqtf2nbrexx3vqjhp41")
            .replace("{intent_id}", "pi_1");
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let response = stage.bare(method, &path).send().await.unwrap();
        let status = response.status();
        assert!(
            status != StatusCode::NOT_FOUND && status != StatusCode::METHOD_NOT_ALLOWED,
            "{route}: {status}"
        );
    }
}

#[tokio::test]
async fn every_reference_of_the_document_leads_somewhere() {
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
    let stage = Stage::start().await;
    let document = document(&stage).await;
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(
        found.contains("#/components/schemas/PaymentView"),
        "{found:?}"
    );
    for target in found {
        assert!(
            document.pointer(target.trim_start_matches('#')).is_some(),
            "{target}"
        );
    }
}

#[tokio::test]
async fn the_type_of_a_problem_can_be_followed() {
    let stage = Stage::start().await;
    let problem: Value = stage
        .get("/api/v1/payments/nothing")
        .await
        .json()
        .await
        .unwrap();
    let (page, anchor) = problem["type"].as_str().unwrap().split_once('#').unwrap();
    let text = stage
        .bare(Method::GET, page)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(text.contains(&format!("### {anchor}\n")));
}

#[tokio::test]
async fn the_page_for_people_needs_no_other_host() {
    let stage = Stage::start().await;
    let page = stage.bare(Method::GET, "/docs/").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';"),
        "{policy}"
    );
    let html = page.text().await.unwrap();
    // One that is somewhere else is not found here.
    for source in html
        .split("src=\"")
        .skip(1)
        .chain(html.split("href=\"").skip(1))
    {
        let file = source.split('"').next().unwrap().trim_start_matches("./");
        let answer = stage
            .bare(Method::GET, &format!("/docs/{file}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{file}");
    }
    let initializer = stage.bare(Method::GET, "/docs/swagger-initializer.js");
    let initializer = initializer.send().await.unwrap().text().await.unwrap();
    assert!(initializer.contains("/openapi.json"), "{initializer}");
}

#[test]
fn each_operation_has_a_name_of_its_own() {
    let document = serde_json::to_value(gateway::openapi()).unwrap();
    let operations = document["paths"].as_object().unwrap().values();
    let names: Vec<_> = operations
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names.len(),
        names.iter().collect::<BTreeSet<_>>().len(),
        "{names:?}"
    );
}

#[test]
fn the_committed_document_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let generated = gateway::openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == generated,
        "docs/openapi.json is not what the gateway serves. Regenerate it with \
         `UPDATE_OPENAPI=1 cargo test -p gateway --test it openapi::the_committed`, and commit it."
    );
}

#[tokio::test]
async fn the_example_of_a_payment_succeeds_as_it_is() {
    let stage = Stage::start().await;
    let stripe = stripe(&stage, Vec::new()).await;
    work(&stage, stripe);
    let document = serde_json::to_value(gateway::openapi()).unwrap();
    let create = &document["paths"][PAYMENTS]["post"];
    let example = &create["requestBody"]["content"]["application/json"]["example"];
    let mut request = stage.request(Method::POST, PAYMENTS).json(example);
    for parameter in create["parameters"].as_array().unwrap() {
        let value = parameter["example"].as_str().unwrap();
        request = request.header(parameter["name"].as_str().unwrap(), value);
    }
    let payment = created(request.send().await.unwrap()).await;
    assert_eq!(payment["status"], "succeeded");
    assert_eq!(document["servers"][0]["url"], "/");
    // The page in a browser sends the examples of a list, and nothing for a parameter without one.
    let list = document["paths"][PAYMENTS]["get"]["parameters"]
        .as_array()
        .unwrap();
    for parameter in list {
        if parameter["schema"]["type"] == "object" {
            assert_eq!(parameter["example"], json!({}), "{parameter}");
        }
    }
}
