//! No secret that was used in a run stands in what the processes wrote, in Kafka, or in a key of Redis.

use std::time::Duration;

use infra::kafka;
use rdkafka::Message as _;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::Headers as _;
use serde_json::{Value, json};

use crate::fleet::{BOOTSTRAP_KEY, Fleet, PRIVATE_KEY, STRIPE_KEY, WEBHOOK_SECRET, body};

const PASSWORD: &str = "correct horse battery staple of a test";
const WRONG_PASSWORD: &str = "wrong horse battery staple of a test";
const WRONG_KEY: &str = "pawl_key_that_opens_nothing_0123456789abcdef";
const CARD: &str = "4242424242424242";
const SPACED_CARD: &str = "4000 0025 0000 3155";

/// Beginnings and middles that only a secret has. A new kind of secret is a line here.
const MARKS: [&str; 5] = ["sk_test_", "sk_live_", "whsec_", "_secret_", "pawl_rt_"];

/// Our own crates tell everything, the others much.
const EVERYTHING: &str = "debug,gateway=trace,auth_service=trace,core_service=trace,worker_service=trace,authz=trace,\
                          engine=trace,infra=trace,contracts=trace,workflows=trace,stripe_simulator=trace";

#[tokio::test]
async fn no_secret_is_in_logs_in_kafka_or_in_a_key_of_redis() {
    let mut fleet = Fleet::start(&[("RUST_LOG", EVERYTHING)]).await;
    let mut secrets = vec![
        STRIPE_KEY.to_owned(),
        WEBHOOK_SECRET.to_owned(),
        BOOTSTRAP_KEY.to_owned(),
        PRIVATE_KEY.to_owned(),
        fleet.api_key.clone(),
    ];
    secrets.extend([PASSWORD, WRONG_PASSWORD, WRONG_KEY, CARD, SPACED_CARD].map(str::to_owned));
    secrets.extend(MARKS.map(str::to_owned));
    secrets.extend(live(&fleet).await);

    // What was published is what was committed; and the last webhook is dealt with.
    fleet
        .reaches("worker-service", "pawl_inbox_total", "", 4.0)
        .await;
    let moves = fleet.metric("gateway", "pawl_transitions_total", "").await
        + fleet
            .metric("worker-service", "pawl_transitions_total", "")
            .await;
    fleet
        .reaches("worker-service", "pawl_kafka_published_total", "", moves)
        .await;
    let keys = keys(&fleet).await;
    fleet.stop();

    let mut places = fleet.output();
    for (binary, text) in &places {
        assert!(text.len() > 1000, "{binary} wrote next to nothing: {text}");
    }
    assert!(keys.contains("pawl:view:"), "{keys}");
    places.push(("the keys of Redis", keys));
    places.push(("Kafka", published(&fleet, moves).await));
    for (place, text) in &places {
        for secret in secrets
            .iter()
            .filter(|secret| text.contains(secret.as_str()))
        {
            let line = text.lines().find(|line| line.contains(secret.as_str()));
            panic!("{secret} is in {place}: {line:?}");
        }
    }
    names_are_there(&fleet);
}

