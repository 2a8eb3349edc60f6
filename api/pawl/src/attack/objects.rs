//! Objects of others: what belongs to another account is as unknown as what never was.

use anyhow::{Result, bail};
use futures::FutureExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::answer::Answer;
use super::case::{Case, Seen, case};
use super::visit::{User, Visit, word};

const UNKNOWN: &str = "pay_01h2xcejqtf2nbrexx3vqjhp41";
const EXPECTED: &str = "404, as for an unknown one";

/// What a stranger tries with a payment; `{}` is its id.
const TRIES: [(&str, &str, &str); 9] = [
    (
        "read, after its owner did (warm cache)",
        "GET",
        "/api/v1/payments/{}",
    ),
    ("confirm", "POST", "/api/v1/payments/{}/confirm"),
    ("capture", "POST", "/api/v1/payments/{}/capture"),
    ("cancel", "POST", "/api/v1/payments/{}/cancel"),
    ("refund", "POST", "/api/v1/payments/{}/refunds"),
    ("list its refunds", "GET", "/api/v1/payments/{}/refunds"),
    ("list its events", "GET", "/api/v1/payments/{}/events"),
    ("as a cursor", "GET", "/api/v1/payments?starting_after={}"),
    (
        "as a cursor backwards",
        "GET",
        "/api/v1/payments?ending_before={}",
    ),
];

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = TRIES
        .into_iter()
        .map(|(name, method, path)| {
            case(name, EXPECTED, move |visit| {
                foreign(visit, method, path).boxed()
            })
        })
        .collect();
    cases.extend([
        case("list payments", "none of another account", |visit| {
            list(visit).boxed()
        }),
        case("read by Stripe's id of the intent", EXPECTED, |visit| {
            intent(visit).boxed()
        }),
        case("ids of the wrong kind, of SQL, of paths", "404", |visit| {
            strange(visit).boxed()
        }),
    ]);
    cases
}

/// A payment of somebody new.
pub(super) async fn payment(visit: &Visit<'_>, user: &User) -> Result<Value> {
    let body = json!({"amount": 1099, "currency": "eur"});
    let answer = visit.post(&user.token, "/api/v1/payments", &body).await?;
    if answer.status != 201 {
        bail!("a payment could not be made: {}", answer.told());
    }
    Ok(answer.json())
}

async fn attempt(visit: &Visit<'_>, user: &User, method: &str, path: &str) -> Result<Answer> {
    if method == "GET" {
        return visit.get(&user.token, path).await;
    }
    let body = if path.ends_with("/confirm") {
        json!({"payment_method": "pm_card_visa"})
    } else {
        json!({})
    };
    visit.post(&user.token, path, &body).await
}

async fn foreign(visit: &Visit<'_>, method: &str, path: &str) -> Result<Seen> {
    let (owner, stranger) = (visit.user().await?, visit.user().await?);
    let payment = payment(visit, &owner).await?;
    let id = payment["id"].as_str().unwrap_or_default();
    let own = visit
        .get(&owner.token, &format!("/api/v1/payments/{id}"))
        .await?;
    let answer = attempt(visit, &stranger, method, &path.replace("{}", id)).await?;
    let unknown = attempt(visit, &stranger, method, &path.replace("{}", UNKNOWN)).await?;
    let after = visit
        .get(&owner.token, &format!("/api/v1/payments/{id}"))
        .await?;
    let untouched = own.json()["version"].as_i64() <= after.json()["version"].as_i64()
        && after.json()["status"] != "canceled";
    Seen::all(
        [
            answer.refused(&["404 not_found"])?,
            Seen::of(
                answer.same(&unknown),
                format!("{}, unknown {}", answer.text, unknown.text),
            )?,
            Seen::of(untouched && own.status == 200, "the payment moved")?,
        ],
        "404 not_found, the same body",
    )
}

async fn list(visit: &Visit<'_>) -> Result<Seen> {
    let (owner, stranger) = (visit.user().await?, visit.user().await?);
    payment(visit, &owner).await?;
    let own = visit.get(&owner.token, "/api/v1/payments").await?.json();
    let answer = visit.get(&stranger.token, "/api/v1/payments").await?.json();
    let count = |list: &Value| list["data"].as_array().map_or(usize::MAX, Vec::len);
    Seen::of(
        count(&own) == 1 && count(&answer) == 0,
        format!("{} of its own, {} of others", count(&own), count(&answer)),
    )
}

async fn intent(visit: &Visit<'_>) -> Result<Seen> {
    let (owner, stranger) = (visit.user().await?, visit.user().await?);
    let request = visit
        .gateway(Method::POST, "/api/v1/payments")
        .bearer_auth(&owner.token);
    let request = request
        .header("Idempotency-Key", word())
        .header("Prefer", "wait=20");
    let body = json!({"amount": 1099, "currency": "eur"});
    let mut payment = visit.ask(request.json(&body)).await?.json();
    for _ in 0..5 {
        if payment["intent_id"].is_string() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let id = payment["id"].as_str().unwrap_or_default();
        payment = visit
            .get(&owner.token, &format!("/api/v1/payments/{id}"))
            .await?
            .json();
    }
    let Some(intent) = payment["intent_id"].as_str() else {
        bail!("Stripe gave no intent within 25 s");
    };
    let path = format!("/api/v1/payment_intents/{intent}");
    let own = visit.get(&owner.token, &path).await?;
    let answer = visit.get(&stranger.token, &path).await?;
    let unknown = visit
        .get(&stranger.token, "/api/v1/payment_intents/pi_nobody")
        .await?;
    Seen::of(
        own.status == 200 && answer.status == 404 && answer.same(&unknown),
        format!(
            "own {}, another's {}, unknown {}",
            own.told(),
            answer.told(),
            unknown.told()
        ),
    )
}

async fn strange(visit: &Visit<'_>) -> Result<Seen> {
    let mut seen = Vec::new();
    let upper = UNKNOWN.to_uppercase();
    for id in [
        "1",
        "re_01h2xcejqtf2nbrexx3vqjhp41",
        "'%20or%201=1--",
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "%ff",
        &upper,
        &"a".repeat(5000),
    ] {
        let user = visit.user().await?;
        let answer = visit
            .get(&user.token, &format!("/api/v1/payments/{id}"))
            .await?;
        seen.push(answer.refused(&["404 not_found", "404 route_not_found"])?);
    }
    Seen::all(seen, "404 not_found")
}
