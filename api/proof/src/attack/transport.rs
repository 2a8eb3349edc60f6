//! Transport: a large, slow or malformed request does not delay other clients.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures::FutureExt as _;
use reqwest::{Method, Url};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::case::{Case, case};
use super::seen::Seen;
use super::visitor::{Visitor, host, random_text, read, status};

const LIMIT: usize = 64 * 1024;

/// The same for Stripe's webhooks.
const WEBHOOK_LIMIT: usize = 1 << 20;
/// The connection of a slow client is closed within this time.
const SLOW: Duration = Duration::from_secs(30);

/// Malformed request heads; each is answered 4xx or 501, or the connection is closed.
const ODD: [(&str, &str); 11] = [
    (
        "a method that is none",
        "BREW /health HTTP/1.1\r\nHost: {host}\r\n\r\n",
    ),
    (
        "a method of 10,000 letters",
        "{long} /health HTTP/1.1\r\nHost: {host}\r\n\r\n",
    ),
    (
        "no method at all",
        " /health HTTP/1.1\r\nHost: {host}\r\n\r\n",
    ),
    ("no HTTP", "\u{16}\u{3}\u{1}\u{0}\u{a5}\u{1}\u{0}\r\n\r\n"),
    (
        "a path of 100 KB",
        "GET /{huge} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    ),
    (
        "NUL in a header",
        "GET /health HTTP/1.1\r\nHost: {host}\r\nX-A: a\u{0}b\r\n\r\n",
    ),
    (
        "a space before the colon",
        "GET /health HTTP/1.1\r\nHost: {host}\r\nX-A : b\r\n\r\n",
    ),
    (
        "two lengths",
        "POST /webhooks/stripe HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}a",
    ),
    (
        "a negative length",
        "POST /webhooks/stripe HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n",
    ),
    (
        "a chunk without a size",
        "POST /webhooks/stripe HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ),
    (
        "an unknown transfer coding",
        "POST /webhooks/stripe HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n\r\n",
    ),
];

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        case(
            "a declared body of 64 KiB (webhook: 1 MiB) and a byte",
            "413 body_too_large",
            |visitor| declared(visitor).boxed(),
        ),
        case(
            "a chunked body over 64 KiB (webhook: 1 MiB)",
            "413 body_too_large",
            |visitor| chunked(visitor).boxed(),
        ),
        case(
            "a compressed body that becomes 10 MB",
            "415 or 413, not unpacked",
            |visitor| compressed(visitor).boxed(),
        ),
        case("a body of 64 KiB less a byte", "is read: 422", |visitor| {
            just_fits(visitor).boxed()
        }),
        case("200 headers", "answered, or 431", |visitor| {
            many_headers(visitor).boxed()
        }),
        case("a head, a byte at a time", "cut within 30 s", |visitor| {
            slow_head(visitor).boxed()
        }),
        case("half a head, then silence", "cut within 30 s", |visitor| {
            half_head(visitor).boxed()
        }),
        case("half a body, then silence", "408, within 30 s", |visitor| {
            half_body(visitor).boxed()
        }),
        case("a body, a byte at a time", "408, within 30 s", |visitor| {
            slow_body(visitor).boxed()
        }),
        case(
            "64 idle connections",
            "others are answered within 1 s",
            |visitor| idle(visitor).boxed(),
        )
        .alone(),
        case(
            "Content-Length beside chunked (smuggling)",
            "one answer, then closed",
            |visitor| smuggled(visitor).boxed(),
        ),
    ];
    cases.extend(ODD.into_iter().map(|(name, head)| {
        case(name, "4xx or closed, no 5xx but 501", move |visitor| {
            odd(visitor, head).boxed()
        })
    }));
    cases
}

