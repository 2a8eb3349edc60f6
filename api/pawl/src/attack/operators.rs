//! Roles: who may look does not therefore write.

use anyhow::{Context as _, Result, bail};
use futures::FutureExt as _;
use reqwest::Method;
use serde_json::json;

use super::case::{Case, Seen, case};
use super::forge::Forge;
use super::visit::{User, Visit};

const JOBS: &str = "/api/v1/ops/jobs";
const RETRY: &str = "/api/v1/ops/jobs/job_01h2xcejqtf2nbrexx3vqjhp41/retry";

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "nobody at the operations API",
            "401, the one answer",
            |visit| nobody(visit).boxed(),
        ),
        case(
            "a merchant's user at the operations API",
            "403 forbidden",
            |visit| merchant(visit).boxed(),
        ),
        case("a viewer reads", "200", |visit| viewer_reads(visit).boxed()),
        case("a viewer writes", "403 forbidden", |visit| {
            viewer_writes(visit).boxed()
        }),
        case(
            "an operator writes",
            "404 not_found for an unknown job",
            |visit| operator_writes(visit).boxed(),
        ),
        case(
            "an operator is demoted to viewer",
            "403 within 5 s",
            |visit| demoted(visit).boxed(),
        ),
        case(
            "a viewer at every write of the auth service",
            "403 forbidden",
            |visit| walk(visit).boxed(),
        ),
        case("the last admin leaves", "409 last_admin", |visit| {
            last_admin(visit).boxed()
        }),
        case(
            "what an admin did",
            "is in the audit: who, what, when, from where",
            |visit| audit(visit).boxed(),
        ),
    ]
}

/// A new user with this role in the admin's account, logged in there; and the user's id.
async fn member(visit: &Visit<'_>, admin: &User, role: &str) -> Result<(User, String)> {
    let user = visit.user().await?;
    let account = Forge::of(&admin.token)?.claims["account"]
        .as_str()
        .context("a token without account")?
        .to_owned();
    let id = Forge::of(&user.token)?.claims["sub"]
        .as_str()
        .context("a token without sub")?
        .to_owned();
    let request = visit
        .auth(Method::POST, "/api/v1/auth/members")
        .bearer_auth(&admin.token);
    let answer = visit
        .ask(request.json(&json!({"email": user.email, "role": role})))
        .await?;
    if !answer.is_success() {
        bail!("a member could not be added: {}", answer.told());
    }
    Ok((
        visit
            .log_in(&user.email, &user.password, Some(&account))
            .await?,
        id,
    ))
}

async fn remove(visit: &Visit<'_>, admin: &User, id: &str) -> Result<()> {
    let request = visit.auth(Method::DELETE, &format!("/api/v1/auth/members/{id}"));
    visit.ask(request.bearer_auth(&admin.token)).await?;
    Ok(())
}

async fn nobody(visit: &Visit<'_>) -> Result<Seen> {
    let read = visit.ask(visit.core(Method::GET, JOBS)?).await?;
    let write = visit.ask(visit.core(Method::POST, RETRY)?).await?;
    Seen::all([read.generic()?, write.generic()?], "401 unauthenticated")
}

async fn merchant(visit: &Visit<'_>) -> Result<Seen> {
    let (read, write) = (
        visit.core(Method::GET, JOBS)?,
        visit.core(Method::POST, RETRY)?,
    );
    let token = visit.user().await?.token;
    let read = visit.ask(read.bearer_auth(&token)).await?;
    let write = visit.ask(write.bearer_auth(&token)).await?;
    Seen::all(
        [
            read.refused(&["403 forbidden"])?,
            write.refused(&["403 forbidden"])?,
        ],
        "403 forbidden",
    )
}

async fn viewer_reads(visit: &Visit<'_>) -> Result<Seen> {
    let request = visit.core(Method::GET, JOBS)?;
    let admin = visit.admin().await?;
    let (viewer, id) = member(visit, &admin, "viewer").await?;
    let answer = visit.ask(request.bearer_auth(&viewer.token)).await?;
    remove(visit, &admin, &id).await?;
    Seen::of(answer.status == 200, answer.told())
}

async fn viewer_writes(visit: &Visit<'_>) -> Result<Seen> {
    let request = visit.core(Method::POST, RETRY)?;
    let admin = visit.admin().await?;
    let (viewer, id) = member(visit, &admin, "viewer").await?;
    let answer = visit
        .ask(request.bearer_auth(&viewer.token).json(&json!({})))
        .await?;
    remove(visit, &admin, &id).await?;
    answer.refused(&["403 forbidden"])
}

