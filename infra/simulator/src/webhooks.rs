//! Sending events to endpoints: signed, concurrent, retried, with the requested faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::{Method, Request};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::clock;
use crate::effects::Delivery;
use crate::faults::Faults;
use crate::faults::rule::{Fault, Rule, Stage};
use crate::http::Client;

/// The most copies of one webhook that a fault can add.
const MAX_COPIES: u64 = 100;

/// The sender of all webhooks.
#[derive(Debug)]
pub(crate) struct Webhooks {
    client: Client,
    faults: Arc<Faults>,
    retries: Vec<Duration>,
    timeout: Duration,
    slots: Semaphore,
    /// Deliveries that wait to be sent in another order.
    held: Mutex<Vec<Delivery>>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    pending: AtomicU64,
    delivered: AtomicU64,
    failed_tries: AtomicU64,
    abandoned: AtomicU64,
}

/// The answer of `GET /_sim/webhooks`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Deliveries that are not finished: waiting, being sent, or to be retried.
    pending: u64,
    /// Deliveries that an endpoint acknowledged, copies included.
    delivered: u64,
    /// Attempts that an endpoint did not acknowledge.
    failed_tries: u64,
    /// Deliveries without acknowledgement after the last attempt.
    abandoned: u64,
}

impl Webhooks {
    /// Sends over `client`, `concurrency` at once, with a retry after each wait of `retries`.
    pub(crate) fn new(
        client: Client,
        faults: Arc<Faults>,
        retries: Vec<Duration>,
        timeout: Duration,
        concurrency: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            client,
            faults,
            retries,
            timeout,
            slots: Semaphore::new(concurrency.max(1)),
            held: Mutex::default(),
            counts: Counts::default(),
        })
    }

    /// The counts of deliveries.
    pub(crate) fn report(&self) -> Report {
        Report {
            pending: self.counts.pending.load(Ordering::Relaxed),
            delivered: self.counts.delivered.load(Ordering::Relaxed),
            failed_tries: self.counts.failed_tries.load(Ordering::Relaxed),
            abandoned: self.counts.abandoned.load(Ordering::Relaxed),
        }
    }

    /// Starts to send deliveries in the background, in their order as far as concurrency allows.
    pub(crate) fn send(self: &Arc<Self>, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            let drawn = self.faults.draw(Stage::Webhook, &delivery.event.kind, &[]);
            if drawn.is_empty() {
                self.launch(delivery, Duration::ZERO);
            } else {
                self.launch_with_faults(delivery, &drawn);
            }
        }
    }

    fn launch_with_faults(self: &Arc<Self>, delivery: Delivery, drawn: &[Rule]) {
        let find = |fault| drawn.iter().find(|rule| rule.fault == fault);
        if find(Fault::WebhookLost).is_some() {
            return;
        }
        let late = find(Fault::WebhookLate).map_or(Duration::ZERO, Rule::time);
        let copies = find(Fault::WebhookDuplicated).map_or(0, |rule| rule.copies.unwrap_or(1));
        for _ in 0..copies.min(MAX_COPIES) {
            let mut copy = delivery.clone();
            copy.is_copy = true;
            self.launch(copy, late);
        }
        match find(Fault::WebhookShuffled) {
            Some(rule) => self.hold(delivery, rule.time()),
            None => self.launch(delivery, late),
        }
    }

    /// Holds a delivery; the first one of a window sends all of it, permuted, when the window ends.
    fn hold(self: &Arc<Self>, delivery: Delivery, window: Duration) {
        let mut held = self.held.lock();
        held.push(delivery);
        if held.len() > 1 {
            return;
        }
        drop(held);
        let webhooks = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(window).await;
            let mut held = std::mem::take(&mut *webhooks.held.lock());
            let moved = webhooks.faults.shuffle(&mut held);
            webhooks.faults.count(Fault::WebhookShuffled, moved);
            for delivery in held {
                webhooks.launch(delivery, Duration::ZERO);
            }
        });
    }

    fn launch(self: &Arc<Self>, delivery: Delivery, after: Duration) {
        self.counts.pending.fetch_add(1, Ordering::Relaxed);
        let webhooks = Arc::clone(self);
        tokio::spawn(async move {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            webhooks.deliver(&delivery).await;
            webhooks.counts.pending.fetch_sub(1, Ordering::Relaxed);
        });
    }

    async fn deliver(&self, delivery: &Delivery) {
        for retry in self.retries.iter().map(Some).chain([None]) {
            if self.attempt(delivery).await {
                self.counts.delivered.fetch_add(1, Ordering::Relaxed);
                if !delivery.is_copy {
                    delivery.event.acknowledge();
                }
                return;
            }
            self.counts.failed_tries.fetch_add(1, Ordering::Relaxed);
            if let Some(wait) = retry {
                tokio::time::sleep(*wait).await;
            }
        }
        self.counts.abandoned.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(event = %delivery.event.id, url = %delivery.endpoint.url, "failed to deliver a webhook; no retry is left");
    }

    /// Sends once; true if the endpoint answered 2xx.
    async fn attempt(&self, delivery: &Delivery) -> bool {
        let Ok(_slot) = self.slots.acquire().await else {
            return false;
        };
        let (event, endpoint) = (&delivery.event, &delivery.endpoint);
        let request = Request::builder()
            .method(Method::POST)
            .uri(endpoint.url.as_str())
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .header(USER_AGENT, "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
            .header(
                "stripe-signature",
                // By the machine's clock, by which the receiver checks it.
                endpoint.signature(clock::now(), &event.body),
            )
            .body(Full::new(Bytes::clone(&event.body)));
        let Ok(request) = request else {
            return false;
        };
        let exchange = async {
            let response = self.client.request(request).await.ok()?;
            let acknowledged = response.status().is_success();
            // The connection can be reused only after the body is read to its end.
            response.into_body().collect().await.ok()?;
            Some(acknowledged)
        };
        let answer = tokio::time::timeout(self.timeout, exchange).await;
        let acknowledged = matches!(answer, Ok(Some(true)));
        tracing::debug!(event = %event.id, kind = %event.kind, acknowledged, "sent a webhook");
        acknowledged
    }
}
