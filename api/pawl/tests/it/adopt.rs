//! `pawl adopt` beside everything that `pawl dev` starts.

use std::process::Command;

use serde_json::Value;

use crate::dev::{Dev, start};
use crate::program::Workshop;

/// Takes the only payment out of the database, as a restore to a moment before it would.
const FORGET: &str = "
    set session_replication_role = replica;
    delete from payment; delete from attempt; delete from history; delete from job; delete from outbox; delete from timer;
    delete from idempotency; delete from inbox; delete from inbox_open; delete from inbox_result";

fn text<'a>(facts: &'a Value, name: &str) -> &'a str {
    facts[name].as_str().unwrap()
}

/// A payment for an order, always with the same key.
fn pay(facts: &Value) -> Value {
    let (gateway, key) = (text(facts, "gateway"), text(facts, "api_key"));
    let body = r#"{"amount":1200,"currency":"eur","payment_method":"pm_card_visa","confirm":true}"#;
    let answer = Command::new("curl")
        .args([
            "-s",
            "-H",
            "Idempotency-Key: order-9",
            "-H",
            "Prefer: wait=10",
        ])
        .args(["-H", "Content-Type: application/json", "-d", body])
        .args(["-H", &format!("X-API-Key: {key}")])
        .arg(format!("{gateway}/api/v1/payments"))
        .output()
        .unwrap();
    serde_json::from_slice(&answer.stdout).unwrap()
}

/// `pawl adopt` with these options; its exit code and its output.
fn adopt(workshop: &Workshop, facts: &Value, options: &[&str]) -> (Option<i32>, String) {
    let output = workshop
        .pawl(&[&["adopt"], options].concat())
        .env("DATABASE_URL", text(facts, "database_url"))
        .env("STRIPE_API_BASE", text(facts, "simulator"))
        .env("STRIPE_API_KEY", "sk_test_adopt")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

fn sql(facts: &Value, statement: &str) -> String {
    let url = text(facts, "database_url");
    let output = Command::new("psql")
        .args(["-qAt", url, "-c", statement])
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_forgotten_payment_is_adopted_and_the_same_request_gets_it_again() {
    let workshop = Workshop::new();
    let dev: Dev = start(&workshop);
    let facts = &dev.facts;
    let paid = pay(facts);
    assert_eq!(paid["status"], "succeeded", "{paid}");
    sql(facts, FORGET);

    let (code, told) = adopt(&workshop, facts, &[]);
    assert_eq!(code, Some(1));
    assert!(told.contains("--since"), "{told}");
    let (code, told) = adopt(&workshop, facts, &["--since", "yesterday"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("2026-11-26T08:00:00Z"), "{told}");
    let since = ["--since", "2026-01-01T00:00:00Z"];
    let (code, told) = adopt(&workshop, facts, &[&since[..], &["--dry-run"]].concat());
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("payments would be adopted: 1,"), "{told}");
    assert_eq!(sql(facts, "select count(*) from payment").trim(), "0");

    let (code, told) = adopt(&workshop, facts, &since);
    assert_eq!(code, Some(0), "{told}");
    let id = paid["id"].as_str().unwrap();
    assert!(told.contains(&format!("{id}  adopted")), "{told}");
    assert!(told.contains("start the gateways"), "{told}");
    let again = pay(facts);
    assert_eq!(
        (&again["id"], &again["status"]),
        (&paid["id"], &paid["status"])
    );
    assert_eq!(again["intent_id"], paid["intent_id"]);
    let acts =
        "select string_agg(outcome, ',' order by id) from audit where action = 'payments_adopted'";
    assert_eq!(sql(facts, acts).trim(), "requested,done");
    dev.stop();
}
