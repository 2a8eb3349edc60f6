//! Each parameter and each field of the API's description at the edges of its type: accepted, or refused with a problem
//! that says what is wrong, and never a 5xx.

use infra::testing::unique;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::stage::{Stage, created};

/// A running gateway with its description, and one of each thing that a path may name.
struct Api {
    stage: Stage,
    document: Value,
    payment: String,
    endpoint: String,
}

impl Api {
    async fn start() -> Self {
        let mut stage = Stage::start().await;
        stage.token = stage.admin();
        let payment = stage.payment().await;
        let hook = json!({"url": "https://shop.example/hooks"});
        let hook = created(stage.post("/api/v1/webhook_endpoints", &hook).await).await;
        Self {
            document: serde_json::to_value(gateway::openapi()).unwrap(),
            payment: payment["id"].as_str().unwrap().to_owned(),
            endpoint: hook["id"].as_str().unwrap().to_owned(),
            stage,
        }
    }

    /// Every operation for merchants: its method, its path and its description.
    fn operations(&self) -> Vec<(Method, String, Value)> {
        let mut operations = Vec::new();
        for (path, item) in self.document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if path.starts_with("/api/") && method != "delete" {
                    let method = method.to_uppercase().parse().unwrap();
                    operations.push((method, path.clone(), operation.clone()));
                }
            }
        }
        operations
    }

    /// The schema, or the one that it refers to.
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(target) => self
                .document
                .pointer(target.trim_start_matches('#'))
                .unwrap(),
            None => schema,
        }
    }

    /// The path with ids of things that exist.
    fn path(&self, template: &str) -> String {
        let id = if template.contains("webhook_endpoints") {
            &self.endpoint
        } else {
            &self.payment
        };
        template
            .replace("{id}", id)
            .replace("{delivery_id}", "del_01h2xcejqtf2nbrexx3vqjhp41")
            .replace("{intent_id}", "pi_1")
    }

    async fn send(&self, method: &Method, path: &str, raw: Option<&str>) -> Response {
        let request = self
            .stage
            .request(method.clone(), path)
            .header("idempotency-key", unique("key"))
            .header("content-type", "application/json");
        let request = match raw {
            Some(raw) => request.body(raw.to_owned()),
            None => request,
        };
        request.send().await.unwrap()
    }
}

/// Checks the answer: no fault of ours, and each refusal a problem with a code and a sentence. Returns whether it was
/// accepted.
async fn checked(response: Response, what: &str) -> bool {
    let status = response.status();
    let kind = response.headers().get("content-type").cloned();
    let text = response.text().await.unwrap();
    let shown: String = what.chars().take(300).collect();
    assert!(!status.is_server_error(), "{shown}: {status} {text}");
    assert_ne!(status.as_u16(), 429, "{shown}");
    if status.is_client_error() {
        assert_eq!(kind.unwrap(), "application/problem+json", "{shown}");
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert!(problem["code"].is_string(), "{shown}: {text}");
        assert!(
            problem["detail"].as_str().unwrap().len() > 10,
            "{shown}: {text}"
        );
    }
    status.is_success()
}

/// Numbers around the limits of the schema and of the types that may hold it.
fn numbers(schema: &Value) -> Vec<String> {
    let mut numbers: Vec<i128> = vec![
        -1,
        0,
        1,
        i32::MAX.into(),
        i64::MAX.into(),
        i64::MIN.into(),
        u64::MAX.into(),
    ];
    for limit in ["minimum", "maximum"] {
        if let Some(limit) = schema[limit].as_i64() {
            numbers.extend([-1, 0, 1].map(|by| i128::from(limit) + by));
        }
    }
    numbers.extend(
        numbers
            .clone()
            .iter()
            .filter_map(|number| number.checked_add(1)),
    );
    numbers.iter().map(i128::to_string).collect()
}

/// Texts around the limits of the schema.
fn lengths(schema: &Value) -> Vec<String> {
    let longest = schema["maxLength"].as_u64().unwrap_or(40);
    let longest = usize::try_from(longest).unwrap();
    [0, 1, longest, longest + 1, 1_500]
        .into_iter()
        .flat_map(|length| ["a", "é", "𝕏"].map(|letter| letter.repeat(length)))
        .collect()
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect::<Vec<_>>()
        .concat()
}

