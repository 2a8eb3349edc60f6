//! Every service over two Postgres servers, of which one dies and the other one is promoted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use servers::Replicas;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::fleet::Fleet;

/// How many clients there are.
const CLIENTS: u64 = 6;
/// The time in which payments are accepted again after the promotion.
const AGAIN_WITHIN: Duration = Duration::from_secs(15);
/// The time in which all of them succeed.
const ENDED_WITHIN: Duration = Duration::from_mins(1);

/// Clients that order without a pause, each order with a key of its own. A request that fails is sent again, as docs/integrating.md
/// tells every client.
struct Orders {
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicU64>,
    clients: JoinSet<BTreeMap<String, String>>,
}

impl Orders {
    fn start(fleet: &Fleet) -> Self {
        let mut orders = Self {
            stop: Arc::default(),
            accepted: Arc::default(),
            clients: JoinSet::new(),
        };
        for client in 0..CLIENTS {
            let (stop, accepted) = (Arc::clone(&orders.stop), Arc::clone(&orders.accepted));
            let (url, key) = (fleet.url("gateway"), fleet.api_key.clone());
            orders.clients.spawn(async move {
                let mut payments = BTreeMap::new();
                while !stop.load(Ordering::SeqCst) {
                    let order = format!("failover-{client}-{}", payments.len());
                    let id = order_until_accepted(&url, &key, &order).await;
                    payments.insert(order, id);
                    accepted.fetch_add(1, Ordering::SeqCst);
                }
                payments
            });
        }
        orders
    }

    /// Waits until so many more orders are accepted.
    async fn more(&self, count: u64, limit: Duration) {
        let enough = self.accepted.load(Ordering::SeqCst) + count;
        let deadline = Instant::now() + limit;
        while self.accepted.load(Ordering::SeqCst) < enough {
            assert!(Instant::now() < deadline, "no order was accepted in time");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// The payments of all orders, by the keys of the orders.
    async fn end(self) -> BTreeMap<String, String> {
        self.stop.store(true, Ordering::SeqCst);
        self.clients
            .join_all()
            .await
            .into_iter()
            .flatten()
            .collect()
    }
}

async fn order_until_accepted(url: &str, key: &str, order: &str) -> String {
    let http = Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(20));
    let http = http.build().unwrap();
    let body = json!({"amount": 700, "currency": "eur", "payment_method": "pm_card_visa", "confirm": true});
    loop {
        let request = http.post(format!("{url}/api/v1/payments")).json(&body);
        let request = request
            .header("X-API-Key", key)
            .header("Idempotency-Key", order);
        if let Ok(answer) = request.send().await {
            let status = answer.status();
            assert!(
                status.is_success() || status == 503,
                "{}",
                answer.text().await.unwrap()
            );
            if status == 201 {
                let payment: Value = answer.json().await.unwrap();
                return payment["id"].as_str().unwrap().to_owned();
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn get(url: String, key: &str) -> Value {
    let http = Client::builder().no_proxy().build().unwrap();
    let answer = http.get(url).header("X-API-Key", key).send().await.unwrap();
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_promoted_standby_has_all_that_was_accepted_and_takes_over() {
    let directory = tempfile::tempdir().unwrap();
    let mut replicas = Replicas::start(directory.path()).await.unwrap();
    let fleet = Fleet::start(&[("DATABASE_URL", &replicas.url()), ("RUST_LOG", "warn")]).await;
    let orders = Orders::start(&fleet);
    orders.more(50, AGAIN_WITHIN).await;
    replicas.kill_primary().unwrap();
    sleep(Duration::from_secs(2)).await;
    replicas.promote().await.unwrap();
    orders.more(50, AGAIN_WITHIN).await;
    let payments = orders.end().await;

    let deadline = Instant::now() + ENDED_WITHIN;
    for id in payments.values() {
        let url = format!("{}/api/v1/payments/{id}", fleet.url("gateway"));
        loop {
            let payment = get(url.clone(), &fleet.api_key).await;
            if payment["status"] == "succeeded" {
                break;
            }
            assert!(Instant::now() < deadline, "{payment}");
            sleep(Duration::from_millis(100)).await;
        }
    }
    let simulator = fleet.url("stripe-simulator");
    let ledger = get(format!("{simulator}/_sim/ledger?limit=1000"), "").await;
    let charged = ledger["payments"].as_array().unwrap();
    assert_eq!(charged.len(), payments.len());
    for account in charged {
        assert_eq!(
            (&account["charges"], &account["captured"]),
            (&json!(1), &json!(700))
        );
    }
}
