//! The client's address: headers that any client can send do not raise a rate limit.

use std::time::Duration;

use anyhow::Result;
use futures::FutureExt as _;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::case::{Case, case};
use super::seen::{Seen, Skip};
use super::visitor::{Visitor, host, random_text, status};

const PATH: &str = "/api/v1/payments?limit=1";

type Forged = fn(u32) -> Vec<(&'static str, String)>;

/// Forged headers; the number makes each different.
const FORGED: [(&str, Forged); 5] = [
    ("X-Forwarded-For", |n| vec![("x-forwarded-for", address(n))]),
    ("X-Real-IP", |n| vec![("x-real-ip", address(n))]),
    ("Forwarded", |n| {
        vec![("forwarded", format!("for={}", address(n)))]
    }),
    ("all of them", |n| {
        vec![
            ("x-forwarded-for", address(n)),
            ("x-real-ip", address(n + 1)),
            ("forwarded", format!("for=\"[2001:db8:{n}::1]\"")),
            ("cf-connecting-ip", address(n)),
            ("true-client-ip", address(n)),
        ]
    }),
    ("X-Forwarded-For, twice", |n| {
        vec![
            ("x-forwarded-for", address(n)),
            ("x-forwarded-for", address(n + 7)),
        ]
    }),
];

/// Headers that a client sends before a proxy appends the client's address.
const PREFIXES: [(&str, Forged); 3] = [
    ("a forged hop before the real one", |n| {
        vec![("x-forwarded-for", format!("{}, 203.0.113.77", address(n)))]
    }),
    ("a forged line before the real one", |n| {
        vec![
            ("x-forwarded-for", address(n)),
            ("x-forwarded-for", "203.0.113.78".to_owned()),
        ]
    }),
    ("garbage before the real one", |n| {
        vec![("x-forwarded-for", format!("nonsense-{n}, 203.0.113.79"))]
    }),
];

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, forged) in FORGED {
        let sentence = "429: one client all the same";
        cases.push(case(
            format!("{name} from an untrusted address"),
            sentence,
            move |visitor| stranger(visitor, forged).boxed(),
        ));
        let name = format!("{name} at the auth service, without a valid key");
        cases.push(case(name, sentence, move |visitor| {
            keyless(visitor, forged).boxed()
        }));
    }
    for (name, forged) in PREFIXES {
        cases.push(case(
            format!("{name}, from the proxy"),
            "429: the rightmost counts",
            move |visitor| behind(visitor, forged).boxed(),
        ));
    }
    cases.extend([
        case("two clients of the proxy", "two limits", |visitor| {
            two(visitor).boxed()
        }),
        case(
            "X-Real-IP beside a valid API key",
            "each of its users has a limit",
            |visitor| vouched(visitor).boxed(),
        ),
        case("addresses of one IPv6 /64", "429: one client", |visitor| {
            network(visitor).boxed()
        }),
        case("1,000 hops", "no 5xx", |visitor| thousand(visitor).boxed()),
        case("garbage in every such header", "no 5xx", |visitor| {
            garbage(visitor).boxed()
        }),
    ]);
    cases
}

fn address(number: u32) -> String {
    format!("198.51.{}.{}", number / 250 % 250, number % 250 + 1)
}

fn with(mut request: RequestBuilder, headers: Vec<(&'static str, String)>) -> RequestBuilder {
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request
}

/// Sends requests with invalid credentials until the limit of this client refuses one.
async fn limited(visitor: &Visitor<'_>, ask: impl Fn(u32) -> RequestBuilder) -> Result<Seen> {
    let first = visitor.once(ask(0)).await?;
    let limit = first
        .number("x-ratelimit-limit")
        .filter(|limit| *limit < 50);
    let limit = limit.ok_or(Skip("needs a rate limit below 50: it is off, or higher"))?;
    for number in 1..=u32::try_from(limit)? + 2 {
        let answer = visitor.once(ask(number)).await?;
        if answer.status == 429 {
            return Seen::new(true, format!("429 after {number}"));
        }
        if answer.status != 401 {
            return Seen::new(false, answer.status_and_code());
        }
    }
    Seen::new(false, format!("{} passed, {limit} allowed", limit + 3))
}

fn guess(visitor: &Visitor<'_>, headers: Vec<(&'static str, String)>) -> RequestBuilder {
    with(
        visitor
            .gateway(Method::GET, PATH)
            .bearer_auth(random_text()),
        headers,
    )
}

async fn stranger(visitor: &Visitor<'_>, forged: Forged) -> Result<Seen> {
    limited(visitor, |number| guess(visitor, forged(number))).await
}

