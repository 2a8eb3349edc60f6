//! The merchant of a campaign: creates payments, retries requests without an answer, and records the answers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use contracts::id::{PaymentId, RefundId};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::plan::{Order, Story};
use crate::fleet::Simulator;

/// A client without a useful answer gives up after this time.
const PATIENCE: Duration = Duration::from_secs(90);
/// The interval between two reads of a payment.
const READ_EVERY: Duration = Duration::from_millis(250);
/// The time before the same request is sent again.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// The answers that all clients of a campaign got.
#[derive(Debug, Default, Clone)]
pub(crate) struct Memory {
    /// Payments and refunds that were answered 2xx.
    pub(crate) acknowledged: Vec<Uuid>,
    /// Payments by their story.
    pub(crate) payments: Vec<(Uuid, Story)>,
    /// Answers 5xx and requests without an answer.
    pub(crate) errors: Vec<String>,
    /// Clients that gave up, and answers that contradict the API.
    pub(crate) complaints: Vec<String>,
}

/// A merchant with credentials. Cheap to clone; clones share one memory.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    gateway: String,
    token: String,
    simulator: Simulator,
    seed: u64,
    memory: Arc<Mutex<Memory>>,
}

impl Client {
    /// A merchant that sends its requests to the gateway at that address with that token.
    pub(crate) fn new(
        http: reqwest::Client,
        gateway: String,
        token: String,
        simulator: Simulator,
        seed: u64,
    ) -> Client {
        Client {
            http,
            gateway,
            token,
            simulator,
            seed,
            memory: Arc::default(),
        }
    }

    /// The answers so far.
    pub(crate) fn memory(&self) -> Memory {
        self.memory.lock().clone()
    }

    /// Plays an order to its end; an error is recorded in the memory.
    pub(crate) async fn play(&self, order: Order) {
        if let Err(error) = self.follow(&order).await {
            self.remember(|memory| {
                let complaint = format!("order {} ({:?}): {error:#}", order.number, order.story);
                memory.complaints.push(complaint);
            });
        }
    }

    async fn follow(&self, order: &Order) -> Result<()> {
        let id = self.create(order).await?;
        match order.story {
            Story::Card | Story::Processing => {}
            Story::Declined | Story::ProcessingFails => {
                self.until(&id, declined).await?;
                return Ok(());
            }
            Story::DeclinedThenCard => {
                self.until(&id, declined).await?;
                self.post(
                    order,
                    "confirm",
                    &format!("/payments/{id}/confirm"),
                    &json!({"payment_method": "pm_card_visa"}),
                )
                .await?;
            }
            Story::ThreeDSecure => {
                let view = self
                    .until(&id, |view| view["status"] == "requires_action")
                    .await?;
                let intent = view["intent_id"]
                    .as_str()
                    .context("no intent_id in requires_action")?;
                self.simulator.authenticate(intent).await?;
            }
            Story::Capture => {
                self.until(&id, |view| view["status"] == "requires_capture")
                    .await?;
                self.post(
                    order,
                    "capture",
                    &format!("/payments/{id}/capture"),
                    &json!({}),
                )
                .await?;
            }
            Story::Cancel => {
                self.until(&id, |view| view["status"] == "requires_capture")
                    .await?;
                self.post(
                    order,
                    "cancel",
                    &format!("/payments/{id}/cancel"),
                    &json!({"reason": "requested_by_customer"}),
                )
                .await?;
                self.until(&id, |view| view["status"] == "canceled").await?;
                return Ok(());
            }
        }
        self.until(&id, |view| view["status"] == "succeeded")
            .await?;
        self.refund(order, &id).await
    }