#[tokio::test]
async fn every_parameter_is_read_or_refused_at_the_edges_of_its_type() {
    let api = Api::start().await;
    let mut sent = 0;
    for (method, template, operation) in api.operations() {
        let empty = Vec::new();
        for parameter in operation["parameters"].as_array().unwrap_or(&empty) {
            let (name, place) = (parameter["name"].as_str().unwrap(), &parameter["in"]);
            let schema = api.resolve(&parameter["schema"]);
            let mut values = numbers(schema);
            values.extend(lengths(schema));
            values.extend(
                [
                    " ",
                    "null",
                    "true",
                    "NaN",
                    "1e3",
                    "1.0",
                    "+1",
                    "0x1",
                    "1,2",
                    "[]",
                    "{}",
                    "%",
                    "9999-12-31T23:59:59-23:59",
                    "0000-01-01T00:00:00+23:59",
                    "2026-02-30T00:00:00Z",
                    "2026-06-30T23:59:60Z",
                    "2026-11-24",
                ]
                .map(str::to_owned),
            );
            for value in &values {
                let path = api.path(&template);
                let requests = if place == "query" {
                    let (name, value) = (percent(name), percent(value));
                    vec![
                        format!("{path}?{name}={value}"),
                        format!("{path}?{name}={value}&{name}={value}"),
                        format!("{path}?{name}[]={value}"),
                        format!("{path}?{name}[x]={value}"),
                    ]
                } else if place == "path" {
                    vec![api.path(&template.replace(&format!("{{{name}}}"), &percent(value)))]
                } else {
                    continue;
                };
                for path in requests {
                    let raw = (method == Method::POST).then_some("{}");
                    checked(
                        api.send(&method, &path, raw).await,
                        &format!("{method} {path}"),
                    )
                    .await;
                    sent += 1;
                }
            }
        }
    }
    assert!(sent > 2_000, "{sent} requests only");
}

/// A body in which every field is good.
fn good(name: &str) -> Value {
    match name {
        "CreatePayment" => json!({"amount": 1099, "currency": "eur"}),
        "CreateWebhookEndpoint" => json!({"url": "https://shop.example/hooks"}),
        _ => json!({}),
    }
}

/// The body with this field, written twice if `twice`.
fn with(base: &Value, field: &str, value: &str, twice: bool) -> String {
    let mut base = base.clone();
    base.as_object_mut().unwrap().remove(field);
    let rest = base.to_string();
    let rest = rest.trim_start_matches('{').trim_end_matches('}');
    let comma = if rest.is_empty() { "" } else { "," };
    let again = if twice {
        format!(",\"{field}\":{value}")
    } else {
        String::new()
    };
    format!("{{{rest}{comma}\"{field}\":{value}{again}}}")
}

#[tokio::test]
async fn every_field_is_read_or_refused_at_the_edges_of_its_type() {
    let api = Api::start().await;
    let deep = "[".repeat(200) + &"]".repeat(200);
    let (mut taken, mut refused) = (0, 0);
    for (method, template, operation) in api.operations() {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let Some(name) = schema["$ref"]
            .as_str()
            .and_then(|target| target.rsplit('/').next())
        else {
            continue;
        };
        let path = api.path(&template);
        // A body may have no fields at all.
        let Some(fields) = api.resolve(schema)["properties"].as_object() else {
            continue;
        };
        for (field, property) in fields {
            let property = api.resolve(property);
            let mut values = numbers(property);
            values.extend(lengths(property).iter().map(|text| json!(text).to_string()));
            values.extend(
                [
                    "null",
                    "true",
                    "1.5",
                    "1e400",
                    "-0",
                    "1e2",
                    "[]",
                    "{}",
                    "[null]",
                    r#"{"a":1}"#,
                    r#"{"":""}"#,
                    r#""\u0000""#,
                    "NaN",
                    "'x'",
                ]
                .map(str::to_owned),
            );
            values.push(deep.clone());
            for value in &values {
                for twice in [false, true] {
                    let raw = with(&good(name), field, value, twice);
                    let what = format!("{method} {path} {raw}");
                    if checked(api.send(&method, &path, Some(&raw)).await, &what).await {
                        assert!(!twice, "{what}: a field that is given twice");
                        taken += 1;
                    } else {
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(
        taken > 20 && refused > 500,
        "{taken} taken, {refused} refused"
    );
}