async fn keyless(visitor: &Visitor<'_>, forged: Forged) -> Result<Seen> {
    let ask = |number| {
        let request = visitor
            .bare_auth(Method::POST, "/api/v1/auth/login")
            .header("X-API-Key", random_text());
        with(request.json(&json!({})), forged(number))
    };
    limited(visitor, ask).await
}

async fn behind(visitor: &Visitor<'_>, forged: Forged) -> Result<Seen> {
    let proxy = Visitor::proxy(visitor.target)?;
    limited(&proxy, |number| guess(&proxy, forged(number))).await
}

async fn two(visitor: &Visitor<'_>) -> Result<Seen> {
    let proxy = Visitor::proxy(visitor.target)?;
    limited(&proxy, |_| {
        guess(&proxy, vec![("x-forwarded-for", "203.0.113.81".to_owned())])
    })
    .await?;
    let other = proxy
        .once(guess(
            &proxy,
            vec![("x-forwarded-for", "203.0.113.82".to_owned())],
        ))
        .await?;
    other.generic()
}

fn login(visitor: &Visitor<'_>, address: &str) -> Result<RequestBuilder> {
    let body = json!({"email": "nobody@pawl.example", "password": "not this one"});
    let request = visitor
        .auth(Method::POST, "/api/v1/auth/login")
        .json(&body)
        .build()?;
    let mut request = request;
    request.headers_mut().insert("x-real-ip", address.parse()?);
    Ok(RequestBuilder::from_parts(visitor.http(), request))
}

async fn vouched(visitor: &Visitor<'_>) -> Result<Seen> {
    let seed: u8 = rand::random();
    let (mut passed, mut limit) = (0, None);
    for number in 0..30_u8 {
        let answer = visitor
            .once(login(visitor, &format!("198.19.{seed}.{number}"))?)
            .await?;
        limit = limit.or(answer.number("x-ratelimit-limit"));
        passed += u8::from(answer.status == 401);
    }
    if limit.is_none() {
        return Err(Skip("needs a rate limit at the auth service").into());
    }
    Seen::new(passed == 30, format!("{passed} of 30 users passed"))
}

async fn network(visitor: &Visitor<'_>) -> Result<Seen> {
    let seed: u16 = rand::random();
    for number in 0..60 {
        let request = login(visitor, &format!("2001:db8:{seed:x}:1::{number:x}"))?;
        let answer = visitor.once(request).await?;
        if answer
            .number("x-ratelimit-limit")
            .is_none_or(|limit| limit > 50)
        {
            return Err(Skip("needs a rate limit below 50 at the auth service").into());
        }
        if answer.status == 429 {
            let next = login(visitor, &format!("2001:db8:{seed:x}:2::1"))?;
            let neighbour = visitor.once(next).await?;
            return Seen::new(
                neighbour.status == 401,
                format!(
                    "429 after {number}; the next /64: {}",
                    neighbour.status_and_code()
                ),
            );
        }
    }
    Seen::new(false, "60 passed")
}

async fn thousand(visitor: &Visitor<'_>) -> Result<Seen> {
    let hops = "198.51.100.1, ".repeat(1000) + "198.51.100.2";
    let mut seen = Vec::new();
    for service in [&visitor.target.gateway, &visitor.target.auth] {
        let request = format!(
            "GET /api/v1/payments HTTP/1.1\r\nHost: {}\r\nX-Forwarded-For: {hops}\r\nConnection: close\r\n\r\n",
            host(service)
        );
        let status = status(
            &visitor
                .raw(service, request.as_bytes(), Duration::from_secs(5))
                .await?,
        );
        seen.push(Seen::new((400..500).contains(&status), status.to_string())?);
    }
    Seen::all(seen, "401, 404 or 431")
}

async fn garbage(visitor: &Visitor<'_>) -> Result<Seen> {
    let mut seen = Vec::new();
    for value in [
        "",
        ",",
        ",,,,",
        "unknown",
        "999.999.999.999",
        "::::",
        "[",
        "for=",
        "for=\"[\"",
        "\u{e9}",
        "127.0.0.1:99999999",
    ] {
        for name in ["x-forwarded-for", "x-real-ip", "forwarded"] {
            let other = visitor.other()?;
            let at_gateway = other
                .once(other.gateway(Method::GET, PATH).header(name, value))
                .await?;
            seen.push(Seen::new(
                at_gateway.status == 401,
                format!("{name}: {value:?}: {}", at_gateway.status_and_code()),
            )?);
        }
        let answer = visitor
            .once(login(visitor, "198.19.0.1")?.header("x-real-ip", value))
            .await?;
        seen.push(Seen::new(
            answer.status < 500,
            format!("x-real-ip twice: {value:?}: {}", answer.status_and_code()),
        )?);
    }
    Seen::all(seen, "401")
}