    /// Creates the payment, sending it twice at once when the order says so.
    async fn create(&self, order: &Order) -> Result<String> {
        let body = json!({
            "amount": order.amount,
            "currency": order.currency,
            "payment_method": order.story.payment_method(),
            "confirm": true,
            "capture_method": if matches!(order.story, Story::Capture | Story::Cancel) { "manual" } else { "automatic" },
            "return_url": "https://shop.example/return",
            "reference": format!("order-{}-{}", self.seed, order.number),
            "metadata": {"story": format!("{:?}", order.story)},
        });
        let answer = if order.impatient {
            let once = self.post(order, "create", "/payments", &body);
            let twice = self.post(order, "create", "/payments", &body);
            let (once, twice) = tokio::join!(once, twice);
            let (once, twice) = (once?, twice?);
            if once["id"] != twice["id"] {
                bail!("one key, two payments: {} and {}", once["id"], twice["id"]);
            }
            once
        } else {
            self.post(order, "create", "/payments", &body).await?
        };
        let id = answer["id"]
            .as_str()
            .context("an answer without an id")?
            .to_owned();
        let payment: PaymentId = id
            .parse()
            .with_context(|| format!("{id} is no payment id"))?;
        self.remember(|memory| {
            memory.acknowledged.push(payment.uuid());
            memory.payments.push((payment.uuid(), order.story));
        });
        Ok(id)
    }

    async fn refund(&self, order: &Order, id: &str) -> Result<()> {
        for (index, amount) in order.refunds.amounts(order.amount).into_iter().enumerate() {
            let body = amount.map_or_else(|| json!({}), |amount| json!({"amount": amount}));
            let answer = self
                .post(
                    order,
                    &format!("refund-{index}"),
                    &format!("/payments/{id}/refunds"),
                    &body,
                )
                .await?;
            let refund: RefundId = answer["id"]
                .as_str()
                .and_then(|id| id.parse().ok())
                .context("a refund without an id")?;
            self.remember(|memory| memory.acknowledged.push(refund.uuid()));
        }
        Ok(())
    }

    /// Sends a POST until it is answered 2xx, always under the same key.
    async fn post(&self, order: &Order, step: &str, path: &str, body: &Value) -> Result<Value> {
        let key = format!("chaos-{}-{}-{step}", self.seed, order.number);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let request = self
                .http
                .post(format!("{}/api/v1{path}", self.gateway))
                .header("Idempotency-Key", &key);
            match self.answer(request.json(body), path).await {
                Some((200..=299, answer)) => return Ok(answer),
                // The same request in progress, a rate limit, an error or no answer: retry. Any other answer is final.
                Some((409 | 429 | 500.., _)) | None => {}
                Some((status, answer)) => bail!("POST {path} was refused with {status}: {answer}"),
            }
            if Instant::now() > deadline {
                bail!("POST {path} got no final answer for {PATIENCE:?}");
            }
            sleep(RETRY_AFTER).await;
        }
    }

    /// Reads the payment until `wanted` holds.
    async fn until(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let path = format!("/payments/{id}");
        let deadline = Instant::now() + PATIENCE;
        let mut last = Value::Null;
        while Instant::now() < deadline {
            sleep(READ_EVERY).await;
            let request = self.http.get(format!("{}/api/v1{path}", self.gateway));
            match self.answer(request, &path).await {
                Some((200, view)) if wanted(&view) => return Ok(view),
                Some((200, view)) => last = view,
                Some((400..=428 | 430..=499, answer)) => bail!("GET {path} was refused: {answer}"),
                _ => {}
            }
        }
        bail!("{id} is still {} after {PATIENCE:?}", last["status"])
    }

    /// The status and body of an answer, or `None` if none came; a 5xx and a missing answer are recorded.
    async fn answer(&self, request: reqwest::RequestBuilder, path: &str) -> Option<(u16, Value)> {
        let sent = request
            .bearer_auth(&self.token)
            .timeout(Duration::from_secs(15))
            .send()
            .await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => {
                self.remember(|memory| memory.errors.push(format!("{path}: {error}")));
                return None;
            }
        };
        let status = answer.status().as_u16();
        let body = answer.json().await.unwrap_or_default();
        if status >= 500 {
            self.remember(|memory| memory.errors.push(format!("{path}: {status} {body}")));
        }
        Some((status, body))
    }

    fn remember(&self, change: impl FnOnce(&mut Memory)) {
        change(&mut self.memory.lock());
    }
}

/// A payment that was declined. Before its first attempt it has the same status, without an error.
fn declined(view: &Value) -> bool {
    view["status"] == "requires_payment_method" && !view["last_error"].is_null()
}
