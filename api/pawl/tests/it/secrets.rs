//! No secret that was used in a run is in the output of a process, in Kafka, or in a key of Redis.

use std::time::Duration;

use infra::testing::kafka_consumer;
use rdkafka::Message as _;
use rdkafka::consumer::Consumer;
use rdkafka::message::Headers as _;
use serde_json::{Value, json};

use crate::fleet::{BOOTSTRAP_KEY, Fleet, PRIVATE_KEY, STRIPE_KEY, WEBHOOK_SECRET, ask};

const PASSWORD: &str = "correct horse battery staple of a test";
const WRONG_PASSWORD: &str = "wrong horse battery staple of a test";
const WRONG_KEY: &str = "pawl_key_that_opens_nothing_0123456789abcdef";
const CARD: &str = "4242424242424242";
const SPACED_CARD: &str = "4000 0025 0000 3155";

/// Beginnings and middles that only a secret has. A new kind of secret is a line here.
const MARKS: [&str; 5] = ["sk_test_", "sk_live_", "whsec_", "_secret_", "pawl_rt_"];

/// The own crates log everything, the others much.
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
    secrets.extend(use_secrets(&fleet).await);

    // All committed transitions are published, and the last webhook is applied.
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
    let mut found = Vec::new();
    for (place, text) in &places {
        let leaked = secrets
            .iter()
            .filter(|secret| text.contains(secret.as_str()));
        found.extend(leaked.map(|secret| {
            let line = text.lines().find(|line| line.contains(secret.as_str()));
            format!("{secret} is in {place}: {}", line.unwrap_or(text))
        }));
    }
    assert!(found.is_empty(), "{found:#?}");
    names_are_there(&fleet);
}

/// Uses the secrets as people and programs do; returns those that were generated meanwhile.
async fn use_secrets(fleet: &Fleet) -> Vec<String> {
    let token = log_in(fleet).await;
    // The first call fails once: the job is retried later, and the log says so.
    let fault = json!([{"fault": "error_before", "probability": 1.0, "count": 1}]);
    fleet.inject(fault).await;
    let with_token = fleet.pay("pm_card_visa", "1").bearer_auth(&token);
    let with_key = fleet
        .pay("pm_card_visa_chargeDeclined", "2")
        .header("X-API-Key", &fleet.api_key);
    let mut made = Vec::new();
    for pay in [with_token, with_key] {
        let payment = ask(pay, 201).await;
        let secret = payment["client_secret"].as_str();
        made.push(secret.unwrap_or_else(|| panic!("{payment}")).to_owned());
    }
    misuse(fleet, &token, &made[0]).await;
    made.extend(token.rsplit('.').next().map(str::to_owned));
    made.push(token);
    made
}

/// Registers a user, and returns a token after two refused logins.
async fn log_in(fleet: &Fleet) -> String {
    let auth = |path: &str, password: &str, key: &str| {
        let person = json!({"email": "grep@pawl.example", "password": password});
        let path = format!("/api/v1/auth/{path}");
        fleet
            .post("auth-service", &path, &person)
            .header("X-API-Key", key)
    };
    ask(auth("register", PASSWORD, BOOTSTRAP_KEY), 201).await;
    ask(auth("login", WRONG_PASSWORD, BOOTSTRAP_KEY), 401).await;
    ask(auth("login", PASSWORD, WRONG_KEY), 401).await;
    let login = ask(auth("login", PASSWORD, BOOTSTRAP_KEY), 200).await;
    login["token"].as_str().unwrap().to_owned()
}

/// Sends invalid secrets, and secrets where they must not be sent.
async fn misuse(fleet: &Fleet, token: &str, client_secret: &str) {
    let pay = || fleet.pay("pm_card_visa", "3");
    ask(pay().header("X-API-Key", WRONG_KEY), 401).await;
    ask(pay().bearer_auth(format!("{token}x")), 401).await;
    for field in ["description", "reference", CARD] {
        for card in [CARD, SPACED_CARD] {
            let order = json!({"amount": 1200, "currency": "eur", field: card});
            let pay = fleet.post("gateway", "/api/v1/payments", &order);
            let pay = pay
                .header("X-API-Key", &fleet.api_key)
                .header("Idempotency-Key", "4");
            ask(pay, 422).await;
        }
    }
    let object = json!({"id": "pi_1", "client_secret": client_secret});
    let event =
        json!({"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": object}});
    let webhook = fleet.post("gateway", "/webhooks/stripe", &event);
    ask(webhook.header("Stripe-Signature", "t=1,v1=00"), 400).await;
}

/// The log lines have the ids by which they are found: of requests, and of jobs with their payments and traces.
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
        .find(|line| line["message"] == "webhook refused; answering 400")
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
        .find(|line| line["message"] == "the job did not succeed; it will be retried")
        .unwrap();
    let payment: contracts::id::PaymentId = put_off["payment"].as_str().unwrap().parse().unwrap();
    assert_eq!(put_off["trace_id"], payment.uuid().simple().to_string());
    assert!(
        put_off["job"].as_str().unwrap().starts_with("job_"),
        "{put_off}"
    );
}

/// All messages of the topic, of which there must be this number.
pub(crate) async fn published(fleet: &Fleet, messages: f64) -> String {
    let consumer = kafka_consumer(fleet.variable("KAFKA_BROKERS"), "grep");
    consumer.subscribe(&[contracts::event::TOPIC]).unwrap();
    let mut text = String::new();
    let mut seen = 0.0;
    while seen < messages {
        let message = tokio::time::timeout(Duration::from_mins(1), consumer.recv()).await;
        // The mock creates the topic at its first use.
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
