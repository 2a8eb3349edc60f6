//! API keys: required on every route of the auth service, shown once, revocable, and refused in a query string.

use std::time::Duration;

use anyhow::Result;
use futures::FutureExt as _;
use infra::env::ExposeSecret as _;
use reqwest::Method;
use serde_json::json;
use tokio::time::Instant;

use super::answer::Answer;
use super::case::{Case, case};
use super::seen::Seen;
use super::visitor::{User, Visitor};

const KEYS: &str = "/api/v1/auth/api_keys";
/// A revoked key may be cached for this time.
const REMEMBERED: Duration = Duration::from_secs(5);

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "no key, on every route of the auth service",
            "401 but on health, JWKS and documents",
            |visitor| walk(visitor).boxed(),
        ),
        case("in a query string, at the auth service", "401", |visitor| {
            query_of_auth(visitor).boxed()
        }),
        case("in a query string, at the gateway", "401", |visitor| {
            query_of_gateway(visitor).boxed()
        }),
        case("given twice", "401", |visitor| twice(visitor).boxed()),
        case(
            "of the auth service, at the gateway",
            "401: it acts for no merchant",
            |visitor| bootstrap(visitor).boxed(),
        ),
        case("created by a user who is no admin", "403", |visitor| {
            forbidden(visitor).boxed()
        }),
        case(
            "a new one",
            "128 random bits at least, shown once",
            |visitor| shown_once(visitor).boxed(),
        ),
        case("several at once", "both open the gateway", |visitor| {
            several(visitor).boxed()
        }),
        case(
            "a revoked one",
            "401 within 5 s, the other lives",
            |visitor| revoked(visitor).boxed(),
        ),
        case("one that the account has not, revoked", "404", |visitor| {
            unknown(visitor).boxed()
        }),
        case("listed by a user who is no admin", "403", |visitor| {
            listed(visitor).boxed()
        }),
    ]
}

/// Creates a key of the admin's account; its id and the key.
pub(super) async fn create(
    visitor: &Visitor<'_>,
    admin: &User,
) -> Result<(Answer, String, String)> {
    let request = visitor.auth(Method::POST, KEYS).bearer_auth(&admin.token);
    let answer = visitor
        .ask(request.json(&json!({"name": "pawl attack"})))
        .await?;
    let (id, key) = (answer.field("id"), answer.field("key"));
    Ok((answer, id, key))
}

pub(super) async fn revoke(visitor: &Visitor<'_>, admin: &User, id: &str) -> Result<Answer> {
    let request = visitor.auth(Method::DELETE, &format!("{KEYS}/{id}"));
    visitor.ask(request.bearer_auth(&admin.token)).await
}

async fn pay(visitor: &Visitor<'_>, key: &str) -> Result<Answer> {
    visitor
        .ask(
            visitor
                .gateway(Method::GET, "/api/v1/payments")
                .header("X-API-Key", key),
        )
        .await
}

async fn walk(visitor: &Visitor<'_>) -> Result<Seen> {
    let document = visitor
        .ask(visitor.bare_auth(Method::GET, "/openapi.json"))
        .await?
        .json();
    let paths = document["paths"].as_object().cloned().unwrap_or_default();
    let mut seen = Vec::new();
    for (path, item) in &paths {
        for method in item.as_object().into_iter().flat_map(serde_json::Map::keys) {
            if !path.starts_with("/api/") {
                continue;
            }
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            let path = path.replace(['{', '}'], "");
            let other = visitor.other()?;
            let answer = other
                .ask(other.bare_auth(method, &path).json(&json!({})))
                .await?;
            seen.push(answer.generic()?);
        }
    }
    if seen.is_empty() {
        return Seen::new(false, "no route in /openapi.json");
    }
    let summary = format!("401 on {} routes", seen.len());
    Seen::all(seen, &summary)
}

async fn query_of_auth(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let key = visitor.target.api_key.expose_secret();
    let body = json!({"email": user.email, "password": user.password});
    let mut seen = Vec::new();
    for name in ["api_key", "X-API-Key", "key"] {
        let path = format!("/api/v1/auth/login?{name}={key}");
        seen.push(
            visitor
                .ask(visitor.bare_auth(Method::POST, &path).json(&body))
                .await?
                .generic()?,
        );
    }
    Seen::all(seen, "401 unauthenticated")
}

