//! Idempotency: one key, one body, one effect.

use anyhow::Result;
use futures::FutureExt as _;
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::answer::Answer;
use super::case::{Case, Seen, case};
use super::objects::payment;
use super::visit::{Visit, word};

const PAYMENTS: &str = "/api/v1/payments";

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    vec![
        case("no key", "400 idempotency_key_missing", |visit| {
            missing(visit).boxed()
        }),
        case(
            "empty, 256 characters, tab, not ASCII, twice",
            "400 idempotency_key_invalid",
            |visit| invalid(visit).boxed(),
        ),
        case("255 characters", "201", |visit| longest(visit).boxed()),
        case(
            "the same request again",
            "the same bytes, Idempotent-Replayed",
            |visit| replayed(visit).boxed(),
        ),
        case(
            "the same key with another body",
            "422 idempotency_key_reused",
            |visit| reused(visit).boxed(),
        ),
        case(
            "five equal requests at once",
            "one payment; 201 or 409",
            |visit| raced(visit).boxed(),
        ),
        case(
            "the same key of another user",
            "201, another payment",
            |visit| users(visit).boxed(),
        ),
        case("the same key on another path", "independent", |visit| {
            paths(visit).boxed()
        }),
        case("a refused request keeps no key", "201 after 422", |visit| {
            refused(visit).boxed()
        }),
        case(
            "one reference for two payments",
            "409 reference_taken",
            |visit| reference(visit).boxed(),
        ),
    ]
}

async fn create(visit: &Visit<'_>, token: &str, key: &str, amount: i64) -> Result<Answer> {
    let request = visit
        .gateway(Method::POST, PAYMENTS)
        .bearer_auth(token)
        .header("Idempotency-Key", key);
    visit
        .ask(request.json(&json!({"amount": amount, "currency": "eur"})))
        .await
}

async fn missing(visit: &Visit<'_>) -> Result<Seen> {
    let token = visit.user().await?.token;
    let request = visit.gateway(Method::POST, PAYMENTS).bearer_auth(token);
    let answer = visit
        .ask(request.json(&json!({"amount": 1, "currency": "eur"})))
        .await?;
    answer.refused(&["400 idempotency_key_missing"])
}

async fn invalid(visit: &Visit<'_>) -> Result<Seen> {
    let token = visit.user().await?.token;
    let mut seen = Vec::new();
    for key in ["", " ", &"k".repeat(256), "a\tb", "sch\u{f6}n"] {
        seen.push(
            create(visit, &token, key, 1)
                .await?
                .refused(&["400 idempotency_key_invalid"])?,
        );
    }
    let request = visit.gateway(Method::POST, PAYMENTS).bearer_auth(token);
    let twice = request
        .header("Idempotency-Key", "a")
        .header("Idempotency-Key", "b");
    let answer = visit
        .ask(twice.json(&json!({"amount": 1, "currency": "eur"})))
        .await?;
    seen.push(answer.refused(&["400 idempotency_key_invalid"])?);
    Seen::all(seen, "400 idempotency_key_invalid")
}

async fn longest(visit: &Visit<'_>) -> Result<Seen> {
    let token = visit.user().await?.token;
    let answer = create(visit, &token, &"k".repeat(255), 100).await?;
    Seen::of(answer.status == 201, answer.told())
}

async fn replayed(visit: &Visit<'_>) -> Result<Seen> {
    let (token, key) = (visit.user().await?.token, word());
    let first = create(visit, &token, &key, 100).await?;
    let second = create(visit, &token, &key, 100).await?;
    let said = second.header("idempotent-replayed") == Some("true")
        && first.header("idempotent-replayed").is_none();
    let held = first.status == 201 && second.status == 201 && first.text == second.text && said;
    Seen::of(
        held,
        format!("{}, then {}, replayed {said}", first.told(), second.told()),
    )
}

async fn reused(visit: &Visit<'_>) -> Result<Seen> {
    let (token, key) = (visit.user().await?.token, word());
    create(visit, &token, &key, 100).await?;
    create(visit, &token, &key, 101)
        .await?
        .refused(&["422 idempotency_key_reused"])
}

async fn raced(visit: &Visit<'_>) -> Result<Seen> {
    let (token, key) = (visit.user().await?.token, word());
    let answers = join_all((0..5).map(|_| create(visit, &token, &key, 100))).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
    let list = visit.get(&token, PAYMENTS).await?.json();
    let made = list["data"].as_array().map_or(0, Vec::len);
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    let held = made == 1
        && statuses.contains(&201)
        && statuses.iter().all(|status| matches!(status, 201 | 409));
    Seen::of(held, format!("{made} payment, {statuses:?}"))
}

async fn users(visit: &Visit<'_>) -> Result<Seen> {
    let key = word();
    let one = create(visit, &visit.user().await?.token, &key, 100).await?;
    let two = create(visit, &visit.user().await?.token, &key, 101).await?;
    Seen::of(
        two.status == 201 && one.field("id") != two.field("id"),
        format!("{} and {}", one.told(), two.told()),
    )
}

async fn paths(visit: &Visit<'_>) -> Result<Seen> {
    let (user, key) = (visit.user().await?, word());
    let mut seen = Vec::new();
    for _ in 0..2 {
        let payment = payment(visit, &user).await?;
        let path = format!(
            "{PAYMENTS}/{}/cancel",
            payment["id"].as_str().unwrap_or_default()
        );
        let request = visit
            .gateway(Method::POST, &path)
            .bearer_auth(&user.token)
            .header("Idempotency-Key", &key);
        let answer = visit.ask(request.json(&json!({}))).await?;
        let named = answer.field("id") == payment["id"].as_str().unwrap_or_default();
        seen.push(Seen::of(answer.status == 200 && named, answer.told())?);
    }
    Seen::all(seen, "200 for each payment")
}

async fn refused(visit: &Visit<'_>) -> Result<Seen> {
    let (token, key) = (visit.user().await?.token, word());
    let first = create(visit, &token, &key, 0).await?;
    let second = create(visit, &token, &key, 100).await?;
    Seen::of(
        first.status == 422 && second.status == 201,
        format!("{}, then {}", first.told(), second.told()),
    )
}

async fn reference(visit: &Visit<'_>) -> Result<Seen> {
    let token = visit.user().await?.token;
    let body = json!({"amount": 100, "currency": "eur", "reference": word()});
    let first = visit.post(&token, PAYMENTS, &body).await?;
    let second = visit.post(&token, PAYMENTS, &body).await?;
    Seen::all(
        [
            Seen::of(first.status == 201, first.told())?,
            second.refused(&["409 reference_taken"])?,
        ],
        "409 reference_taken",
    )
}
