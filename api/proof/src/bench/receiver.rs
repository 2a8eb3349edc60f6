//! `pawl bench --endpoint`: a webhook endpoint of the load's account. Its receiver, a task of this process, answers 204.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use auth_service::demo;
use axum::Router;
use axum::http::StatusCode;
use infra::env::ExposeSecret as _;
use serde_json::json;
use sqlx::postgres::PgPool;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::fleet::{Fleet, credentials};

/// One event of each payment: deliveries of all events would lag behind a saturated load by minutes.
const EVENT: &str = "payment.succeeded";
/// How long the deliveries of one load may take to end after its last payment.
const DRAIN_LIMIT: Duration = Duration::from_mins(10);

/// The receiver of the endpoint; it ends when this value is dropped.
#[derive(Debug)]
pub(super) struct Receiver {
    received: Arc<AtomicU64>,
    server: JoinHandle<()>,
}

impl Receiver {
    /// Starts a receiver and registers it as an endpoint of the load's account.
    pub(super) async fn start(fleet: &Fleet) -> Result<Receiver> {
        let received = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&received);
        let router = Router::new().fallback(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            async { StatusCode::NO_CONTENT }
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/webhooks", listener.local_addr()?);
        let server = tokio::spawn(async move {
            // An error shows as deliveries that fail: the benchmark then does not end well.
            let _ = axum::serve(listener, router).await;
        });
        let started = Receiver { received, server };
        register(fleet, &url).await?;
        Ok(started)
    }

    /// How many deliveries were received so far.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Waits until no delivery is pending, so that the next part of a round does not share the machine with them.
pub(super) async fn wait_until_delivered(pool: &PgPool) -> Result<()> {
    let deadline = Instant::now() + DRAIN_LIMIT;
    loop {
        let pending: i64 =
            sqlx::query_scalar("select count(*) from delivery where status = 'pending'")
                .fetch_one(pool)
                .await?;
        if pending == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{pending} deliveries are pending {DRAIN_LIMIT:?} after the last payment");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn register(fleet: &Fleet, url: &str) -> Result<()> {
    let account: Uuid = sqlx::query_scalar(
        "select m.account_id from membership m join app_user u on u.id = m.user_id where u.email = $1",
    )
    .bind(credentials()["email"].as_str())
    .fetch_one(&fleet.pool)
    .await
    .context("the account of the load's user")?;
    let key = demo::api_key(&fleet.pool, Some(account), "bench")
        .await?
        .context("the load's account has an API key already")?;
    let response = fleet
        .http
        .post(format!("http://{}/api/v1/webhook_endpoints", fleet.gateway))
        .header("X-API-Key", key.expose_secret())
        .json(&json!({"url": url, "enabled_events": [EVENT]}))
        .send()
        .await?;
    let status = response.status();
    if !status.is_success() {
        let body = response.text().await.unwrap_or_default();
        bail!("POST /api/v1/webhook_endpoints answered {status}: {body}");
    }
    Ok(())
}
