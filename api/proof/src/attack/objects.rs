//! Objects of other accounts: they are answered like objects that do not exist.

use anyhow::{Result, bail};
use futures::FutureExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::answer::Answer;
use super::case::{Case, case};
use super::seen::Seen;
use super::visitor::{User, Visitor, random_text};

const UNKNOWN: &str = "pay_01h2xcejqtf2nbrexx3vqjhp41";
const EXPECTED: &str = "404, as for an unknown one";

/// Requests of a user of another account for a payment; `{}` is its id.
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
            case(name, EXPECTED, move |visitor| {
                foreign(visitor, method, path).boxed()
            })
        })
        .collect();
    cases.extend([
        case("list payments", "none of another account", |visitor| {
            list(visitor).boxed()
        }),
        case("read by Stripe's id of the intent", EXPECTED, |visitor| {
            intent(visitor).boxed()
        }),
        case(
            "ids of the wrong kind, of SQL, of paths",
            "404",
            |visitor| strange(visitor).boxed(),
        ),
    ]);
    cases
}

/// A payment of a new user.
pub(super) async fn payment(visitor: &Visitor<'_>, user: &User) -> Result<Value> {
    let body = json!({"amount": 1099, "currency": "eur"});
    let answer = visitor.post(&user.token, "/api/v1/payments", &body).await?;
    if answer.status != 201 {
        bail!("a payment could not be made: {}", answer.status_and_code());
    }
    Ok(answer.json())
}

async fn attempt(visitor: &Visitor<'_>, user: &User, method: &str, path: &str) -> Result<Answer> {
    if method == "GET" {
        return visitor.get(&user.token, path).await;
    }
    let body = if path.ends_with("/confirm") {
        json!({"payment_method": "pm_card_visa"})
    } else {
        json!({})
    };
    visitor.post(&user.token, path, &body).await
}

async fn foreign(visitor: &Visitor<'_>, method: &str, path: &str) -> Result<Seen> {
    let (owner, stranger) = (visitor.user().await?, visitor.user().await?);
    let payment = payment(visitor, &owner).await?;
    let id = payment["id"].as_str().unwrap_or_default();
    let own = visitor
        .get(&owner.token, &format!("/api/v1/payments/{id}"))
        .await?;
    let answer = attempt(visitor, &stranger, method, &path.replace("{}", id)).await?;
    let unknown = attempt(visitor, &stranger, method, &path.replace("{}", UNKNOWN)).await?;
    let after = visitor
        .get(&owner.token, &format!("/api/v1/payments/{id}"))
        .await?;
    let untouched = own.json()["version"].as_i64() <= after.json()["version"].as_i64()
        && after.json()["status"] != "canceled";
    Seen::all(
        [
            answer.refused(&["404 not_found"])?,
            Seen::new(
                answer.same(&unknown),
                format!("{}, unknown {}", answer.text, unknown.text),
            )?,
            Seen::new(untouched && own.status == 200, "the payment moved")?,
        ],
        "404 not_found, the same body",
    )
}

async fn list(visitor: &Visitor<'_>) -> Result<Seen> {
    let (owner, stranger) = (visitor.user().await?, visitor.user().await?);
    payment(visitor, &owner).await?;
    let own = visitor.get(&owner.token, "/api/v1/payments").await?.json();
    let answer = visitor
        .get(&stranger.token, "/api/v1/payments")
        .await?
        .json();
    let count = |list: &Value| list["data"].as_array().map_or(usize::MAX, Vec::len);
    Seen::new(
        count(&own) == 1 && count(&answer) == 0,
        format!("{} of its own, {} of others", count(&own), count(&answer)),
    )
}

async fn intent(visitor: &Visitor<'_>) -> Result<Seen> {
    let (owner, stranger) = (visitor.user().await?, visitor.user().await?);
    let request = visitor
        .gateway(Method::POST, "/api/v1/payments")
        .bearer_auth(&owner.token);
    let request = request
        .header("Idempotency-Key", random_text())
        .header("Prefer", "wait=20");
    let body = json!({"amount": 1099, "currency": "eur"});
    let mut payment = visitor.ask(request.json(&body)).await?.json();
    for _ in 0..5 {
        if payment["intent_id"].is_string() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let id = payment["id"].as_str().unwrap_or_default();
        payment = visitor
            .get(&owner.token, &format!("/api/v1/payments/{id}"))
            .await?
            .json();
    }
    let Some(intent) = payment["intent_id"].as_str() else {
        bail!("Stripe gave no intent within 25 s");
    };
    let path = format!("/api/v1/payment_intents/{intent}");
    let own = visitor.get(&owner.token, &path).await?;
    let answer = visitor.get(&stranger.token, &path).await?;
    let unknown = visitor
        .get(&stranger.token, "/api/v1/payment_intents/pi_nobody")
        .await?;
    Seen::new(
        own.status == 200 && answer.status == 404 && answer.same(&unknown),
        format!(
            "own {}, another's {}, unknown {}",
            own.status_and_code(),
            answer.status_and_code(),
            unknown.status_and_code()
        ),
    )
}

async fn strange(visitor: &Visitor<'_>) -> Result<Seen> {
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
        let user = visitor.user().await?;
        let answer = visitor
            .get(&user.token, &format!("/api/v1/payments/{id}"))
            .await?;
        seen.push(answer.refused(&["404 not_found", "404 route_not_found"])?);
    }
    Seen::all(seen, "404 not_found")
}
