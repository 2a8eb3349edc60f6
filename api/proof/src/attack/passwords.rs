//! Passwords: the length is checked before hashing, no password is truncated, and hashing delays no other request.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures::FutureExt as _;
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::answer::Answer;
use super::case::{Case, case};
use super::seen::Seen;
use super::visitor::{User, Visitor, random_text};

/// Logins at the same time.
const STORM: usize = 100;

/// Pairs of passwords that a careless service treats as equal.
const LIKE: [(&str, &str, &str); 6] = [
    (
        "a space at the end counts",
        "correct horse ",
        "correct horse",
    ),
    (
        "a space at the start counts",
        " correct horse",
        "correct horse",
    ),
    (
        "what follows NUL counts",
        "correct\u{0}horse",
        "correct\u{0}house",
    ),
    ("case counts", "Correct horse", "correct horse"),
    (
        "letters that look alike differ",
        "p\u{e4}ssw\u{f6}rter",
        "passworter",
    ),
    (
        "an emoji counts",
        "horse \u{1f40e} battery",
        "horse \u{1f404} battery",
    ),
];

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("7 and 257 characters", "422 at registration", |visitor| {
            lengths(visitor).boxed()
        }),
        case(
            "8 and 256 characters, in four-byte letters",
            "201, and login works",
            |visitor| longest(visitor).boxed(),
        ),
        case(
            "no truncation at 72 bytes or 255 characters",
            "401 for another last letter",
            |visitor| cut(visitor).boxed(),
        ),
        case(
            "60,000 characters at login",
            "401 or 422 within 1 s",
            |visitor| huge(visitor).boxed(),
        )
        .alone(),
        case(
            "100 logins at once",
            "/health within 1 s, no 5xx but 503",
            |visitor| storm(visitor).boxed(),
        )
        .alone(),
        case(
            "a letter composed in another way",
            "200: it is the same password (NFKC)",
            |visitor| composed(visitor).boxed(),
        ),
        case(
            "a change of password",
            "the old one ends, and so do its sessions",
            |visitor| change(visitor).boxed(),
        ),
    ];
    cases.extend(LIKE.into_iter().map(|(name, password, like)| {
        case(name, "200, and 401 for what is like it", move |visitor| {
            alike(visitor, password, like).boxed()
        })
    }));
    cases
}

async fn register(visitor: &Visitor<'_>, password: &str) -> Result<Answer> {
    let body =
        json!({"email": format!("attack-{}@pawl.example", random_text()), "password": password});
    visitor
        .other()?
        .post_auth("/api/v1/auth/register", &body)
        .await
}

async fn login(visitor: &Visitor<'_>, user: &User, password: &str) -> Result<Answer> {
    let body = json!({"email": user.email, "password": password});
    visitor
        .other()?
        .post_auth("/api/v1/auth/login", &body)
        .await
}

async fn lengths(visitor: &Visitor<'_>) -> Result<Seen> {
    let mut seen = Vec::new();
    for length in [0, 7, 257] {
        seen.push(
            register(visitor, &"\u{1f40e}".repeat(length))
                .await?
                .refused(&["422 invalid_field"])?,
        );
    }
    Seen::all(seen, "422 invalid_field")
}

async fn longest(visitor: &Visitor<'_>) -> Result<Seen> {
    for length in [8, 256] {
        let email = format!("attack-{}@pawl.example", random_text().to_lowercase());
        visitor
            .user_with(&email, &"\u{1f40e}".repeat(length))
            .await?;
    }
    Seen::new(true, "201, and 200")
}

async fn cut(visitor: &Visitor<'_>) -> Result<Seen> {
    let mut seen = Vec::new();
    for length in [72, 73, 255, 256] {
        let email = format!("attack-{}@pawl.example", random_text().to_lowercase());
        let start = "a".repeat(length - 1);
        let user = visitor.user_with(&email, &format!("{start}b")).await?;
        seen.push(
            login(visitor, &user, &format!("{start}c"))
                .await?
                .generic()?,
        );
        seen.push(login(visitor, &user, &start).await?.generic()?);
    }
    Seen::all(seen, "401 unauthenticated")
}

async fn huge(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let start = Instant::now();
    let answer = login(visitor, &user, &"x".repeat(60_000)).await?;
    let quick = start.elapsed() < Duration::from_secs(1);
    Seen::new(
        quick && matches!(answer.status, 401 | 422),
        format!("{} after {:.1?}", answer.status_and_code(), start.elapsed()),
    )
}

async fn storm(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let logins = join_all((0..STORM).map(|_| login(visitor, &user, "a wrong password")));
    let health = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..10 {
            let start = Instant::now();
            let answer = visitor
                .once(visitor.bare_auth(Method::GET, "/health"))
                .await?;
            slowest = slowest.max(start.elapsed());
            if answer.status != 200 {
                return Ok((answer.status, slowest));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::Ok((200, slowest))
    };
    let (answers, health) = tokio::join!(logins, health);
    let (status, slowest) = health?;
    let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
    let odd = answers
        .iter()
        .find(|answer| !matches!(answer.status, 401 | 429 | 503));
    if let Some(odd) = odd {
        return Seen::new(false, odd.status_and_code());
    }
    let refused = answers.iter().filter(|answer| answer.status == 401).count();
    let held = status == 200 && slowest < Duration::from_secs(1) && refused > 0;
    Seen::new(
        held,
        format!("/health {status} within {slowest:.1?}; {refused} of {STORM} verified"),
    )
}

async fn change(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let next = random_text();
    let request = visitor
        .auth(Method::POST, "/api/v1/auth/password")
        .bearer_auth(&user.token);
    let body = json!({"current_password": user.password, "new_password": next});
    let wrong = json!({"current_password": "not this one", "new_password": next});
    let again = request
        .try_clone()
        .unwrap_or_else(|| visitor.auth(Method::POST, "/api/v1/auth/password"));
    let refused = visitor.ask(again.json(&wrong)).await?;
    let changed = visitor.ask(request.json(&body)).await?;
    let old = login(visitor, &user, &user.password).await?;
    let new = login(visitor, &user, &next).await?;
    let session = visitor
        .post_auth(
            "/api/v1/auth/refresh",
            &json!({"refresh_token": user.refresh}),
        )
        .await?;
    let held = refused.status == 401
        && changed.is_success()
        && old.status == 401
        && new.status == 200
        && session.status == 401;
    Seen::new(
        held,
        format!(
            "wrong {}, changed {}, then old {}, new {}, old session {}",
            refused.status_and_code(),
            changed.status_and_code(),
            old.status,
            new.status,
            session.status
        ),
    )
}

async fn composed(visitor: &Visitor<'_>) -> Result<Seen> {
    let email = format!("attack-{}@pawl.example", random_text().to_lowercase());
    let user = visitor.user_with(&email, "caf\u{e9} au lait").await?;
    let answer = login(visitor, &user, "cafe\u{301} au lait").await?;
    Seen::new(answer.status == 200, answer.status_and_code())
}

async fn alike(visitor: &Visitor<'_>, password: &str, like: &str) -> Result<Seen> {
    let email = format!("attack-{}@pawl.example", random_text().to_lowercase());
    let user = visitor.user_with(&email, password).await?;
    login(visitor, &user, like).await?.generic()
}
