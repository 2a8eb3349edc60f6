//! Input: what is not exactly what was asked for is refused before anything is done.

mod tables;

use anyhow::Result;
use futures::FutureExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tables::{AMOUNTS, BODIES, FIELDS};

use super::case::{Case, Seen, case};
use super::visit::{Visit, word};

const PAYMENTS: &str = "/api/v1/payments";
/// A number of Stripe's for tests: it has the form of a card's and is none.
const CARD: &str = "4242424242424242";

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = FIELDS
        .into_iter()
        .map(|(name, field, expected)| {
            case(name, expected, move |visit| {
                field_of(visit, name, field, expected).boxed()
            })
        })
        .collect();
    for amount in AMOUNTS {
        let name = format!("an amount of {amount}");
        cases.push(case(name, "422", move |visit| {
            body(
                visit,
                format!(r#"{{"amount":{amount},"currency":"eur"}}"#),
                "422",
            )
            .boxed()
        }));
    }
    for (name, text, expected) in BODIES {
        cases.push(case(name, expected, move |visit| {
            body(visit, text.to_owned(), expected).boxed()
        }));
    }
    for currency in ["zzz", "", "euro", "e\u{fc}r", "xau", "XXX"] {
        let text = json!({"amount": 1099, "currency": currency}).to_string();
        cases.push(case(
            format!("the currency {currency:?}"),
            "422 unknown_currency",
            move |visit| body(visit, text.clone(), "422 unknown_currency").boxed(),
        ));
    }
    cases.extend([
        case("100 JPY", "100 yen, not one", |visit| yen(visit).boxed()),
        case(
            "1,000 objects in one another",
            "400 malformed_json",
            |visit| deep(visit).boxed(),
        ),
        case("bytes that are no UTF-8", "400 malformed_json", |visit| {
            bytes(visit).boxed()
        }),
        case("another content type, and none", "415", |visit| {
            content_type(visit).boxed()
        }),
        case("another method", "405 with Allow", |visit| {
            method(visit).boxed()
        }),
        case("an unknown route", "404 route_not_found", |visit| {
            route(visit).boxed()
        }),
        case(
            "parameters that are unknown, wrong or given twice",
            "400 invalid_parameter",
            |visit| parameters(visit).boxed(),
        ),
        case(
            "the answer to a card number",
            "repeats no digit of it",
            |visit| repeated(visit).boxed(),
        ),
        case(
            "role admin at registration",
            "422 unknown_field, or ignored",
            |visit| role(visit).boxed(),
        ),
    ]);
    cases
}

async fn body(visit: &Visit<'_>, text: impl Into<reqwest::Body>, expected: &str) -> Result<Seen> {
    let token = visit.user().await?.token;
    let request = visit.gateway(Method::POST, PAYMENTS).bearer_auth(token);
    let request = request
        .header("Idempotency-Key", word())
        .header("Content-Type", "application/json");
    visit.ask(request.body(text)).await?.refused(&[expected])
}