/// Only the head is sent: a body that is declared too large is refused before it is read, and the connection may be closed
/// before a client that sends it can read the answer.
async fn declared(visitor: &Visitor<'_>) -> Result<Seen> {
    let mut seen = Vec::new();
    for (service, path, limit) in [
        (&visitor.target.gateway, "/api/v1/payments", LIMIT),
        (&visitor.target.gateway, "/webhooks/stripe", WEBHOOK_LIMIT),
        (&visitor.target.auth, "/api/v1/auth/login", LIMIT),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            host(service),
            limit + 1
        );
        let answer = visitor
            .raw(service, head.as_bytes(), Duration::from_secs(2))
            .await?;
        let lower = answer.to_lowercase();
        let whole =
            lower.contains("body_too_large") && lower.contains("x-content-type-options: nosniff");
        seen.push(Seen::new(
            status(&answer) == 413 && whole,
            format!("{path}: {}", status(&answer)),
        )?);
    }
    Seen::all(seen, "413 body_too_large, before the body, with nosniff")
}

async fn chunked(visitor: &Visitor<'_>) -> Result<Seen> {
    let mut seen = Vec::new();
    let token = visitor.user().await?.token;
    let key = infra::env::ExposeSecret::expose_secret(&visitor.target.api_key).to_owned();
    for (service, path, limit, credential) in [
        (
            &visitor.target.gateway,
            "/api/v1/payments",
            LIMIT,
            format!("Authorization: Bearer {token}\r\nIdempotency-Key: a"),
        ),
        (
            &visitor.target.gateway,
            "/webhooks/stripe",
            WEBHOOK_LIMIT,
            "Stripe-Signature: t=1,v1=00".to_owned(),
        ),
        (
            &visitor.target.auth,
            "/api/v1/auth/login",
            LIMIT,
            format!("X-API-Key: {key}"),
        ),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{credential}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
            host(service)
        );
        let chunk = format!("1000\r\n{}\r\n", "a".repeat(0x1000));
        let text = head + &chunk.repeat(limit / 0x1000 + 1) + "0\r\n\r\n";
        let answer = visitor
            .raw(service, text.as_bytes(), Duration::from_secs(5))
            .await?;
        let refused = status(&answer) == 413 && answer.contains("body_too_large");
        seen.push(Seen::new(refused, format!("{path}: {}", status(&answer)))?);
    }
    Seen::all(seen, "413 body_too_large")
}

async fn compressed(visitor: &Visitor<'_>) -> Result<Seen> {
    let token = visitor.user().await?.token;
    // The start of a gzip stream, enough for a refusal.
    let gzip = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xed, 0xc1, 1, 13, 0, 0, 0, 0xc2,
    ];
    let mut seen = Vec::new();
    for encoding in ["gzip", "br", "deflate", "gzip, gzip"] {
        let request = visitor
            .gateway(Method::POST, "/api/v1/payments")
            .bearer_auth(&token)
            .header("Idempotency-Key", random_text());
        let request = request
            .header("Content-Type", "application/json")
            .header("Content-Encoding", encoding);
        seen.push(
            visitor
                .ask(request.body(gzip.to_vec()))
                .await?
                .refused(&["415 unsupported_media_type", "413 body_too_large"])?,
        );
    }
    Seen::all(seen, "415 unsupported_media_type")
}

async fn just_fits(visitor: &Visitor<'_>) -> Result<Seen> {
    let token = visitor.user().await?.token;
    let frame = json!({"amount": 1099, "currency": "eur", "description": ""})
        .to_string()
        .len();
    let body =
        json!({"amount": 1099, "currency": "eur", "description": "a".repeat(LIMIT - 1 - frame)});
    visitor
        .post(&token, "/api/v1/payments", &body)
        .await?
        .refused(&["422 invalid_field"])
}

async fn many_headers(visitor: &Visitor<'_>) -> Result<Seen> {
    let service = &visitor.target.gateway;
    let headers = "X-H: a\r\n".repeat(200);
    let request = format!(
        "GET /health HTTP/1.1\r\nHost: {}\r\n{headers}Connection: close\r\n\r\n",
        host(service)
    );
    let status = status(
        &visitor
            .raw(service, request.as_bytes(), Duration::from_secs(5))
            .await?,
    );
    Seen::new(matches!(status, 200 | 400 | 431), status.to_string())
}

