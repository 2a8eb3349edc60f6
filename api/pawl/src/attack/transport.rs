//! Transport: no client is large, slow or odd enough to hold up others.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures::FutureExt as _;
use reqwest::{Method, Url};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::case::{Case, Seen, case};
use super::visit::{Visit, host, read, status, word};

const LIMIT: usize = 64 * 1024;
/// Slow clients are cut within this time.
const SLOW: Duration = Duration::from_secs(30);

/// Heads that no client of good faith sends; each is answered 4xx or 501, or the connection is closed.
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
            "a declared body of 64 KiB and a byte",
            "413 body_too_large",
            |visit| declared(visit).boxed(),
        ),
        case(
            "a chunked body over 64 KiB",
            "413 body_too_large",
            |visit| chunked(visit).boxed(),
        ),
        case(
            "a compressed body that becomes 10 MB",
            "415 or 413, not unpacked",
            |visit| compressed(visit).boxed(),
        ),
        case("a body of 64 KiB less a byte", "is read: 422", |visit| {
            just_fits(visit).boxed()
        }),
        case("200 headers", "answered, or 431", |visit| {
            many_headers(visit).boxed()
        }),
        case("a head, a byte at a time", "cut within 30 s", |visit| {
            slow_head(visit).boxed()
        }),
        case("half a head, then silence", "cut within 30 s", |visit| {
            half_head(visit).boxed()
        }),
        case("half a body, then silence", "408, within 30 s", |visit| {
            half_body(visit).boxed()
        }),
        case("a body, a byte at a time", "408, within 30 s", |visit| {
            slow_body(visit).boxed()
        }),
        case(
            "64 idle connections",
            "others are answered within 1 s",
            |visit| idle(visit).boxed(),
        )
        .alone(),
        case(
            "Content-Length beside chunked (smuggling)",
            "one answer, then closed",
            |visit| smuggled(visit).boxed(),
        ),
    ];
    cases.extend(ODD.into_iter().map(|(name, head)| {
        case(name, "4xx or closed, no 5xx but 501", move |visit| {
            odd(visit, head).boxed()
        })
    }));
    cases
}

/// Only the head is sent: who declares too much is refused before the body, and a client that goes on sending might find
/// the connection closed before it reads why.
async fn declared(visit: &Visit<'_>) -> Result<Seen> {
    let mut seen = Vec::new();
    for (service, path) in [
        (&visit.target.gateway, "/api/v1/payments"),
        (&visit.target.gateway, "/webhooks/stripe"),
        (&visit.target.auth, "/api/v1/auth/login"),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            host(service),
            LIMIT + 1
        );
        let answer = visit
            .raw(service, head.as_bytes(), Duration::from_secs(2))
            .await?;
        let lower = answer.to_lowercase();
        let whole =
            lower.contains("body_too_large") && lower.contains("x-content-type-options: nosniff");
        seen.push(Seen::of(
            status(&answer) == 413 && whole,
            format!("{path}: {}", status(&answer)),
        )?);
    }
    Seen::all(seen, "413 body_too_large, before the body, with nosniff")
}

async fn chunked(visit: &Visit<'_>) -> Result<Seen> {
    let mut seen = Vec::new();
    let token = visit.user().await?.token;
    let key = infra::env::ExposeSecret::expose_secret(&visit.target.api_key).to_owned();
    for (service, path, credential) in [
        (
            &visit.target.gateway,
            "/api/v1/payments",
            format!("Authorization: Bearer {token}\r\nIdempotency-Key: a"),
        ),
        (
            &visit.target.gateway,
            "/webhooks/stripe",
            "Stripe-Signature: t=1,v1=00".to_owned(),
        ),
        (
            &visit.target.auth,
            "/api/v1/auth/login",
            format!("X-API-Key: {key}"),
        ),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{credential}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
            host(service)
        );
        let chunk = format!("1000\r\n{}\r\n", "a".repeat(0x1000));
        let text = head + &chunk.repeat(17) + "0\r\n\r\n";
        let answer = visit
            .raw(service, text.as_bytes(), Duration::from_secs(5))
            .await?;
        let refused = status(&answer) == 413 && answer.contains("body_too_large");
        seen.push(Seen::of(refused, format!("{path}: {}", status(&answer)))?);
    }
    Seen::all(seen, "413 body_too_large")
}

async fn compressed(visit: &Visit<'_>) -> Result<Seen> {
    let token = visit.user().await?.token;
    // The start of a gzip stream; it need not be whole to be refused.
    let gzip = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xed, 0xc1, 1, 13, 0, 0, 0, 0xc2,
    ];
    let mut seen = Vec::new();
    for encoding in ["gzip", "br", "deflate", "gzip, gzip"] {
        let request = visit
            .gateway(Method::POST, "/api/v1/payments")
            .bearer_auth(&token)
            .header("Idempotency-Key", word());
        let request = request
            .header("Content-Type", "application/json")
            .header("Content-Encoding", encoding);
        seen.push(
            visit
                .ask(request.body(gzip.to_vec()))
                .await?
                .refused(&["415 unsupported_media_type", "413 body_too_large"])?,
        );
    }
    Seen::all(seen, "415 unsupported_media_type")
}

