//! The demonstration's payments.

use std::process::Command;

use serde_json::Value;

use crate::dev::start_with;
use crate::program::{Workshop, wait_for};

/// How many there are of everything that the console shows, as `what status number`.
const COUNTS: &str = "
    select 'payment ' || status || ' ' || count(*) from payment group by status
    union all select 'refund ' || status || ' ' || count(*) from refund group by status
    union all select 'dispute ' || status || ' ' || count(*) from dispute group by status
    union all select 'job dead ' || count(*) from job where state = 'dead'
    union all select 'job unknown ' || count(*) from job where state = 'queued' and unknown
    union all select 'webhook ' || status || ' ' || count(*) from inbox_status where status in ('foreign', 'not_understood') group by status
    union all select 'delivery failed ' || count(*) from delivery where status = 'failed'
    order by 1";

fn sql(facts: &Value, statement: &str) -> Vec<String> {
    let url = facts["database_url"].as_str().unwrap();
    let output = Command::new("psql")
        .args(["-qAt", url, "-c", statement])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_first_start_shows_payments_of_every_kind_and_no_later_one_adds_any() {
    let workshop = Workshop::new();
    let dev = start_with(&workshop, &[]);
    let made = "select 1 from job where call_key like 'pawl-demo-%' limit 1";
    wait_for("the demonstration", || !sql(&dev.facts, made).is_empty());
    let settled = [
        "dispute lost 1",
        "dispute needs_response 1",
        "dispute warning_needs_response 1",
        "dispute won 1",
        "refund failed 1",
        "refund succeeded 3",
        "webhook foreign 1",
        "webhook not_understood 1",
    ];
    wait_for("what follows", || {
        let counts = sql(&dev.facts, COUNTS);
        settled
            .iter()
            .all(|it| counts.iter().any(|count| count == it))
    });
    let counts = sql(&dev.facts, COUNTS);
    let others: Vec<&str> = counts
        .iter()
        .map(String::as_str)
        .filter(|count| !settled.contains(count))
        .collect();
    let expected = [
        "delivery failed 5",
        "job dead 5",
        "job unknown 2",
        "payment canceled 1",
        "payment processing 1",
        "payment requires_action 2",
        "payment requires_capture 2",
        "payment requires_payment_method 6",
        "payment succeeded 24",
    ];
    assert_eq!(others, expected);

    let again = workshop.pawl(&["seed", "--scenario", "demo"]).output();
    let again = again.unwrap();
    assert!(
        again.status.success(),
        "{}",
        String::from_utf8_lossy(&again.stderr)
    );
    assert_eq!(sql(&dev.facts, COUNTS), counts);
    dev.stop();
}
