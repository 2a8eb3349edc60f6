//! The security headers of every answer.

use anyhow::Result;
use futures::FutureExt as _;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::answer::Answer;
use super::case::{Case, case};
use super::seen::{Seen, Skip};
use super::visitor::{Visitor, random_text};

/// Headers that reveal the software of the service.
const BANNERS: [&str; 5] = [
    "server",
    "x-powered-by",
    "via",
    "x-runtime",
    "x-aspnet-version",
];

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, service) in [("gateway", 0), ("auth service", 1), ("core service", 2)] {
        cases.push(case(
            format!("every answer of the {name}"),
            "nosniff, CSP, frame-ancestors, no-referrer, no banner",
            move |visitor| service_answers(visitor, service).boxed(),
        ));
    }
    cases.extend([
        case(
            "behind TLS, and not behind TLS",
            "HSTS, and none",
            |visitor| hsts(visitor).boxed(),
        ),
        case(
            "payments, lists and problems",
            "Cache-Control: no-store",
            |visitor| no_store(visitor).boxed(),
        ),
        case(
            "X-Request-Id",
            "ours, or a harmless one of the caller's",
            |visitor| request_id(visitor).boxed(),
        ),
        case(
            "Origin of another site",
            "no Access-Control-Allow-Origin",
            |visitor| cors(visitor).boxed(),
        ),
    ]);
    cases
}

/// Answers of every kind: success, refusal, unknown route, malformed request.
async fn service_answers(visitor: &Visitor<'_>, service: usize) -> Result<Seen> {
    let request = |method: Method, path: &str| -> Result<RequestBuilder> {
        match service {
            0 => Ok(visitor.gateway(method, path)),
            1 => Ok(visitor.auth(method, path)),
            _ => visitor.core(method, path),
        }
    };
    let (health, write) = match service {
        0 => ("/health", "/api/v1/payments"),
        1 => ("/health", "/api/v1/auth/login"),
        _ => (
            "/api/health",
            "/api/v1/ops/jobs/job_01h2xcejqtf2nbrexx3vqjhp41/retry",
        ),
    };
    let requests = [
        request(Method::GET, health)?,
        request(Method::GET, "/nothing")?,
        request(Method::DELETE, health)?,
        request(Method::POST, write)?.json(&json!({})),
        request(Method::POST, write)?.body("a"),
        request(Method::POST, write)?
            .header("Content-Encoding", "gzip")
            .body("a"),
    ];
    let mut seen = Vec::new();
    for request in requests {
        let answer = visitor.ask(request).await?;
        seen.push(protected(&answer)?);
    }
    Seen::all(seen, "all of them on 6 answers")
}

fn protected(answer: &Answer) -> Result<Seen> {
    let says = |name: &str, word: &str| {
        answer
            .header(name)
            .is_some_and(|value| value.contains(word))
    };
    let missing = [
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'"),
        ("content-security-policy", "frame-ancestors 'none'"),
        ("referrer-policy", "no-referrer"),
    ]
    .into_iter()
    .find(|(name, word)| !says(name, word));
    let banner = BANNERS
        .into_iter()
        .find(|name| answer.header(name).is_some());
    let unsafe_inline = says("content-security-policy", "unsafe");
    match (missing, banner) {
        (Some((name, word)), _) => Seen::new(
            false,
            format!("{}: no {word} in {name}", answer.status_and_code()),
        ),
        (None, Some(banner)) => Seen::new(false, format!("{}: {banner}", answer.status_and_code())),
        (None, None) => Seen::new(!unsafe_inline, answer.status_and_code()),
    }
}

async fn hsts(visitor: &Visitor<'_>) -> Result<Seen> {
    const HSTS: &str = "strict-transport-security";
    if visitor.target.gateway.scheme() == "https" {
        let answer = visitor
            .once(visitor.gateway(Method::GET, "/health"))
            .await?;
        return Seen::new(
            answer.header(HSTS).is_some(),
            format!("{:?}", answer.header(HSTS)),
        );
    }
    if !visitor.target.is_local() {
        return Err(Skip("needs TLS, or services of this machine").into());
    }
    let behind = visitor
        .once(
            visitor
                .gateway(Method::GET, "/health")
                .header("X-Forwarded-Proto", "https"),
        )
        .await?;
    let plain = visitor
        .once(visitor.gateway(Method::GET, "/health"))
        .await?;
    let held = behind
        .header(HSTS)
        .is_some_and(|value| value.contains("max-age="))
        && plain.header(HSTS).is_none();
    Seen::new(
        held,
        format!("{:?}, and {:?}", behind.header(HSTS), plain.header(HSTS)),
    )
}

async fn no_store(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let payment = visitor
        .post(
            &user.token,
            "/api/v1/payments",
            &json!({"amount": 1099, "currency": "eur"}),
        )
        .await?;
    let path = format!("/api/v1/payments/{}", payment.field("id"));
    let answers = [
        visitor.get(&user.token, &path).await?,
        visitor.get(&user.token, "/api/v1/payments").await?,
        visitor.get(&user.token, "/api/v1/payments/nothing").await?,
        visitor.ask(visitor.gateway(Method::GET, &path)).await?,
        payment,
    ];
    let seen = answers.iter().map(|answer| {
        let said = answer.header("cache-control").unwrap_or("nothing");
        Seen::new(
            said.contains("no-store"),
            format!("{}: {said}", answer.status_and_code()),
        )
    });
    Seen::all(
        seen.collect::<Result<Vec<_>>>()?,
        "no-store on 201, 200, 404 and 401",
    )
}

async fn request_id(visitor: &Visitor<'_>) -> Result<Seen> {
    let mine = random_text();
    let kept = visitor
        .once(
            visitor
                .gateway(Method::GET, "/health")
                .header("X-Request-Id", &mine),
        )
        .await?;
    let mut seen = vec![Seen::new(
        kept.header("x-request-id") == Some(mine.as_str()),
        "a good id is lost",
    )?];
    for odd in [" ", "a b", &"a".repeat(129), "\u{e9}"] {
        let answer = visitor
            .once(
                visitor
                    .gateway(Method::GET, "/health")
                    .header("X-Request-Id", odd),
            )
            .await?;
        let ours = answer
            .header("x-request-id")
            .is_some_and(|id| !id.is_empty() && id != odd && id.is_ascii());
        seen.push(Seen::new(ours, format!("{odd:?} is kept"))?);
    }
    Seen::all(seen, "kept, or made anew")
}

async fn cors(visitor: &Visitor<'_>) -> Result<Seen> {
    let mut seen = Vec::new();
    for origin in ["https://evil.example", "null"] {
        for (method, path) in [
            (Method::GET, "/health"),
            (Method::OPTIONS, "/api/v1/payments"),
        ] {
            let request = visitor
                .gateway(method, path)
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "POST");
            let answer = visitor.once(request).await?;
            seen.push(Seen::new(
                answer.header("access-control-allow-origin").is_none(),
                format!("{origin} is allowed"),
            )?);
        }
    }
    Seen::all(seen, "none")
}
