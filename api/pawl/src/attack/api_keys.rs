//! API keys: asked for on every route of the auth service, shown once, revocable, and never in a query string.

use std::time::Duration;

use anyhow::Result;
use futures::FutureExt as _;
use infra::env::ExposeSecret as _;
use reqwest::Method;
use serde_json::json;
use tokio::time::Instant;

use super::answer::Answer;
use super::case::{Case, Seen, case};
use super::visit::{User, Visit};

const KEYS: &str = "/api/v1/auth/api_keys";
/// A revoked key may be remembered for so long.
const REMEMBERED: Duration = Duration::from_secs(5);

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "no key, on every route of the auth service",
            "401 but on health, JWKS and documents",
            |visit| walk(visit).boxed(),
        ),
        case("in a query string, at the auth service", "401", |visit| {
            query_of_auth(visit).boxed()
        }),
        case("in a query string, at the gateway", "401", |visit| {
            query_of_gateway(visit).boxed()
        }),
        case("given twice", "401", |visit| twice(visit).boxed()),
        case(
            "of the auth service, at the gateway",
            "401: it acts for no merchant",
            |visit| bootstrap(visit).boxed(),
        ),
        case("made by somebody who is no admin", "403", |visit| {
            forbidden(visit).boxed()
        }),
        case(
            "a new one",
            "128 random bits at least, shown once",
            |visit| shown_once(visit).boxed(),
        ),
        case("several at once", "both open the gateway", |visit| {
            several(visit).boxed()
        }),
        case(
            "a revoked one",
            "401 within 5 s, the other lives",
            |visit| revoked(visit).boxed(),
        ),
        case("one that the account has not, revoked", "404", |visit| {
            unknown(visit).boxed()
        }),
        case("listed by somebody who is no admin", "403", |visit| {
            listed(visit).boxed()
        }),
    ]
}

/// Makes a key of the admin's account: its id and itself.
pub(super) async fn create(visit: &Visit<'_>, admin: &User) -> Result<(Answer, String, String)> {
    let request = visit.auth(Method::POST, KEYS).bearer_auth(&admin.token);
    let answer = visit
        .ask(request.json(&json!({"name": "pawl attack"})))
        .await?;
    let (id, key) = (answer.field("id"), answer.field("key"));
    Ok((answer, id, key))
}

pub(super) async fn revoke(visit: &Visit<'_>, admin: &User, id: &str) -> Result<Answer> {
    let request = visit.auth(Method::DELETE, &format!("{KEYS}/{id}"));
    visit.ask(request.bearer_auth(&admin.token)).await
}

async fn pay(visit: &Visit<'_>, key: &str) -> Result<Answer> {
    visit
        .ask(
            visit
                .gateway(Method::GET, "/api/v1/payments")
                .header("X-API-Key", key),
        )
        .await
}

async fn walk(visit: &Visit<'_>) -> Result<Seen> {
    let document = visit
        .ask(visit.bare_auth(Method::GET, "/openapi.json"))
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
            let other = visit.other()?;
            let answer = other
                .ask(other.bare_auth(method, &path).json(&json!({})))
                .await?;
            seen.push(answer.generic()?);
        }
    }
    if seen.is_empty() {
        return Seen::of(false, "no route in /openapi.json");
    }
    let summary = format!("401 on {} routes", seen.len());
    Seen::all(seen, &summary)
}

async fn query_of_auth(visit: &Visit<'_>) -> Result<Seen> {
    let user = visit.user().await?;
    let key = visit.target.api_key.expose_secret();
    let body = json!({"email": user.email, "password": user.password});
    let mut seen = Vec::new();
    for name in ["api_key", "X-API-Key", "key"] {
        let path = format!("/api/v1/auth/login?{name}={key}");
        seen.push(
            visit
                .ask(visit.bare_auth(Method::POST, &path).json(&body))
                .await?
                .generic()?,
        );
    }
    Seen::all(seen, "401 unauthenticated")
}

