//! Idempotency: one key, one body, one effect.

use anyhow::Result;
use futures::FutureExt as _;
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::answer::Answer;
use super::case::{Case, case};
use super::objects::payment;
use super::seen::Seen;
use super::visitor::{Visitor, random_text};

const PAYMENTS: &str = "/api/v1/payments";

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    vec![
        case("no key", "400 idempotency_key_missing", |visitor| {
            missing(visitor).boxed()
        }),
        case(
            "empty, 256 characters, tab, not ASCII, twice",
            "400 idempotency_key_invalid",
            |visitor| invalid(visitor).boxed(),
        ),
        case("255 characters", "201", |visitor| longest(visitor).boxed()),
        case(
            "the same request again",
            "the same bytes, Idempotent-Replayed",
            |visitor| replayed(visitor).boxed(),
        ),
        case(
            "the same key with another body",
            "422 idempotency_key_reused",
            |visitor| reused(visitor).boxed(),
        ),
        case(
            "five equal requests at once",
            "one payment; 201 or 409",
            |visitor| raced(visitor).boxed(),
        ),
        case(
            "the same key of another user",
            "201, another payment",
            |visitor| users(visitor).boxed(),
        ),
        case("the same key on another path", "independent", |visitor| {
            paths(visitor).boxed()
        }),
        case(
            "a refused request keeps no key",
            "201 after 422",
            |visitor| refused(visitor).boxed(),
        ),
        case(
            "one reference for two payments",
            "409 reference_taken",
            |visitor| reference(visitor).boxed(),
        ),
    ]
}

async fn create(visitor: &Visitor<'_>, token: &str, key: &str, amount: i64) -> Result<Answer> {
    let request = visitor
        .gateway(Method::POST, PAYMENTS)
        .bearer_auth(token)
        .header("Idempotency-Key", key);
    visitor
        .ask(request.json(&json!({"amount": amount, "currency": "eur"})))
        .await
}

async fn missing(visitor: &Visitor<'_>) -> Result<Seen> {
    let token = visitor.user().await?.token;
    let request = visitor.gateway(Method::POST, PAYMENTS).bearer_auth(token);
    let answer = visitor
        .ask(request.json(&json!({"amount": 100, "currency": "eur"})))
        .await?;
    answer.refused(&["400 idempotency_key_missing"])
}

async fn invalid(visitor: &Visitor<'_>) -> Result<Seen> {
    let token = visitor.user().await?.token;
    let mut seen = Vec::new();
    for key in ["", " ", &"k".repeat(256), "a\tb", "sch\u{f6}n"] {
        seen.push(
            create(visitor, &token, key, 1)
                .await?
                .refused(&["400 idempotency_key_invalid"])?,
        );
    }
    let request = visitor.gateway(Method::POST, PAYMENTS).bearer_auth(token);
    let twice = request
        .header("Idempotency-Key", "a")
        .header("Idempotency-Key", "b");
    let answer = visitor
        .ask(twice.json(&json!({"amount": 100, "currency": "eur"})))
        .await?;
    seen.push(answer.refused(&["400 idempotency_key_invalid"])?);
    Seen::all(seen, "400 idempotency_key_invalid")
}

async fn longest(visitor: &Visitor<'_>) -> Result<Seen> {
    let token = visitor.user().await?.token;
    let answer = create(visitor, &token, &"k".repeat(255), 100).await?;
    Seen::new(answer.status == 201, answer.status_and_code())
}

async fn replayed(visitor: &Visitor<'_>) -> Result<Seen> {
    let (token, key) = (visitor.user().await?.token, random_text());
    let first = create(visitor, &token, &key, 100).await?;
    let second = create(visitor, &token, &key, 100).await?;
    let said = second.header("idempotent-replayed") == Some("true")
        && first.header("idempotent-replayed").is_none();
    let held = first.status == 201 && second.status == 201 && first.text == second.text && said;
    Seen::new(
        held,
        format!(
            "{}, then {}, replayed {said}",
            first.status_and_code(),
            second.status_and_code()
        ),
    )
}

async fn reused(visitor: &Visitor<'_>) -> Result<Seen> {
    let (token, key) = (visitor.user().await?.token, random_text());
    create(visitor, &token, &key, 100).await?;
    create(visitor, &token, &key, 101)
        .await?
        .refused(&["422 idempotency_key_reused"])
}

async fn raced(visitor: &Visitor<'_>) -> Result<Seen> {
    let (token, key) = (visitor.user().await?.token, random_text());
    let answers = join_all((0..5).map(|_| create(visitor, &token, &key, 100))).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
    let list = visitor.get(&token, PAYMENTS).await?.json();
    let made = list["data"].as_array().map_or(0, Vec::len);
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    let held = made == 1
        && statuses.contains(&201)
        && statuses.iter().all(|status| matches!(status, 201 | 409));
    Seen::new(held, format!("{made} payment, {statuses:?}"))
}

async fn users(visitor: &Visitor<'_>) -> Result<Seen> {
    let key = random_text();
    let one = create(visitor, &visitor.user().await?.token, &key, 100).await?;
    let two = create(visitor, &visitor.user().await?.token, &key, 101).await?;
    Seen::new(
        two.status == 201 && one.field("id") != two.field("id"),
        format!("{} and {}", one.status_and_code(), two.status_and_code()),
    )
}

async fn paths(visitor: &Visitor<'_>) -> Result<Seen> {
    let (user, key) = (visitor.user().await?, random_text());
    let mut seen = Vec::new();
    for _ in 0..2 {
        let payment = payment(visitor, &user).await?;
        let path = format!(
            "{PAYMENTS}/{}/cancel",
            payment["id"].as_str().unwrap_or_default()
        );
        let request = visitor
            .gateway(Method::POST, &path)
            .bearer_auth(&user.token)
            .header("Idempotency-Key", &key);
        let answer = visitor.ask(request.json(&json!({}))).await?;
        let named = answer.field("id") == payment["id"].as_str().unwrap_or_default();
        seen.push(Seen::new(
            answer.status == 200 && named,
            answer.status_and_code(),
        )?);
    }
    Seen::all(seen, "200 for each payment")
}

async fn refused(visitor: &Visitor<'_>) -> Result<Seen> {
    let (token, key) = (visitor.user().await?.token, random_text());
    let first = create(visitor, &token, &key, 0).await?;
    let second = create(visitor, &token, &key, 100).await?;
    Seen::new(
        first.status == 422 && second.status == 201,
        format!(
            "{}, then {}",
            first.status_and_code(),
            second.status_and_code()
        ),
    )
}

async fn reference(visitor: &Visitor<'_>) -> Result<Seen> {
    let token = visitor.user().await?.token;
    let body = json!({"amount": 100, "currency": "eur", "reference": random_text()});
    let first = visitor.post(&token, PAYMENTS, &body).await?;
    let second = visitor.post(&token, PAYMENTS, &body).await?;
    Seen::all(
        [
            Seen::new(first.status == 201, first.status_and_code())?,
            second.refused(&["409 reference_taken"])?,
        ],
        "409 reference_taken",
    )
}
