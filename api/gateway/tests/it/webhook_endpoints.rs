//! Merchants manage the addresses that their events are sent to.

use infra::testing::unique;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::stage::{PAYMENTS, Stage, body, created, mug, problem};

pub(crate) const PATH: &str = "/api/v1/webhook_endpoints";
pub(crate) const UNKNOWN: &str = "we_01h2xcejqtf2nbrexx3vqjhp41";
const UNKNOWN_DELIVERY: &str = "del_01h2xcejqtf2nbrexx3vqjhp41";

/// An admin at the gateway.
pub(crate) struct Merchant<'a> {
    stage: &'a Stage,
    token: String,
}

impl<'a> Merchant<'a> {
    pub(crate) fn of(stage: &'a Stage) -> Self {
        Self {
            stage,
            token: stage.admin(),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.stage.bare(method, path).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn send(&self, method: Method, path: &str, sent: &Value) -> Response {
        self.request(method, path).json(sent).send().await.unwrap()
    }

    pub(crate) async fn endpoint(&self, url: &str) -> Value {
        created(self.send(Method::POST, PATH, &json!({ "url": url })).await).await
    }

    pub(crate) async fn pay(&self) {
        let request = self
            .request(Method::POST, PAYMENTS)
            .header("idempotency-key", unique("key"));
        created(request.json(&mug()).send().await.unwrap()).await;
    }
}

pub(crate) fn path_of(endpoint: &Value, below: &str) -> String {
    format!("{PATH}/{}{below}", endpoint["id"].as_str().unwrap())
}

#[tokio::test]
async fn an_endpoint_is_made_read_changed_and_deleted() {
    let stage = Stage::start().await;
    let merchant = Merchant::of(&stage);
    let sent = json!({
        "url": "http://127.0.0.1:9/hooks",
        "description": "orders",
        "enabled_events": ["payment.succeeded", "refund.*"],
    });
    let response = merchant.send(Method::POST, PATH, &sent).await;
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(response.headers()["cache-control"], "no-store");
    let made = created(response).await;
    assert_eq!(location, path_of(&made, ""));
    assert_eq!(made["object"], "webhook_endpoint");
    assert_eq!(made["status"], "enabled");
    assert_eq!(made["enabled_events"], sent["enabled_events"]);
    let secret = made["secret"].as_str().unwrap();
    assert!(
        secret.starts_with("whsec_") && secret.len() == 6 + 44,
        "{secret}"
    );

    // The secret is shown once.
    let read = body(merchant.get(&location).await, StatusCode::OK).await;
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("secret");
    assert_eq!(read, shown);
    let list = body(merchant.get(PATH).await, StatusCode::OK).await;
    assert_eq!(list["data"], json!([shown]));

    let change =
        json!({"url": "http://127.0.0.1:9/other", "enabled_events": ["*"], "status": "disabled"});
    let changed = merchant.send(Method::PATCH, &location, &change).await;
    let changed = body(changed, StatusCode::OK).await;
    assert_eq!(changed["url"], "http://127.0.0.1:9/other");
    assert_eq!(changed["description"], "orders");
    assert_eq!(changed["enabled_events"], json!(["*"]));
    assert_eq!(changed["status"], "disabled");
    assert_eq!(changed["disabled_reason"], "requested");
    let same = merchant.send(Method::PATCH, &location, &json!({})).await;
    assert_eq!(body(same, StatusCode::OK).await["status"], "disabled");

    let rotated = merchant
        .send(
            Method::POST,
            &path_of(&made, "/rotate_secret"),
            &json!({"expires_in": 0}),
        )
        .await;
    let rotated = body(rotated, StatusCode::OK).await;
    assert_ne!(rotated["secret"], made["secret"]);

    let deleted = merchant
        .request(Method::DELETE, &location)
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    for response in [
        merchant.get(&location).await,
        merchant
            .request(Method::DELETE, &location)
            .send()
            .await
            .unwrap(),
    ] {
        problem(response, 404, "not_found", None).await;
    }
    assert_eq!(
        body(merchant.get(PATH).await, StatusCode::OK).await["data"],
        json!([])
    );
}

/// Bodies that make no endpoint: the code and the field that say why.
const REFUSED: [(&str, &str, &str); 18] = [
    ("{}", "missing_field", "url"),
    (r#"{"url": 1}"#, "invalid_type", "url"),
    (r#"{"url": null}"#, "invalid_type", "url"),
    (r#"{"url": ""}"#, "invalid_field", "url"),
    (r#"{"url": "shop.example"}"#, "invalid_field", "url"),
    (r#"{"url": "ftp://shop.example"}"#, "invalid_field", "url"),
    (
        r#"{"url": "http://me:secret@shop.example"}"#,
        "invalid_field",
        "url",
    ),
    (
        r#"{"url": "http://shop.example/#top"}"#,
        "invalid_field",
        "url",
    ),
    (
        r#"{"url": "http://a.example", "secret": "whsec_mine"}"#,
        "unknown_field",
        "secret",
    ),
    (
        r#"{"url": "http://a.example", "status": "enabled"}"#,
        "unknown_field",
        "status",
    ),
    (
        r#"{"url": "http://a.example", "account_id": "acct_1"}"#,
        "unknown_field",
        "account_id",
    ),
    (
        r#"{"url": "http://a.example", "enabled_events": []}"#,
        "invalid_field",
        "enabled_events",
    ),
    (
        r#"{"url": "http://a.example", "enabled_events": ["payment.paid"]}"#,
        "invalid_field",
        "enabled_events",
    ),
    (
        r#"{"url": "http://a.example", "enabled_events": "*"}"#,
        "invalid_type",
        "enabled_events",
    ),
    (
        r#"{"url": "http://a.example", "description": ""}"#,
        "invalid_field",
        "description",
    ),
    (
        r#"{"url": "http://a.example", "description": "\u0000"}"#,
        "invalid_field",
        "description",
    ),
    (
        r#"{"url": "http://a.example", "description": "4242 4242 4242 4242"}"#,
        "card_data",
        "description",
    ),
    (
        r#"{"url": "http://a.example", "description": 1}"#,
        "invalid_type",
        "description",
    ),
];

#[tokio::test]
async fn what_cannot_be_an_endpoint_is_refused_by_the_name_of_its_field() {
    let stage = Stage::start().await;
    let merchant = Merchant::of(&stage);
    for (sent, code, param) in REFUSED {
        let sent: Value = serde_json::from_str(sent).unwrap();
        let response = merchant.send(Method::POST, PATH, &sent).await;
        problem(response, 422, code, Some(param)).await;
    }
    let good = "http://127.0.0.1:9/";
    for sent in [
        json!({ "url": format!("{good}{}", "a".repeat(2048)) }),
        json!({ "url": good, "description": "a".repeat(501) }),
        json!({ "url": good, "enabled_events": vec!["*"; contracts::webhook::MOST_EVENT_FILTERS + 1] }),
    ] {
        let response = merchant.send(Method::POST, PATH, &sent).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
    let untyped = merchant.request(Method::POST, PATH).body("{}");
    let untyped = untyped.send().await.unwrap();
    problem(untyped, 415, "unsupported_media_type", Some("Content-Type")).await;
    assert_eq!(stage.count("webhook_endpoint").await, 0);
}

#[tokio::test]
async fn an_endpoint_takes_no_change_that_it_could_not_be_made_with() {
    let stage = Stage::start().await;
    let merchant = Merchant::of(&stage);
    let good = "http://127.0.0.1:9/";
    let endpoint = merchant.endpoint(good).await;
    for (below, method, sent, param) in [
        ("", Method::PATCH, json!({"status": "gone"}), "status"),
        ("", Method::PATCH, json!({"url": "nowhere"}), "url"),
        (
            "",
            Method::PATCH,
            json!({"enabled_events": []}),
            "enabled_events",
        ),
        (
            "/rotate_secret",
            Method::POST,
            json!({"expires_in": -1}),
            "expires_in",
        ),
        (
            "/rotate_secret",
            Method::POST,
            json!({"expires_in": 604_801}),
            "expires_in",
        ),
    ] {
        let response = merchant
            .send(method, &path_of(&endpoint, below), &sent)
            .await;
        let status = response.status();
        let problem: Value = response.json().await.unwrap();
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert_eq!(problem["param"], param, "{problem}");
    }
    for query in ["?status=enabled", "?limit=0", "?starting_after=nothing"] {
        let response = merchant.get(&format!("{PATH}{query}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
    }
    for _ in 1..16 {
        merchant.endpoint(good).await;
    }
    let one_more = merchant
        .send(Method::POST, PATH, &json!({"url": good}))
        .await;
    problem(one_more, 409, "unexpected_state", None).await;
}

#[tokio::test]
async fn who_may_only_pay_manages_no_endpoints_and_an_api_key_does() {
    let stage = Stage::start().await;
    let merchant = Merchant::of(&stage);
    let endpoint = merchant.endpoint("http://127.0.0.1:9/").await;
    let below = [
        (Method::GET, PATH.to_owned()),
        (Method::POST, PATH.to_owned()),
        (Method::GET, path_of(&endpoint, "")),
        (Method::PATCH, path_of(&endpoint, "")),
        (Method::DELETE, path_of(&endpoint, "")),
        (Method::POST, path_of(&endpoint, "/rotate_secret")),
        (Method::POST, path_of(&endpoint, "/test")),
        (Method::GET, path_of(&endpoint, "/deliveries")),
        (
            Method::GET,
            path_of(&endpoint, &format!("/deliveries/{UNKNOWN_DELIVERY}")),
        ),
        (
            Method::POST,
            path_of(&endpoint, &format!("/deliveries/{UNKNOWN_DELIVERY}/resend")),
        ),
    ];
    for (method, path) in below {
        let user = stage.request(method.clone(), &path).send().await.unwrap();
        problem(user, 403, "forbidden", None).await;
        let nobody = stage.bare(method, &path).send().await.unwrap();
        problem(nobody, 401, "unauthenticated", None).await;
    }

    let pool = stage.database.pool();
    let account = auth_service::demo::account(pool, "Mugs").await.unwrap();
    let key = auth_service::demo::api_key(pool, Some(account), "back end")
        .await
        .unwrap()
        .unwrap();
    let key = infra::env::ExposeSecret::expose_secret(&key);
    let request = stage.bare(Method::POST, PATH).header("x-api-key", key);
    let url = json!({"url": "http://127.0.0.1:9/"});
    created(request.json(&url).send().await.unwrap()).await;
}

#[tokio::test]
async fn the_schema_of_an_address_says_what_is_taken() {
    let stage = Stage::start().await;
    let response = stage
        .bare(Method::GET, "/openapi.json")
        .send()
        .await
        .unwrap();
    let document = body(response, StatusCode::OK).await;
    let schemas = &document["components"]["schemas"];
    let create = &schemas["CreateWebhookEndpoint"];
    assert_eq!(create["additionalProperties"], false);
    assert_eq!(create["required"], json!(["url"]));
    assert_eq!(create["properties"]["url"]["maxLength"], 2048);
    assert!(create["properties"]["url"]["pattern"].is_string());
    let words = &create["properties"]["enabled_events"]["items"]["enum"];
    assert!(words.as_array().unwrap().contains(&json!("payment.*")));
    assert_eq!(
        schemas["UpdateWebhookEndpoint"]["additionalProperties"],
        false
    );
    assert_eq!(schemas["RotateSecret"]["additionalProperties"], false);
}
