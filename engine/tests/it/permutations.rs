//! Webhooks come in any order, more than once, or not at all: the end is the same.

use std::fmt::Write;

use contracts::view::PaymentView;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::World;

/// What must not depend on the order: where the payment stands and what was taken. How many moves led there may differ.
#[derive(Debug, PartialEq)]
struct End {
    status: String,
    captured: i64,
    refunded: i64,
    attempt: Option<String>,
    charge: Option<String>,
    open_jobs: i64,
    waiting_events: i64,
}

const TABLES: [&str; 12] = [
    "payment",
    "attempt",
    "capture",
    "refund",
    "dispute",
    "history",
    "job",
    "inbox",
    "inbox_open",
    "inbox_result",
    "outbox",
    "timer",
];

/// Keeps the rows as they are, to come back to them before each order.
async fn save(world: &World) {
    for table in TABLES {
        let sql = format!("create table saved_{table} as select * from {table}");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(world.database.pool())
            .await
            .unwrap();
    }
}

async fn restore(world: &World) {
    // History only grows; this is another world with the same past.
    let mut sql = format!(
        "alter table history disable trigger user; alter table attempt disable trigger user; truncate {};",
        TABLES.join(", ")
    );
    for table in TABLES {
        let columns = columns(world, table).await;
        write!(
            sql,
            "insert into {table} ({columns}) overriding system value select {columns} from saved_{table};"
        )
        .unwrap();
    }
    sql.push_str(
        "alter table history enable trigger user; alter table attempt enable trigger user;",
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(world.database.pool())
        .await
        .unwrap();
}

/// The columns that an insert may write: all but those that the database generates.
async fn columns(world: &World, table: &str) -> String {
    sqlx::query_scalar(
        "select string_agg(quote_ident(column_name), ', ') from information_schema.columns
         where table_schema = current_schema() and table_name = $1 and is_generated = 'NEVER'",
    )
    .bind(table)
    .fetch_one(world.database.pool())
    .await
    .unwrap()
}

/// Delivers the events one after another, each applied before the next comes, then lets the timers ring and the late
/// answer of the last call arrive.
async fn end_of(world: &World, payment: Uuid, order: &[&Value]) -> End {
    restore(world).await;
    for event in order {
        world.deliver(event).await;
        world.worker.drain().await.unwrap();
    }
    // Before the late answer, and once more after it: whatever comes last, a look at Stripe follows.
    for _ in 0..2 {
        world.fire_timers("check").await;
    }
    let view: PaymentView = world.view(payment).await;
    End {
        status: view.status.into(),
        captured: view.amount_captured,
        refunded: view.amount_refunded,
        attempt: view.latest_attempt.as_ref().map(|it| it.status.to_string()),
        charge: view.latest_attempt.and_then(|it| it.charge_id),
        open_jobs: world
            .count("select count(*) from job where state <> 'done'")
            .await,
        waiting_events: world
            .count("select count(*) from inbox_open where status <> 'dead'")
            .await,
    }
}

/// Every order of `items`.
fn permutations<'a>(items: &[&'a Value]) -> Vec<Vec<&'a Value>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    (0..items.len())
        .flat_map(|at| {
            let mut rest = items.to_vec();
            let first = rest.remove(at);
            permutations(&rest).into_iter().map(move |mut order| {
                order.insert(0, first);
                order
            })
        })
        .collect()
}

fn names(order: &[&Value]) -> Vec<String> {
    order
        .iter()
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect()
}

/// A payment whose first attempt is declined and whose second succeeds. The answer of the first confirmation was lost;
/// the second was made by the customer's browser. Nothing of this has reached us but the intent's id.
async fn two_attempts(world: &World) -> Uuid {
    world
        .fault(json!([{"fault": "drop_after", "route": "payment_intents.confirm"}]))
        .await;
    let payment = world.create("pm_card_chargeDeclined").await;
    // One round: the worker that creates the intent goes on to confirm it.
    world.worker.round().await.unwrap();
    // The lost answer comes when the test says so.
    sqlx::query("update job set due_at = now() + interval '1 hour' where state = 'queued'")
        .execute(world.database.pool())
        .await
        .unwrap();
    world.fault(json!([])).await;
    let view = world.view(payment).await;
    assert_eq!(view.latest_attempt.unwrap().status, "started");
    let intent = view.intent_id.unwrap();
    let confirmed = world
        .post(
            &format!("/v1/payment_intents/{intent}/confirm"),
            &[
                ("payment_method", "pm_card_visa"),
                ("return_url", "https://shop.example/back"),
            ],
        )
        .await;
    assert_eq!(confirmed["status"], "succeeded", "{confirmed}");
    save(world).await;
    payment
}

#[tokio::test]
async fn every_order_of_the_webhooks_of_two_attempts_ends_alike() {
    let world = World::start().await;
    let payment = two_attempts(&world).await;
    let events = world.events().await;
    let events: Vec<&Value> = events.iter().collect();
    let expected = end_of(&world, payment, &events).await;
    assert_eq!(
        (expected.status.as_str(), expected.captured),
        ("succeeded", 1099)
    );
    assert_eq!((expected.open_jobs, expected.waiting_events), (0, 0));
    assert_eq!(expected.attempt.as_deref(), Some("captured"));

    let orders = permutations(&events);
    assert!(orders.len() >= 120, "too few events: {:?}", names(&events));
    for order in &orders {
        assert_eq!(
            end_of(&world, payment, order).await,
            expected,
            "{:?}",
            names(order)
        );
    }
    assert_eq!(world.charges(payment).await, 1);
}

#[tokio::test]
async fn webhooks_that_come_twice_or_never_end_alike() {
    let world = World::start().await;
    let payment = two_attempts(&world).await;
    let events = world.events().await;
    let events: Vec<&Value> = events.iter().collect();
    let expected = end_of(&world, payment, &events).await;
    for lost in 0..events.len() {
        let mut rest = events.clone();
        rest.remove(lost);
        for order in permutations(&rest) {
            // Each comes a second time, in the opposite order.
            let twice: Vec<&Value> = order.iter().chain(order.iter().rev()).copied().collect();
            let lost = events[lost]["type"].as_str().unwrap();
            assert_eq!(
                end_of(&world, payment, &twice).await,
                expected,
                "lost {lost}: {:?}",
                names(&twice)
            );
        }
    }
    assert_eq!(end_of(&world, payment, &[]).await, expected, "all lost");
}
