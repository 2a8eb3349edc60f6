//! Input: a request with a wrong type, field or size is refused before it has an effect.

mod tables;

use anyhow::Result;
use futures::FutureExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tables::{AMOUNTS, BODIES, FIELDS};

use super::case::{Case, case};
use super::seen::Seen;
use super::visitor::{Visitor, random_text};

const PAYMENTS: &str = "/api/v1/payments";
/// A card number of Stripe's test mode.
const CARD: &str = "4242424242424242";

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = FIELDS
        .into_iter()
        .map(|(name, field, expected)| {
            case(name, expected, move |visitor| {
                field_of(visitor, name, field, expected).boxed()
            })
        })
        .collect();
    for amount in AMOUNTS {
        let name = format!("an amount of {amount}");
        cases.push(case(name, "422", move |visitor| {
            body(
                visitor,
                format!(r#"{{"amount":{amount},"currency":"eur"}}"#),
                "422",
            )
            .boxed()
        }));
    }
    for (name, text, expected) in BODIES {
        cases.push(case(name, expected, move |visitor| {
            body(visitor, text.to_owned(), expected).boxed()
        }));
    }
    for currency in ["zzz", "", "euro", "e\u{fc}r", "xau", "XXX"] {
        let text = json!({"amount": 1099, "currency": currency}).to_string();
        cases.push(case(
            format!("the currency {currency:?}"),
            "422 unknown_currency",
            move |visitor| body(visitor, text.clone(), "422 unknown_currency").boxed(),
        ));
    }
    cases.extend([
        case("100 JPY", "100 yen, not one", |visitor| {
            yen(visitor).boxed()
        }),
        case(
            "1,000 objects in one another",
            "400 malformed_json",
            |visitor| deep(visitor).boxed(),
        ),
        case("bytes that are no UTF-8", "400 malformed_json", |visitor| {
            bytes(visitor).boxed()
        }),
        case("another content type, and none", "415", |visitor| {
            content_type(visitor).boxed()
        }),
        case("another method", "405 with Allow", |visitor| {
            method(visitor).boxed()
        }),
        case("an unknown route", "404 route_not_found", |visitor| {
            route(visitor).boxed()
        }),
        case(
            "parameters that are unknown, wrong or given twice",
            "400 invalid_parameter",
            |visitor| parameters(visitor).boxed(),
        ),
        case(
            "the answer to a card number",
            "repeats no digit of it",
            |visitor| repeated(visitor).boxed(),
        ),
        case(
            "role admin at registration",
            "422 unknown_field, or ignored",
            |visitor| role(visitor).boxed(),
        ),
    ]);
    cases
}

async fn body(
    visitor: &Visitor<'_>,
    text: impl Into<reqwest::Body>,
    expected: &str,
) -> Result<Seen> {
    let token = visitor.user().await?.token;
    let request = visitor.gateway(Method::POST, PAYMENTS).bearer_auth(token);
    let request = request
        .header("Idempotency-Key", random_text())
        .header("Content-Type", "application/json");
    visitor.ask(request.body(text)).await?.refused(&[expected])
}

async fn field_of(visitor: &Visitor<'_>, name: &str, field: &str, expected: &str) -> Result<Seen> {
    // Values that are too long for the table.
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
        visitor,
        format!(r#"{{"amount":1099,"currency":"eur",{field}}}"#),
        expected,
    )
    .await
}

async fn yen(visitor: &Visitor<'_>) -> Result<Seen> {
    let token = visitor.user().await?.token;
    let body = json!({"amount": 100, "currency": "JPY"});
    let answer = visitor.post(&token, PAYMENTS, &body).await?;
    let view = answer.json();
    let held = answer.status == 201 && view["amount"] == 100 && view["currency"] == "jpy";
    Seen::new(
        held,
        format!(
            "{}: {} {}",
            answer.status_and_code(),
            view["amount"],
            view["currency"]
        ),
    )
}

async fn deep(visitor: &Visitor<'_>) -> Result<Seen> {
    let depth = 1000;
    let nested = format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let text = format!(r#"{{"amount":1099,"currency":"eur","metadata":{nested}}}"#);
    body(visitor, text, "400 malformed_json").await
}

async fn bytes(visitor: &Visitor<'_>) -> Result<Seen> {
    let text = [
        br#"{"amount":1099,"currency":"eur","description":""#.as_slice(),
        &[0xff, 0xfe],
        br#""}"#,
    ]
    .concat();
    body(visitor, text, "400 malformed_json").await
}

async fn content_type(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
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
            visitor
                .gateway(Method::POST, PAYMENTS)
                .bearer_auth(&user.token)
                .header("Idempotency-Key", random_text()),
            visitor.auth(Method::POST, "/api/v1/auth/login"),
        ] {
            let request = match kind {
                Some(kind) => request.header("Content-Type", kind),
                None => request,
            };
            seen.push(
                visitor
                    .ask(request.body(text))
                    .await?
                    .refused(&["415 unsupported_media_type"])?,
            );
        }
    }
    Seen::all(seen, "415 unsupported_media_type")
}

async fn method(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
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
        let answer = visitor
            .ask(
                visitor
                    .gateway(method.clone(), path)
                    .bearer_auth(&user.token),
            )
            .await?;
        seen.push(answer.refused(&["405 method_not_allowed"])?);
        seen.push(Seen::new(
            answer
                .header("allow")
                .is_some_and(|allow| !allow.is_empty()),
            format!("{method} {path}: no Allow"),
        )?);
    }
    let answer = visitor
        .ask(visitor.auth(Method::GET, "/api/v1/auth/login"))
        .await?;
    seen.push(answer.refused(&["405 method_not_allowed"])?);
    Seen::all(seen, "405 method_not_allowed, with Allow")
}

async fn route(visitor: &Visitor<'_>) -> Result<Seen> {
    let token = visitor.user().await?.token;
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
            visitor
                .get(&token, path)
                .await?
                .refused(&["404 route_not_found"])?,
        );
    }
    Seen::all(seen, "404 route_not_found")
}

async fn parameters(visitor: &Visitor<'_>) -> Result<Seen> {
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
        let token = visitor.user().await?.token;
        let answer = visitor.get(&token, &format!("{PAYMENTS}?{query}")).await?;
        seen.push(match answer.refused(&["400 invalid_parameter"])? {
            Seen::Broken(what) => Seen::Broken(format!("{query}: {what}")),
            held @ Seen::Held(_) => held,
        });
    }
    Seen::all(seen, "400 invalid_parameter")
}

async fn repeated(visitor: &Visitor<'_>) -> Result<Seen> {
    let token = visitor.user().await?.token;
    let body =
        json!({"amount": 1099, "currency": "eur", "description": CARD, "metadata": {CARD: CARD}});
    let answer = visitor.post(&token, PAYMENTS, &body).await?;
    Seen::new(
        answer.status == 422 && !answer.text.contains("4242"),
        answer.status_and_code(),
    )
}

async fn role(visitor: &Visitor<'_>) -> Result<Seen> {
    let body = json!({"email": format!("attack-{}@pawl.example", random_text()), "password": random_text(), "role": "admin"});
    let answer = visitor.post_auth("/api/v1/auth/register", &body).await?;
    answer.refused(&["422 unknown_field"])
}
