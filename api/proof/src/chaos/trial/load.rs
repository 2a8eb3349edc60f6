//! The load of a trial: clients that send one request after the other over connections that they keep alive, and what they
//! saw.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use contracts::id::{PaymentId, RefundId};
use infra::env::{ExposeSecret as _, SecretString};
use parking_lot::{Mutex, RwLock};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// The pause between two requests of a client.
const PAUSE: Duration = Duration::from_millis(25);
/// The time before the same request is sent again that got no final answer.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// A client gives a request up after this time.
const PATIENCE: Duration = Duration::from_secs(15);
/// A payment is refunded after so many later ones of its client, when it has succeeded as a rule. The first parts of a trial
/// must not differ by a lack of refunds.
const REFUNDED_AFTER: usize = 4;

/// Whose request it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Those whom the fault should not touch.
    Others,
    /// Those whom it touches.
    Touched,
}

/// A request as its client saw it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) group: Group,
    pub(super) sent: Instant,
    pub(super) took: Duration,
    /// `None` if no answer came.
    pub(super) status: Option<u16>,
    /// Whether a refusal said when to try again.
    pub(super) has_retry_after: bool,
}

/// The credential of a client, as a header.
#[derive(Debug, Clone)]
pub(super) struct Credential(pub(super) &'static str, pub(super) String);

impl Credential {
    /// An API key.
    pub(super) fn key(key: &SecretString) -> Credential {
        Credential("X-API-Key", key.expose_secret().to_owned())
    }
}

/// What all clients of a trial share.
#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    /// Payments and refunds that were answered 2xx.
    acknowledged: Mutex<Vec<Uuid>>,
    /// The payments among them.
    payments: Mutex<Vec<Uuid>>,
    /// The gateways in rotation.
    gateways: RwLock<Vec<SocketAddr>>,
    is_over: AtomicBool,
}

/// The running clients.
#[derive(Debug)]
pub(super) struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<Result<()>>,
}

impl Load {
    /// No client yet.
    pub(super) fn new(gateways: Vec<SocketAddr>) -> Load {
        let shared = Shared {
            gateways: RwLock::new(gateways),
            ..Shared::default()
        };
        Load {
            shared: Arc::new(shared),
            clients: JoinSet::new(),
        }
    }

    /// Starts clients that pay, and refund a little of earlier payments.
    pub(super) fn pay(
        &mut self,
        count: usize,
        group: Group,
        credential: &Credential,
    ) -> Result<()> {
        for _ in 0..count {
            let client = self.client(group, credential)?;
            self.clients.spawn(client.pay());
        }
        Ok(())
    }

    /// Starts clients that create payments without a pause.
    pub(super) fn flood(&mut self, count: usize, credential: &Credential) -> Result<()> {
        for _ in 0..count {
            let client = self.client(Group::Touched, credential)?;
            self.clients.spawn(client.flood());
        }
        Ok(())
    }

    /// Starts a client for each of these payments, which refunds a little of it again and again.
    pub(super) fn refund(&mut self, payments: &[Uuid], credential: &Credential) -> Result<()> {
        for payment in payments {
            let client = self.client(Group::Touched, credential)?;
            self.clients.spawn(client.refund_again(*payment));
        }
        Ok(())
    }

    fn client(&self, group: Group, credential: &Credential) -> Result<Client> {
        // Connections of its own.
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
        Ok(Client {
            shared: Arc::clone(&self.shared),
            http: http.build()?,
            group,
            credential: credential.clone(),
        })
    }