async fn field_of(visit: &Visit<'_>, name: &str, field: &str, expected: &str) -> Result<Seen> {
    // What is too long to be written out.
    let field = match name {
        "a description of 1,001 characters" => format!(r#""description":"{}""#, "a".repeat(1001)),
        "51 keys of metadata" => {
            let keys: serde_json::Map<String, Value> =
                (0..51).map(|key| (format!("k{key}"), json!("v"))).collect();
            format!(r#""metadata":{}"#, Value::Object(keys))
        }
        _ => field.to_owned(),
    };
    body(
        visit,
        format!(r#"{{"amount":1099,"currency":"eur",{field}}}"#),
        expected,
    )
    .await
}

async fn yen(visit: &Visit<'_>) -> Result<Seen> {
    let token = visit.user().await?.token;
    let body = json!({"amount": 100, "currency": "JPY"});
    let answer = visit.post(&token, PAYMENTS, &body).await?;
    let view = answer.json();
    let held = answer.status == 201 && view["amount"] == 100 && view["currency"] == "jpy";
    Seen::of(
        held,
        format!("{}: {} {}", answer.told(), view["amount"], view["currency"]),
    )
}

async fn deep(visit: &Visit<'_>) -> Result<Seen> {
    let depth = 1000;
    let nested = format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let text = format!(r#"{{"amount":1099,"currency":"eur","metadata":{nested}}}"#);
    body(visit, text, "400 malformed_json").await
}

async fn bytes(visit: &Visit<'_>) -> Result<Seen> {
    let text = [
        br#"{"amount":1099,"currency":"eur","description":""#.as_slice(),
        &[0xff, 0xfe],
        br#""}"#,
    ]
    .concat();
    body(visit, text, "400 malformed_json").await
}

async fn content_type(visit: &Visit<'_>) -> Result<Seen> {
    let user = visit.user().await?;
    let text = r#"{"amount":1099,"currency":"eur"}"#;
    let mut seen = Vec::new();
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/jsonp"),
        Some("multipart/form-data"),
    ] {
        for request in [
            visit
                .gateway(Method::POST, PAYMENTS)
                .bearer_auth(&user.token)
                .header("Idempotency-Key", word()),
            visit.auth(Method::POST, "/api/v1/auth/login"),
        ] {
            let request = match kind {
                Some(kind) => request.header("Content-Type", kind),
                None => request,
            };
            seen.push(
                visit
                    .ask(request.body(text))
                    .await?
                    .refused(&["415 unsupported_media_type"])?,
            );
        }
    }
    Seen::all(seen, "415 unsupported_media_type")
}

async fn method(visit: &Visit<'_>) -> Result<Seen> {
    let user = visit.user().await?;
    let mut seen = Vec::new();
    for (method, path) in [
        (Method::DELETE, PAYMENTS),
        (
            Method::PUT,
            "/api/v1/payments/pay_01h2xcejqtf2nbrexx3vqjhp41",
        ),
        (
            Method::GET,
            "/api/v1/payments/pay_01h2xcejqtf2nbrexx3vqjhp41/confirm",
        ),
        (Method::TRACE, "/health"),
        (Method::GET, "/webhooks/stripe"),
    ] {
        let answer = visit
            .ask(visit.gateway(method.clone(), path).bearer_auth(&user.token))
            .await?;
        seen.push(answer.refused(&["405 method_not_allowed"])?);
        seen.push(Seen::of(
            answer
                .header("allow")
                .is_some_and(|allow| !allow.is_empty()),
            format!("{method} {path}: no Allow"),
        )?);
    }
    let answer = visit
        .ask(visit.auth(Method::GET, "/api/v1/auth/login"))
        .await?;
    seen.push(answer.refused(&["405 method_not_allowed"])?);
    Seen::all(seen, "405 method_not_allowed, with Allow")
}

async fn route(visit: &Visit<'_>) -> Result<Seen> {
    let token = visit.user().await?.token;
    let mut seen = Vec::new();
    for path in [
        "/api/v1/nothing",
        "/.env",
        "/.git/config",
        "/api/v2/payments",
        "//api/v1/payments",
        "/metrics.php",
    ] {
        seen.push(
            visit
                .get(&token, path)
                .await?
                .refused(&["404 route_not_found"])?,
        );
    }
    Seen::all(seen, "404 route_not_found")
}

async fn parameters(visit: &Visit<'_>) -> Result<Seen> {
    let mut seen = Vec::new();
    for query in [
        "limit=0",
        "limit=101",
        "limit=a",
        "limit=1&limit=2",
        "starting_after=1",
        "status=paid",
        "offset=1",
        "created[gte]=soon",
        "amount[gt]=many",
        "%ff=1",
    ] {
        let token = visit.user().await?.token;
        let answer = visit.get(&token, &format!("{PAYMENTS}?{query}")).await?;
        seen.push(match answer.refused(&["400 invalid_parameter"])? {
            Seen::Broken(what) => Seen::Broken(format!("{query}: {what}")),
            held @ Seen::Held(_) => held,
        });
    }
    Seen::all(seen, "400 invalid_parameter")
}

async fn repeated(visit: &Visit<'_>) -> Result<Seen> {
    let token = visit.user().await?.token;
    let body =
        json!({"amount": 1099, "currency": "eur", "description": CARD, "metadata": {CARD: CARD}});
    let answer = visit.post(&token, PAYMENTS, &body).await?;
    Seen::of(
        answer.status == 422 && !answer.text.contains("4242"),
        answer.told(),
    )
}

async fn role(visit: &Visit<'_>) -> Result<Seen> {
    let body = json!({"email": format!("attack-{}@pawl.example", word()), "password": word(), "role": "admin"});
    let answer = visit.tell("/api/v1/auth/register", &body).await?;
    answer.refused(&["422 unknown_field"])
}
