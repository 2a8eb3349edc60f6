//! Who the client is: headers that anybody can send widen no limit and break nothing.

use std::time::Duration;

use anyhow::Result;
use futures::FutureExt as _;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::case::{Case, Seen, Skip, case};
use super::visit::{Visit, host, status, word};

const PATH: &str = "/api/v1/payments?limit=1";

type Forged = fn(u32) -> Vec<(&'static str, String)>;

/// What strangers write into their requests; the number makes each different.
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

/// What a client writes before a proxy appends its address, always the same one.
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
            format!("{name} from a stranger"),
            sentence,
            move |visit| stranger(visit, forged).boxed(),
        ));
        let name = format!("{name} at the auth service, without a valid key");
        cases.push(case(name, sentence, move |visit| {
            keyless(visit, forged).boxed()
        }));
    }
    for (name, forged) in PREFIXES {
        cases.push(case(
            format!("{name}, from the proxy"),
            "429: the rightmost counts",
            move |visit| behind(visit, forged).boxed(),
        ));
    }
    cases.extend([
        case("two clients of the proxy", "two limits", |visit| {
            two(visit).boxed()
        }),
        case(
            "X-Real-IP beside a valid API key",
            "each of its users has a limit",
            |visit| vouched(visit).boxed(),
        ),
        case("addresses of one IPv6 /64", "429: one client", |visit| {
            network(visit).boxed()
        }),
        case("1,000 hops", "no 5xx", |visit| thousand(visit).boxed()),
        case("garbage in every such header", "no 5xx", |visit| {
            garbage(visit).boxed()
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

/// Asks with credentials that are not valid, until the limit of this client refuses it.
async fn limited(visit: &Visit<'_>, ask: impl Fn(u32) -> RequestBuilder) -> Result<Seen> {
    let first = visit.once(ask(0)).await?;
    let limit = first
        .number("x-ratelimit-limit")
        .filter(|limit| *limit < 50);
    let limit = limit.ok_or(Skip("needs a rate limit below 50: it is off, or higher"))?;
    for number in 1..=u32::try_from(limit)? + 2 {
        let answer = visit.once(ask(number)).await?;
        if answer.status == 429 {
            return Seen::of(true, format!("429 after {number}"));
        }
        if answer.status != 401 {
            return Seen::of(false, answer.told());
        }
    }
    Seen::of(false, format!("{} passed, {limit} allowed", limit + 3))
}

fn guess(visit: &Visit<'_>, headers: Vec<(&'static str, String)>) -> RequestBuilder {
    with(
        visit.gateway(Method::GET, PATH).bearer_auth(word()),
        headers,
    )
}

async fn stranger(visit: &Visit<'_>, forged: Forged) -> Result<Seen> {
    limited(visit, |number| guess(visit, forged(number))).await
}

async fn keyless(visit: &Visit<'_>, forged: Forged) -> Result<Seen> {
    let ask = |number| {
        let request = visit
            .bare_auth(Method::POST, "/api/v1/auth/login")
            .header("X-API-Key", word());
        with(request.json(&json!({})), forged(number))
    };
    limited(visit, ask).await
}

async fn behind(visit: &Visit<'_>, forged: Forged) -> Result<Seen> {
    let proxy = visit.target.proxy()?;
    limited(&proxy, |number| guess(&proxy, forged(number))).await
}

async fn two(visit: &Visit<'_>) -> Result<Seen> {
    let proxy = visit.target.proxy()?;
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

fn login(visit: &Visit<'_>, address: &str) -> Result<RequestBuilder> {
    let body = json!({"email": "nobody@pawl.example", "password": "not this one"});
    let request = visit
        .auth(Method::POST, "/api/v1/auth/login")
        .json(&body)
        .build()?;
    let mut request = request;
    request.headers_mut().insert("x-real-ip", address.parse()?);
    Ok(RequestBuilder::from_parts(visit.http(), request))
}

async fn vouched(visit: &Visit<'_>) -> Result<Seen> {
    let seed: u8 = rand::random();
    let (mut passed, mut limit) = (0, None);
    for number in 0..30_u8 {
        let answer = visit
            .once(login(visit, &format!("198.19.{seed}.{number}"))?)
            .await?;
        limit = limit.or(answer.number("x-ratelimit-limit"));
        passed += u8::from(answer.status == 401);
    }
    if limit.is_none() {
        return Err(Skip("needs a rate limit at the auth service").into());
    }
    Seen::of(passed == 30, format!("{passed} of 30 users passed"))
}

async fn network(visit: &Visit<'_>) -> Result<Seen> {
    let seed: u16 = rand::random();
    for number in 0..60 {
        let request = login(visit, &format!("2001:db8:{seed:x}:1::{number:x}"))?;
        let answer = visit.once(request).await?;
        if answer
            .number("x-ratelimit-limit")
            .is_none_or(|limit| limit > 50)
        {
            return Err(Skip("needs a rate limit below 50 at the auth service").into());
        }
        if answer.status == 429 {
            let next = login(visit, &format!("2001:db8:{seed:x}:2::1"))?;
            let neighbour = visit.once(next).await?;
            return Seen::of(
                neighbour.status == 401,
                format!("429 after {number}; the next /64: {}", neighbour.told()),
            );
        }
    }
    Seen::of(false, "60 passed")
}

async fn thousand(visit: &Visit<'_>) -> Result<Seen> {
    let hops = "198.51.100.1, ".repeat(1000) + "198.51.100.2";
    let mut seen = Vec::new();
    for service in [&visit.target.gateway, &visit.target.auth] {
        let request = format!(
            "GET /api/v1/payments HTTP/1.1\r\nHost: {}\r\nX-Forwarded-For: {hops}\r\nConnection: close\r\n\r\n",
            host(service)
        );
        let status = status(
            &visit
                .raw(service, request.as_bytes(), Duration::from_secs(5))
                .await?,
        );
        seen.push(Seen::of((400..500).contains(&status), status.to_string())?);
    }
    Seen::all(seen, "401, 404 or 431")
}

async fn garbage(visit: &Visit<'_>) -> Result<Seen> {
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
            let other = visit.other()?;
            let at_gateway = other
                .once(other.gateway(Method::GET, PATH).header(name, value))
                .await?;
            seen.push(Seen::of(
                at_gateway.status == 401,
                format!("{name}: {value:?}: {}", at_gateway.told()),
            )?);
        }
        let answer = visit
            .once(login(visit, "198.19.0.1")?.header("x-real-ip", value))
            .await?;
        seen.push(Seen::of(
            answer.status < 500,
            format!("x-real-ip twice: {value:?}: {}", answer.told()),
        )?);
    }
    Seen::all(seen, "401")
}