async fn operator_writes(visit: &Visit<'_>) -> Result<Seen> {
    let request = visit.core(Method::POST, RETRY)?;
    let admin = visit.admin().await?;
    let (operator, id) = member(visit, &admin, "operator").await?;
    let answer = visit
        .ask(request.bearer_auth(&operator.token).json(&json!({})))
        .await?;
    remove(visit, &admin, &id).await?;
    answer.refused(&["404 not_found"])
}

async fn demoted(visit: &Visit<'_>) -> Result<Seen> {
    let write = visit.core(Method::POST, RETRY)?;
    let admin = visit.admin().await?;
    let (operator, id) = member(visit, &admin, "operator").await?;
    let request = visit.auth(Method::PATCH, &format!("/api/v1/auth/members/{id}"));
    let changed = visit
        .ask(
            request
                .bearer_auth(&admin.token)
                .json(&json!({"role": "viewer"})),
        )
        .await?;
    // A write reads the role from Postgres, so it is refused at once: as a viewer's, or because the token ended.
    let answer = visit
        .ask(write.bearer_auth(&operator.token).json(&json!({})))
        .await?;
    remove(visit, &admin, &id).await?;
    let seen = answer.refused(&["403 forbidden", "401 unauthenticated"])?;
    Seen::all(
        [Seen::of(changed.is_success(), changed.told())?, seen],
        &answer.told(),
    )
}

async fn walk(visit: &Visit<'_>) -> Result<Seen> {
    let admin = visit.admin().await?;
    let (viewer, id) = member(visit, &admin, "viewer").await?;
    let document = visit
        .ask(visit.bare_auth(Method::GET, "/openapi.json"))
        .await?
        .json();
    let mut seen = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        // A person's own affairs are nobody's to allow.
        let own = ["register", "login", "refresh", "logout", "password"]
            .iter()
            .any(|own| path.ends_with(own));
        for method in item.as_object().into_iter().flat_map(serde_json::Map::keys) {
            if own || method == "get" || !path.starts_with("/api/") {
                continue;
            }
            let method: Method = method.to_uppercase().parse()?;
            let path = path
                .replace("{id}", "key_01h2xcejqtf2nbrexx3vqjhp41")
                .replace("{user_id}", "usr_01h2xcejqtf2nbrexx3vqjhp41");
            let other = visit.other()?;
            let request = other.auth(method.clone(), &path).bearer_auth(&viewer.token);
            let answer = other.ask(request.json(&json!({}))).await?;
            let refused = answer.refused(&["403 forbidden"])?;
            seen.push(match refused {
                Seen::Broken(what) => Seen::Broken(format!("{method} {path}: {what}")),
                held @ Seen::Held(_) => held,
            });
        }
    }
    remove(visit, &admin, &id).await?;
    if seen.is_empty() {
        return Seen::of(false, "no route in /openapi.json");
    }
    let summary = format!("403 on {} routes", seen.len());
    Seen::all(seen, &summary)
}

async fn last_admin(visit: &Visit<'_>) -> Result<Seen> {
    let admin = visit.admin().await?;
    let list = visit
        .ask(
            visit
                .auth(Method::GET, "/api/v1/auth/members?limit=100")
                .bearer_auth(&admin.token),
        )
        .await?
        .json();
    let admins = list["data"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|member| member["role"] == "admin")
        .count();
    if admins != 1 {
        return Err(super::case::Skip("needs an account with a single admin").into());
    }
    let id = Forge::of(&admin.token)?.claims["sub"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let request = visit.auth(Method::PATCH, &format!("/api/v1/auth/members/{id}"));
    let answer = visit
        .ask(
            request
                .bearer_auth(&admin.token)
                .json(&json!({"role": "viewer"})),
        )
        .await?;
    answer.refused(&["409 last_admin"])
}

async fn audit(visit: &Visit<'_>) -> Result<Seen> {
    let admin = visit.admin().await?;
    let (_, id) = member(visit, &admin, "viewer").await?;
    remove(visit, &admin, &id).await?;
    let list = visit
        .ask(
            visit
                .auth(Method::GET, "/api/v1/auth/audit?limit=100")
                .bearer_auth(&admin.token),
        )
        .await?
        .json();
    let who = Forge::of(&admin.token)?.claims["sub"].clone();
    let records = list["data"].as_array().cloned().unwrap_or_default();
    let about: Vec<_> = records
        .iter()
        .filter(|record| record["target"] == id.as_str())
        .collect();
    let whole = about.iter().all(|record| {
        record["user_id"] == who && record["ip"].is_string() && record["created_at"].is_string()
    });
    Seen::of(
        about.len() >= 2 && whole,
        format!(
            "{} records of it, {}",
            about.len(),
            if whole { "whole" } else { "with gaps" }
        ),
    )
}
