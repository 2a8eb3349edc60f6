//! The trials in which another merchant misbehaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use authz::api_key;
use axum::Router;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::Check;
use super::figures::{count, ratio};
use super::load::{Credential, Group, Load};
use super::stage::{Happened, Stage};

/// Clients of the merchant who floods, and what its key may send per minute.
const FLOODING: usize = 10;
const PER_MINUTE: i32 = 120;
/// Clients of the merchant whose receiver does not answer.
const PAYING: usize = 2;

/// A merchant sends more than its key may.
pub(super) async fn flood(stage: &Stage, load: &mut Load) -> Result<Happened> {
    let pool = &stage.fleet.pool;
    let key = api_key::create(pool, stage.other_account, "flood", Some(PER_MINUTE))
        .await?
        .0;
    let key = Credential::key(&key);
    load.flood(FLOODING, &key)?;
    let window = stage.window().await?;
    let mut happened = stage.last(window, Vec::new()).await?;
    let seen = load.seen();
    let limited = seen
        .iter()
        .filter(|seen| seen.group == Group::Touched && seen.status == Some(429));
    let limited = limited.count();
    let says = format!("the flood is limited: {limited} of its requests were answered 429");
    happened.checks.push(Check::new(limited > 0, says));
    Ok(happened)
}

/// A merchant's endpoint never answers, while another one's does.
pub(super) async fn dead_receiver(stage: &Stage, load: &mut Load) -> Result<Happened> {
    let good = Receiver::start(true).await?;
    let dead = Receiver::start(false).await?;
    let endpoint = register(stage, &stage.user, &good).await?;
    // Its deliveries before the fault, under the load that runs already.
    sleep(stage.times.fault / 4).await;
    let before = good.rate(stage.times.fault / 2).await;
    let other = register(stage, &stage.other, &dead).await?;
    load.pay(PAYING, Group::Touched, &stage.other)?;
    let window = stage.window().await?;
    let received = good.received();
    let mut happened = stage.last(window, Vec::new()).await?;
    let seconds = (happened.part.until - happened.part.from).as_secs_f64();
    let during = count(good.received() - received) / seconds;
    let share = ratio(during, before);
    let says = format!("the other merchants' deliveries go on: {share:.2} of before");
    let least = stage.times.least_share;
    happened.checks.push(Check::new(share >= least, says));
    let tried = dead.received();
    let says = format!("the dead receiver was called: {tried} times");
    happened.checks.push(Check::new(tried > 0, says));
    remove(stage, &stage.user, &endpoint).await?;
    remove(stage, &stage.other, &other).await?;
    Ok(happened)
}

/// A merchant's server; it ends when this value is dropped.
struct Receiver {
    url: String,
    received: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Receiver {
    /// A server that answers at once, or one that never does.
    async fn start(answers: bool) -> Result<Receiver> {
        let received = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&received);
        let router = Router::new().fallback(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            async move {
                if !answers {
                    std::future::pending::<()>().await;
                }
                StatusCode::NO_CONTENT
            }
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/webhooks", listener.local_addr()?);
        let server = tokio::spawn(async move {
            // An error shows as deliveries that fail.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Receiver {
            url,
            received,
            server,
        })
    }

    fn received(&self) -> usize {
        self.received.load(Ordering::Relaxed)
    }

    /// How many deliveries it gets per second, measured for so long.
    async fn rate(&self, time: Duration) -> f64 {
        let (before, began) = (self.received(), Instant::now());
        sleep(time).await;
        count(self.received() - before) / began.elapsed().as_secs_f64()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Registers a receiver as an endpoint of a merchant; its id.
async fn register(stage: &Stage, merchant: &Credential, receiver: &Receiver) -> Result<String> {
    let Credential(header, value) = merchant;
    let answer = stage
        .fleet
        .http
        .post(endpoints(stage))
        .header(*header, value)
        .json(&json!({"url": receiver.url, "enabled_events": ["payment.succeeded"]}))
        .send()
        .await?;
    let (status, body) = (answer.status(), answer.json::<Value>().await?);
    match body["id"].as_str() {
        Some(id) if status.is_success() => Ok(id.to_owned()),
        _ => bail!("POST /api/v1/webhook_endpoints answered {status}: {body}"),
    }
}

async fn remove(stage: &Stage, merchant: &Credential, id: &str) -> Result<()> {
    let Credential(header, value) = merchant;
    let request = stage
        .fleet
        .http
        .delete(format!("{}/{id}", endpoints(stage)));
    let answer = request.header(*header, value).send().await?;
    answer.error_for_status()?;
    Ok(())
}

fn endpoints(stage: &Stage) -> String {
    format!("http://{}/api/v1/webhook_endpoints", stage.fleet.gateway)
}
