//! `pawl seed --scenario demo`: payments of every kind, by real calls to the gateway and the simulator, and what no call can make
//! in a moment: jobs that failed hours ago, and deliveries that were given up.

mod orders;

use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::orders::ORDERS;
use crate::running::Running;

/// How many orders are under way at once.
const AT_ONCE: usize = 4;

/// An endpoint that nothing listens at, so that its deliveries fail.
const NOBODY: &str = "http://127.0.0.1:9/webhooks";

/// What Stripe sends beside the events of our payments: about objects of another program, of a type that nobody knows, and of
/// a form that is not understood.
const FOREIGN: [(&str, &str); 3] = [
    (
        "payment_intent.succeeded",
        r#"{"id": "pi_of_another_program", "object": "payment_intent", "status": "succeeded", "amount": 900, "currency": "eur", "metadata": {}}"#,
    ),
    (
        "payout.paid",
        r#"{"id": "po_demo", "object": "payout", "amount": 120000, "currency": "eur"}"#,
    ),
    ("charge.refunded", r#"{"id": 7, "object": "charge"}"#),
];

/// Makes the demonstration's payments, unless they were made before; `progress` gets how many of how many orders are done.
///
/// # Errors
/// A call failed; the same command goes on where this one ended.
pub(crate) async fn make(running: &Running, progress: impl Fn(usize, usize)) -> Result<()> {
    let endpoint = json!({"url": NOBODY, "description": "A shop that is closed"});
    let listed = running.get("webhook_endpoints").await?;
    if listed["data"].as_array().is_none_or(Vec::is_empty) {
        running
            .post("webhook_endpoints", "demo-endpoint", &endpoint)
            .await?;
    }
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    for (number, order) in (1..).zip(&ORDERS) {
        let (running, slots) = (running.clone(), Arc::clone(&slots));
        let reference = format!("demo-{number:02}");
        under_way.spawn(async move {
            let _slot = slots.acquire().await?;
            order.place(&running, &reference).await
        });
    }
    let mut done = 0;
    while let Some(placed) = under_way.join_next().await {
        placed??;
        done += 1;
        progress(done, ORDERS.len());
    }
    add_the_rest(running).await
}

/// Adds the events about other objects, and what no call makes in a moment, unless these rows were added before.
async fn add_the_rest(running: &Running) -> Result<()> {
    let pool = infra::postgres::pool(&running.database_url, 1)?;
    let known = "select exists (select from job where call_key like 'pawl-demo-%')";
    if !sqlx::query_scalar(known).fetch_one(&pool).await? {
        for (kind, object) in FOREIGN {
            let object: Value = serde_json::from_str(object)?;
            let event = json!({"snapshot": {"type": kind, "object": object}});
            running.simulate("events", &event).await?;
        }
        sqlx::raw_sql(include_str!("demo.sql"))
            .execute(&pool)
            .await?;
    }
    pool.close().await;
    Ok(())
}