    /// The requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().clone()
    }

    /// The payments that were answered 2xx, the newest last.
    pub(super) fn payments(&self) -> Vec<Uuid> {
        self.shared.payments.lock().clone()
    }

    /// The payments and refunds that were answered 2xx.
    pub(super) fn acknowledged(&self) -> Vec<Uuid> {
        self.shared.acknowledged.lock().clone()
    }

    /// Takes a gateway out of rotation, or back into it.
    pub(super) fn rotate(&self, gateway: SocketAddr, is_in: bool) {
        let mut gateways = self.shared.gateways.write();
        if !is_in {
            gateways.retain(|known| *known != gateway);
        } else if !gateways.contains(&gateway) {
            gateways.push(gateway);
        }
    }

    /// Lets the clients end their requests, and waits for them.
    pub(super) async fn stop(&mut self) -> Result<()> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended??;
        }
        Ok(())
    }
}

struct Client {
    shared: Arc<Shared>,
    http: reqwest::Client,
    group: Group,
    credential: Credential,
}

impl Client {
    async fn pay(self) -> Result<()> {
        let mut paid: VecDeque<String> = VecDeque::new();
        while !self.is_over() {
            paid.extend(self.create().await);
            sleep(PAUSE).await;
            if paid.len() > REFUNDED_AFTER
                && let Some(payment) = paid.pop_front()
            {
                self.refund(&payment).await;
                sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    async fn flood(self) -> Result<()> {
        while !self.is_over() {
            self.create().await;
        }
        Ok(())
    }

    async fn refund_again(self, payment: Uuid) -> Result<()> {
        let payment = PaymentId::from(payment).to_string();
        while !self.is_over() {
            self.refund(&payment).await;
            sleep(PAUSE).await;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.shared.is_over.load(Ordering::Relaxed)
    }

    /// Creates a payment; its id, unless it was refused or the load is over.
    async fn create(&self) -> Option<String> {
        let body = json!({"amount": 1099, "currency": "eur", "payment_method": "pm_card_visa", "confirm": true});
        let id = self.post("/payments", &body).await?["id"]
            .as_str()?
            .to_owned();
        let payment = id.parse::<PaymentId>().ok()?.uuid();
        self.shared.payments.lock().push(payment);
        self.shared.acknowledged.lock().push(payment);
        Some(id)
    }

    /// Refunds the least amount of a payment. It may be refused: not succeeded yet, or refunded wholly.
    async fn refund(&self, payment: &str) {
        let path = format!("/payments/{payment}/refunds");
        let answer = self.post(&path, &json!({"amount": 1})).await;
        let refund = answer.and_then(|answer| answer["id"].as_str()?.parse::<RefundId>().ok());
        self.shared
            .acknowledged
            .lock()
            .extend(refund.map(|refund| refund.uuid()));
    }

    /// Sends a POST under one key until it is answered for good or the load is over; the body of a 2xx.
    async fn post(&self, path: &str, body: &Value) -> Option<Value> {
        let key = Uuid::now_v7().to_string();
        loop {
            match self.send(path, body, &key).await {
                Some((200..=299, answer)) => return Some(answer),
                Some((409 | 500.., _)) | None if !self.is_over() => sleep(RETRY_AFTER).await,
                _ => return None,
            }
        }
    }

    async fn send(&self, path: &str, body: &Value, key: &str) -> Option<(u16, Value)> {
        // Each client stays with its gateway while that is in rotation, so that it keeps a connection alive.
        let gateway = self.shared.gateways.read().first().copied()?;
        let sent = Instant::now();
        let Credential(header, value) = &self.credential;
        let request = self
            .http
            .post(format!("http://{gateway}/api/v1{path}"))
            .header(*header, value)
            .header("Idempotency-Key", key)
            .json(body);
        let answer = request.send().await;
        let seen = Seen {
            group: self.group,
            sent,
            took: sent.elapsed(),
            status: answer.as_ref().ok().map(|answer| answer.status().as_u16()),
            has_retry_after: answer
                .as_ref()
                .is_ok_and(|answer| answer.headers().contains_key("retry-after")),
        };
        self.shared.seen.lock().push(seen);
        let answer = answer.ok()?;
        Some((
            answer.status().as_u16(),
            answer.json().await.unwrap_or_default(),
        ))
    }
}
