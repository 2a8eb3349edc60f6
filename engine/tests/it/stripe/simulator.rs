//! The calls against the simulator: a whole Stripe, good and bad.

mod bad;
mod good;

use engine::stripe::{
    Client, ClientConfig, ConfirmIntent, CreateIntent, CreateRefund, IdempotencyKey,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;
use workflows::stripe::Intent;

struct Stripe {
    base: String,
    client: Client,
    _stop: DropGuard,
}

impl Stripe {
    async fn start() -> Self {
        Self::with(stripe_simulator::Config::default()).await
    }

    async fn with(config: stripe_simulator::Config) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(stripe_simulator::serve(config, listener, stop.clone()));
        let key = SecretString::from("sk_test_client");
        let client = Client::new(&ClientConfig::new(base.as_str(), key)).unwrap();
        Self {
            base,
            client,
            _stop: stop.drop_guard(),
        }
    }

    /// Makes `fault` strike the next request of `route`, once.
    async fn break_once(&self, route: &str, mut fault: Value) {
        fault["route"] = route.into();
        fault["count"] = 1.into();
        let answer = reqwest::Client::new()
            .put(format!("{}/_sim/faults", self.base))
            .json(&json!({"rules": [fault]}))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    async fn create(&self, payment: Uuid, method: &str, manual_capture: bool) -> Intent {
        let new = intent(payment, method, manual_capture);
        self.client
            .create_intent(&new, &key())
            .await
            .unwrap()
            .object
    }

    async fn paid(&self, manual_capture: bool) -> Intent {
        let created = self
            .create(Uuid::now_v7(), "pm_card_visa", manual_capture)
            .await;
        let confirmed = self
            .client
            .confirm_intent(&created.id, &ConfirmIntent::default(), &key())
            .await;
        confirmed.unwrap().object
    }
}

fn key() -> IdempotencyKey {
    IdempotencyKey::parse(Uuid::now_v7().to_string()).unwrap()
}

fn intent(payment: Uuid, method: &str, manual_capture: bool) -> CreateIntent {
    CreateIntent {
        payment,
        account: Uuid::from_u128(1),
        amount: 1099,
        currency: "eur".into(),
        manual_capture,
        multicapture: false,
        payment_method_types: Vec::new(),
        payment_method: Some(method.into()),
        redirects: false,
        description: Some("A mug".into()),
        statement_descriptor: Some("MUGS".into()),
        receipt_email: Some("a@example.com".into()),
        request: None,
    }
}

fn refund(intent: &Intent, amount: i64) -> CreateRefund {
    CreateRefund {
        refund: Uuid::now_v7(),
        payment: Uuid::now_v7(),
        account: Uuid::from_u128(1),
        intent_id: intent.id.clone(),
        amount,
        reason: Some("requested_by_customer".into()),
        request: None,
    }
}