async fn query_of_gateway(visitor: &Visitor<'_>) -> Result<Seen> {
    let (_, id, key) = create(visitor, &visitor.admin().await?).await?;
    let mut seen = Vec::new();
    for name in ["api_key", "X-API-Key", "key"] {
        let path = format!("/api/v1/payments?{name}={key}");
        seen.push(
            visitor
                .ask(visitor.gateway(Method::GET, &path))
                .await?
                .generic()?,
        );
    }
    revoke(visitor, &visitor.admin().await?, &id).await?;
    Seen::all(seen, "401 unauthenticated")
}

async fn twice(visitor: &Visitor<'_>) -> Result<Seen> {
    let request = visitor.auth(Method::POST, "/api/v1/auth/login");
    let key = visitor.target.api_key.expose_secret();
    visitor
        .ask(request.header("X-API-Key", key).json(&json!({})))
        .await?
        .generic()
}

async fn bootstrap(visitor: &Visitor<'_>) -> Result<Seen> {
    pay(visitor, visitor.target.api_key.expose_secret())
        .await?
        .generic()
}

async fn forbidden(visitor: &Visitor<'_>) -> Result<Seen> {
    create(visitor, &visitor.user().await?)
        .await?
        .0
        .refused(&["403 forbidden"])
}

async fn shown_once(visitor: &Visitor<'_>) -> Result<Seen> {
    let admin = visitor.admin().await?;
    let (answer, id, key) = create(visitor, &admin).await?;
    let prefix = answer.field("prefix");
    let random = key.strip_prefix("pawl_").unwrap_or(&key).len();
    let list = visitor
        .ask(visitor.auth(Method::GET, KEYS).bearer_auth(&admin.token))
        .await?;
    revoke(visitor, &admin, &id).await?;
    if answer.status != 201 || list.status != 200 {
        return Seen::new(
            false,
            format!(
                "{}, list {}",
                answer.status_and_code(),
                list.status_and_code()
            ),
        );
    }
    // 22 characters of base64 hold 128 bits.
    let visible = !prefix.is_empty()
        && key.starts_with(&prefix)
        && prefix.len() + 22 <= key.len() + "pawl_".len();
    let hidden = !list.text.contains(&key) && list.text.contains(&id);
    let kept = answer
        .header("cache-control")
        .is_some_and(|said| said.contains("no-store"));
    Seen::new(
        random >= 22 && visible && hidden && kept,
        format!(
            "{random} characters, {}, {}",
            if hidden {
                "shown once"
            } else {
                "shown again in the list"
            },
            if kept { "no-store" } else { "may be stored" }
        ),
    )
}

async fn several(visitor: &Visitor<'_>) -> Result<Seen> {
    let admin = visitor.admin().await?;
    let (_, one_id, one) = create(visitor, &admin).await?;
    let (_, two_id, two) = create(visitor, &admin).await?;
    let answers = (pay(visitor, &one).await?, pay(visitor, &two).await?);
    revoke(visitor, &admin, &one_id).await?;
    revoke(visitor, &admin, &two_id).await?;
    let held = one != two && answers.0.status == 200 && answers.1.status == 200;
    Seen::new(
        held,
        format!(
            "{} and {}",
            answers.0.status_and_code(),
            answers.1.status_and_code()
        ),
    )
}

async fn revoked(visitor: &Visitor<'_>) -> Result<Seen> {
    let admin = visitor.admin().await?;
    let (_, id, key) = create(visitor, &admin).await?;
    let (_, other_id, other) = create(visitor, &admin).await?;
    let before = pay(visitor, &key).await?;
    let gone = revoke(visitor, &admin, &id).await?;
    let start = Instant::now();
    let mut after = pay(visitor, &key).await?;
    while after.status == 200 && start.elapsed() < REMEMBERED + Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        after = pay(visitor, &key).await?;
    }
    let seconds = start.elapsed();
    let lives = pay(visitor, &other).await?;
    revoke(visitor, &admin, &other_id).await?;
    let held =
        before.status == 200 && gone.is_success() && after.status == 401 && lives.status == 200;
    Seen::new(
        held,
        format!(
            "{}, revoked {}, then {} after {seconds:.1?}; the other {}",
            before.status_and_code(),
            gone.status_and_code(),
            after.status_and_code(),
            lives.status_and_code()
        ),
    )
}

async fn unknown(visitor: &Visitor<'_>) -> Result<Seen> {
    let admin = visitor.admin().await?;
    revoke(visitor, &admin, "key_01h2xcejqtf2nbrexx3vqjhp41")
        .await?
        .refused(&["404 not_found"])
}

async fn listed(visitor: &Visitor<'_>) -> Result<Seen> {
    let stranger = visitor.user().await?;
    let request = visitor.auth(Method::GET, KEYS).bearer_auth(&stranger.token);
    visitor.ask(request).await?.refused(&["403 forbidden"])
}