/// Does what people and programs do with secrets, rightly and wrongly; returns those that were made meanwhile.
async fn live(fleet: &Fleet) -> Vec<String> {
    let person = |password: &str| json!({"email": "grep@pawl.example", "password": password});
    for (path, password, key, status) in [
        ("register", PASSWORD, BOOTSTRAP_KEY, 201),
        ("login", WRONG_PASSWORD, BOOTSTRAP_KEY, 401),
        ("login", PASSWORD, WRONG_KEY, 401),
    ] {
        let asked = fleet.post(
            "auth-service",
            &format!("/api/v1/auth/{path}"),
            &person(password),
        );
        body(asked.header("X-API-Key", key).send().await.unwrap(), status).await;
    }
    let login = fleet.post("auth-service", "/api/v1/auth/login", &person(PASSWORD));
    let login = body(
        login
            .header("X-API-Key", BOOTSTRAP_KEY)
            .send()
            .await
            .unwrap(),
        200,
    )
    .await;
    let token = login["token"].as_str().unwrap().to_owned();
    let signature = token.rsplit('.').next().unwrap().to_owned();

    // The first call is refused once: the job is put off, and says so.
    fleet
        .misbehave(json!([{"fault": "error_before", "probability": 1.0, "count": 1}]))
        .await;
    let mut client_secrets = Vec::new();
    for (method, with_token) in [
        ("pm_card_visa", true),
        ("pm_card_visa_chargeDeclined", false),
    ] {
        let pay = fleet.pay(method, method);
        let pay = if with_token {
            pay.bearer_auth(&token)
        } else {
            pay.header("X-API-Key", &fleet.api_key)
        };
        let payment = body(pay.send().await.unwrap(), 201).await;
        let secret = payment["client_secret"].as_str();
        client_secrets.push(secret.unwrap_or_else(|| panic!("{payment}")).to_owned());
    }

    let refused = fleet
        .pay("pm_card_visa", "x")
        .header("X-API-Key", WRONG_KEY);
    body(refused.send().await.unwrap(), 401).await;
    let forged = fleet
        .pay("pm_card_visa", "x")
        .bearer_auth(format!("{token}x"));
    body(forged.send().await.unwrap(), 401).await;
    for field in ["description", "reference", CARD] {
        for card in [CARD, SPACED_CARD] {
            let order = json!({"amount": 1200, "currency": "eur", field: card});
            let pay = fleet.post("gateway", "/api/v1/payments", &order);
            let pay = pay
                .header("X-API-Key", &fleet.api_key)
                .header("Idempotency-Key", "card");
            body(pay.send().await.unwrap(), 422).await;
        }
    }
    let event = json!({"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "data": {"object": {"client_secret": client_secrets[0]}}});
    let webhook = fleet.post("gateway", "/webhooks/stripe", &event);
    body(
        webhook
            .header("Stripe-Signature", "t=1,v1=00")
            .send()
            .await
            .unwrap(),
        400,
    )
    .await;
    client_secrets.extend([token, signature]);
    client_secrets
}

/// The names by which lines are found: of requests, and of jobs with their payments and traces.
fn names_are_there(fleet: &Fleet) {
    let lines = |binary: &str| -> Vec<Value> {
        let text = fleet.wrote(binary);
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .collect()
    };
    let gateway = lines("gateway");
    let refused = gateway
        .iter()
        .find(|line| line["message"] == "a webhook was refused")
        .unwrap();
    assert!(
        refused["request_id"].as_str().unwrap().starts_with("req_"),
        "{refused}"
    );
    assert_eq!(
        (&refused["service"], &refused["level"]),
        (&json!("gateway"), &json!("WARN"))
    );
    let worker = lines("worker-service");
    let put_off = worker
        .iter()
        .find(|line| line["message"] == "put off")
        .unwrap();
    let payment: contracts::id::PaymentId = put_off["payment"].as_str().unwrap().parse().unwrap();
    assert_eq!(put_off["trace_id"], payment.uuid().simple().to_string());
    assert!(
        put_off["job"].as_str().unwrap().starts_with("job_"),
        "{put_off}"
    );
}

/// Everything on the topic, of which there is this much.
pub(crate) async fn published(fleet: &Fleet, messages: f64) -> String {
    let consumer: StreamConsumer =
        kafka::consumer(fleet.variable("KAFKA_BROKERS"), "grep").unwrap();
    consumer.subscribe(&[contracts::event::TOPIC]).unwrap();
    let mut text = String::new();
    let mut seen = 0.0;
    while seen < messages {
        let message = tokio::time::timeout(Duration::from_mins(1), consumer.recv()).await;
        // The mock makes the topic when it is first asked for.
        let Ok(message) = message.expect("all is on the topic") else {
            continue;
        };
        text.push_str(&String::from_utf8_lossy(message.payload().unwrap()));
        for header in message.headers().unwrap().iter() {
            text.push_str(&String::from_utf8_lossy(header.value.unwrap()));
        }
        text.push('\n');
        seen += 1.0;
    }
    text
}

async fn keys(fleet: &Fleet) -> String {
    let client = redis::Client::open(fleet.variable("REDIS_URL")).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut redis)
        .await
        .unwrap();
    keys.join("\n")
}