async fn just_fits(visit: &Visit<'_>) -> Result<Seen> {
    let token = visit.user().await?.token;
    let frame = json!({"amount": 1099, "currency": "eur", "description": ""})
        .to_string()
        .len();
    let body =
        json!({"amount": 1099, "currency": "eur", "description": "a".repeat(LIMIT - 1 - frame)});
    visit
        .post(&token, "/api/v1/payments", &body)
        .await?
        .refused(&["422 invalid_field"])
}

async fn many_headers(visit: &Visit<'_>) -> Result<Seen> {
    let service = &visit.target.gateway;
    let headers = "X-H: a\r\n".repeat(200);
    let request = format!(
        "GET /health HTTP/1.1\r\nHost: {}\r\n{headers}Connection: close\r\n\r\n",
        host(service)
    );
    let status = status(
        &visit
            .raw(service, request.as_bytes(), Duration::from_secs(5))
            .await?,
    );
    Seen::of(matches!(status, 200 | 400 | 431), status.to_string())
}

/// Sends `head`, then a byte each second until the connection is closed; says how long that took and what was answered.
async fn drip(
    visit: &Visit<'_>,
    service: &Url,
    head: &str,
    byte: &[u8],
) -> Result<(Duration, String)> {
    let start = Instant::now();
    let mut stream = visit.connect(service).await?;
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    while start.elapsed() < SLOW + Duration::from_secs(5) {
        if !byte.is_empty() && stream.write_all(byte).await.is_err() {
            break;
        }
        let before = Instant::now();
        let piece = read(&mut stream, Duration::from_secs(1)).await;
        answer += &piece;
        // It returned before its time: the connection was closed.
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
    Seen::of(
        *time <= SLOW && statuses.contains(&status),
        format!("{told} after {time:.0?}"),
    )
}

async fn slow_head(visit: &Visit<'_>) -> Result<Seen> {
    let service = &visit.target.gateway;
    let head = format!("GET /health HTTP/1.1\r\nHost: {}\r\nX-A: ", host(service));
    cut(&drip(visit, service, &head, b"a").await?, &[0, 408])
}

async fn half_head(visit: &Visit<'_>) -> Result<Seen> {
    cut(
        &drip(visit, &visit.target.auth, "GET /health HTTP/1.1\r\nHo", b"").await?,
        &[0, 408],
    )
}

async fn half_body(visit: &Visit<'_>) -> Result<Seen> {
    let service = &visit.target.gateway;
    let head = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\n{{",
        host(service)
    );
    cut(&drip(visit, service, &head, b"").await?, &[408])
}

async fn slow_body(visit: &Visit<'_>) -> Result<Seen> {
    let service = &visit.target.gateway;
    let head = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\n{{",
        host(service)
    );
    cut(&drip(visit, service, &head, b" ").await?, &[408])
}

async fn idle(visit: &Visit<'_>) -> Result<Seen> {
    let service = &visit.target.gateway;
    let mut connections = Vec::new();
    for _ in 0..64 {
        let mut stream = visit.connect(service).await?;
        stream.write_all(b"GET /health HT").await?;
        connections.push(stream);
    }
    let start = Instant::now();
    let answer = visit.once(visit.gateway(Method::GET, "/health")).await?;
    let time = start.elapsed();
    drop(connections);
    Seen::of(
        answer.status == 200 && time < Duration::from_secs(1),
        format!("{} after {time:.1?}", answer.status),
    )
}

async fn smuggled(visit: &Visit<'_>) -> Result<Seen> {
    let service = &visit.target.gateway;
    let host = host(service);
    let request = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
    );
    let answer = visit
        .raw(service, request.as_bytes(), Duration::from_secs(2))
        .await?;
    // RFC 9112, 6.1: chunked wins and the connection is closed, or the whole is refused.
    let smuggled = answer.contains("route_not_found");
    Seen::of(
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

async fn odd(visit: &Visit<'_>, head: &str) -> Result<Seen> {
    let mut seen = Vec::new();
    for service in [&visit.target.gateway, &visit.target.auth] {
        let text = head
            .replace("{host}", &host(service))
            .replace("{long}", &"A".repeat(10_000))
            .replace("{huge}", &"a".repeat(100_000));
        let answer = visit
            .raw(service, text.as_bytes(), Duration::from_secs(2))
            .await?;
        let status = status(&answer);
        let refused = status == 0 || status == 501 || (400..500).contains(&status);
        seen.push(Seen::of(refused, status.to_string())?);
    }
    Seen::all(seen, "4xx, or closed")
}