/// Sends `head`, then a byte each second until the connection is closed; the time until then, and the answer.
async fn drip(
    visitor: &Visitor<'_>,
    service: &Url,
    head: &str,
    byte: &[u8],
) -> Result<(Duration, String)> {
    let start = Instant::now();
    let mut stream = visitor.connect(service).await?;
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    while start.elapsed() < SLOW + Duration::from_secs(5) {
        if !byte.is_empty() && stream.write_all(byte).await.is_err() {
            break;
        }
        let before = Instant::now();
        let piece = read(&mut stream, Duration::from_secs(1)).await;
        answer += &piece;
        // The read ended before its time-out: the connection was closed.
        if before.elapsed() < Duration::from_millis(900) {
            break;
        }
    }
    Ok((start.elapsed(), answer))
}

fn cut((time, answer): &(Duration, String), statuses: &[u16]) -> Result<Seen> {
    let status = status(answer);
    let told = if status == 0 {
        "closed".to_owned()
    } else {
        status.to_string()
    };
    Seen::new(
        *time <= SLOW && statuses.contains(&status),
        format!("{told} after {time:.0?}"),
    )
}

async fn slow_head(visitor: &Visitor<'_>) -> Result<Seen> {
    let service = &visitor.target.gateway;
    let head = format!("GET /health HTTP/1.1\r\nHost: {}\r\nX-A: ", host(service));
    cut(&drip(visitor, service, &head, b"a").await?, &[0, 408])
}

async fn half_head(visitor: &Visitor<'_>) -> Result<Seen> {
    cut(
        &drip(
            visitor,
            &visitor.target.auth,
            "GET /health HTTP/1.1\r\nHo",
            b"",
        )
        .await?,
        &[0, 408],
    )
}

async fn half_body(visitor: &Visitor<'_>) -> Result<Seen> {
    let service = &visitor.target.gateway;
    let head = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\n{{",
        host(service)
    );
    cut(&drip(visitor, service, &head, b"").await?, &[408])
}

async fn slow_body(visitor: &Visitor<'_>) -> Result<Seen> {
    let service = &visitor.target.gateway;
    let head = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\n{{",
        host(service)
    );
    cut(&drip(visitor, service, &head, b" ").await?, &[408])
}

async fn idle(visitor: &Visitor<'_>) -> Result<Seen> {
    let service = &visitor.target.gateway;
    let mut connections = Vec::new();
    for _ in 0..64 {
        let mut stream = visitor.connect(service).await?;
        stream.write_all(b"GET /health HT").await?;
        connections.push(stream);
    }
    let start = Instant::now();
    let answer = visitor
        .once(visitor.gateway(Method::GET, "/health"))
        .await?;
    let time = start.elapsed();
    drop(connections);
    Seen::new(
        answer.status == 200 && time < Duration::from_secs(1),
        format!("{} after {time:.1?}", answer.status),
    )
}

async fn smuggled(visitor: &Visitor<'_>) -> Result<Seen> {
    let service = &visitor.target.gateway;
    let host = host(service);
    let request = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
    );
    let answer = visitor
        .raw(service, request.as_bytes(), Duration::from_secs(2))
        .await?;
    // RFC 9112, 6.1: chunked wins and the connection is closed, or the whole is refused.
    let smuggled = answer.contains("route_not_found");
    Seen::new(
        !smuggled && (400..500).contains(&status(&answer)),
        format!(
            "{}{}",
            status(&answer),
            if smuggled {
                ", and the smuggled request"
            } else {
                ""
            }
        ),
    )
}

async fn odd(visitor: &Visitor<'_>, head: &str) -> Result<Seen> {
    let mut seen = Vec::new();
    for service in [&visitor.target.gateway, &visitor.target.auth] {
        let text = head
            .replace("{host}", &host(service))
            .replace("{long}", &"A".repeat(10_000))
            .replace("{huge}", &"a".repeat(100_000));
        let answer = visitor
            .raw(service, text.as_bytes(), Duration::from_secs(2))
            .await?;
        let status = status(&answer);
        let refused = status == 0 || status == 501 || (400..500).contains(&status);
        seen.push(Seen::new(refused, status.to_string())?);
    }
    Seen::all(seen, "4xx, or closed")
}