async fn query_of_gateway(visit: &Visit<'_>) -> Result<Seen> {
    let (_, id, key) = create(visit, &visit.admin().await?).await?;
    let mut seen = Vec::new();
    for name in ["api_key", "X-API-Key", "key"] {
        let path = format!("/api/v1/payments?{name}={key}");
        seen.push(
            visit
                .ask(visit.gateway(Method::GET, &path))
                .await?
                .generic()?,
        );
    }
    revoke(visit, &visit.admin().await?, &id).await?;
    Seen::all(seen, "401 unauthenticated")
}

async fn twice(visit: &Visit<'_>) -> Result<Seen> {
    let request = visit.auth(Method::POST, "/api/v1/auth/login");
    let key = visit.target.api_key.expose_secret();
    visit
        .ask(request.header("X-API-Key", key).json(&json!({})))
        .await?
        .generic()
}

async fn bootstrap(visit: &Visit<'_>) -> Result<Seen> {
    pay(visit, visit.target.api_key.expose_secret())
        .await?
        .generic()
}

async fn forbidden(visit: &Visit<'_>) -> Result<Seen> {
    create(visit, &visit.user().await?)
        .await?
        .0
        .refused(&["403 forbidden"])
}

async fn shown_once(visit: &Visit<'_>) -> Result<Seen> {
    let admin = visit.admin().await?;
    let (answer, id, key) = create(visit, &admin).await?;
    let prefix = answer.field("prefix");
    let random = key.strip_prefix("pawl_").unwrap_or(&key).len();
    let list = visit
        .ask(visit.auth(Method::GET, KEYS).bearer_auth(&admin.token))
        .await?;
    revoke(visit, &admin, &id).await?;
    if answer.status != 201 || list.status != 200 {
        return Seen::of(false, format!("{}, list {}", answer.told(), list.told()));
    }
    // 22 characters of base64 hold 128 bits.
    let visible = !prefix.is_empty()
        && key.starts_with(&prefix)
        && prefix.len() + 22 <= key.len() + "pawl_".len();
    let hidden = !list.text.contains(&key) && list.text.contains(&id);
    let kept = answer
        .header("cache-control")
        .is_some_and(|said| said.contains("no-store"));
    Seen::of(
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

async fn several(visit: &Visit<'_>) -> Result<Seen> {
    let admin = visit.admin().await?;
    let (_, one_id, one) = create(visit, &admin).await?;
    let (_, two_id, two) = create(visit, &admin).await?;
    let answers = (pay(visit, &one).await?, pay(visit, &two).await?);
    revoke(visit, &admin, &one_id).await?;
    revoke(visit, &admin, &two_id).await?;
    let held = one != two && answers.0.status == 200 && answers.1.status == 200;
    Seen::of(
        held,
        format!("{} and {}", answers.0.told(), answers.1.told()),
    )
}

async fn revoked(visit: &Visit<'_>) -> Result<Seen> {
    let admin = visit.admin().await?;
    let (_, id, key) = create(visit, &admin).await?;
    let (_, other_id, other) = create(visit, &admin).await?;
    let before = pay(visit, &key).await?;
    let gone = revoke(visit, &admin, &id).await?;
    let start = Instant::now();
    let mut after = pay(visit, &key).await?;
    while after.status == 200 && start.elapsed() < REMEMBERED + Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        after = pay(visit, &key).await?;
    }
    let seconds = start.elapsed();
    let lives = pay(visit, &other).await?;
    revoke(visit, &admin, &other_id).await?;
    let held =
        before.status == 200 && gone.is_success() && after.status == 401 && lives.status == 200;
    Seen::of(
        held,
        format!(
            "{}, revoked {}, then {} after {seconds:.1?}; the other {}",
            before.told(),
            gone.told(),
            after.told(),
            lives.told()
        ),
    )
}

async fn unknown(visit: &Visit<'_>) -> Result<Seen> {
    let admin = visit.admin().await?;
    revoke(visit, &admin, "key_01h2xcejqtf2nbrexx3vqjhp41")
        .await?
        .refused(&["404 not_found"])
}

async fn listed(visit: &Visit<'_>) -> Result<Seen> {
    let stranger = visit.user().await?;
    let request = visit.auth(Method::GET, KEYS).bearer_auth(&stranger.token);
    visit.ask(request).await?.refused(&["403 forbidden"])
}
