//! Roles: a role that may read may not write.

use anyhow::{Context as _, Result, bail};
use futures::FutureExt as _;
use reqwest::Method;
use serde_json::json;

use super::case::{Case, case};
use super::forge::Forge;
use super::seen::Seen;
use super::visitor::{User, Visitor};

const JOBS: &str = "/api/v1/ops/jobs";
const RETRY: &str = "/api/v1/ops/jobs/job_01h2xcejqtf2nbrexx3vqjhp41/retry";

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "the operations API without a token",
            "401, the one answer",
            |visitor| without_a_token(visitor).boxed(),
        ),
        case(
            "a merchant's user at the operations API",
            "403 forbidden",
            |visitor| merchant(visitor).boxed(),
        ),
        case("a viewer reads", "200", |visitor| {
            viewer_reads(visitor).boxed()
        }),
        case("a viewer writes", "403 forbidden", |visitor| {
            viewer_writes(visitor).boxed()
        }),
        case(
            "an operator writes",
            "404 not_found for an unknown job",
            |visitor| operator_writes(visitor).boxed(),
        ),
        case(
            "an operator is demoted to viewer",
            "403 within 5 s",
            |visitor| demoted(visitor).boxed(),
        ),
        case(
            "a viewer at every write of the auth service",
            "403 forbidden",
            |visitor| walk(visitor).boxed(),
        ),
        case("the last admin leaves", "409 last_admin", |visitor| {
            last_admin(visitor).boxed()
        }),
        case(
            "what an admin did",
            "is in the audit: who, what, when, from where",
            |visitor| audit(visitor).boxed(),
        ),
    ]
}

/// A new user with this role in the admin's account, logged in there; and the user's id.
async fn member(visitor: &Visitor<'_>, admin: &User, role: &str) -> Result<(User, String)> {
    let user = visitor.user().await?;
    let account = Forge::parse(&admin.token)?.claims["account"]
        .as_str()
        .context("a token without account")?
        .to_owned();
    let id = Forge::parse(&user.token)?.claims["sub"]
        .as_str()
        .context("a token without sub")?
        .to_owned();
    let request = visitor
        .auth(Method::POST, "/api/v1/auth/members")
        .bearer_auth(&admin.token);
    let answer = visitor
        .ask(request.json(&json!({"email": user.email, "role": role})))
        .await?;
    if !answer.is_success() {
        bail!("a member could not be added: {}", answer.status_and_code());
    }
    Ok((
        visitor
            .log_in(&user.email, &user.password, Some(&account))
            .await?,
        id,
    ))
}

async fn remove(visitor: &Visitor<'_>, admin: &User, id: &str) -> Result<()> {
    let request = visitor.auth(Method::DELETE, &format!("/api/v1/auth/members/{id}"));
    visitor.ask(request.bearer_auth(&admin.token)).await?;
    Ok(())
}

async fn without_a_token(visitor: &Visitor<'_>) -> Result<Seen> {
    let read = visitor.ask(visitor.core(Method::GET, JOBS)?).await?;
    let write = visitor.ask(visitor.core(Method::POST, RETRY)?).await?;
    Seen::all([read.generic()?, write.generic()?], "401 unauthenticated")
}

async fn merchant(visitor: &Visitor<'_>) -> Result<Seen> {
    let (read, write) = (
        visitor.core(Method::GET, JOBS)?,
        visitor.core(Method::POST, RETRY)?,
    );
    let token = visitor.user().await?.token;
    let read = visitor.ask(read.bearer_auth(&token)).await?;
    let write = visitor.ask(write.bearer_auth(&token)).await?;
    Seen::all(
        [
            read.refused(&["403 forbidden"])?,
            write.refused(&["403 forbidden"])?,
        ],
        "403 forbidden",
    )
}

async fn viewer_reads(visitor: &Visitor<'_>) -> Result<Seen> {
    let request = visitor.core(Method::GET, JOBS)?;
    let admin = visitor.admin().await?;
    let (viewer, id) = member(visitor, &admin, "viewer").await?;
    let answer = visitor.ask(request.bearer_auth(&viewer.token)).await?;
    remove(visitor, &admin, &id).await?;
    Seen::new(answer.status == 200, answer.status_and_code())
}

async fn viewer_writes(visitor: &Visitor<'_>) -> Result<Seen> {
    let request = visitor.core(Method::POST, RETRY)?;
    let admin = visitor.admin().await?;
    let (viewer, id) = member(visitor, &admin, "viewer").await?;
    let answer = visitor
        .ask(request.bearer_auth(&viewer.token).json(&json!({})))
        .await?;
    remove(visitor, &admin, &id).await?;
    answer.refused(&["403 forbidden"])
}

async fn operator_writes(visitor: &Visitor<'_>) -> Result<Seen> {
    let request = visitor.core(Method::POST, RETRY)?;
    let admin = visitor.admin().await?;
    let (operator, id) = member(visitor, &admin, "operator").await?;
    let answer = visitor
        .ask(request.bearer_auth(&operator.token).json(&json!({})))
        .await?;
    remove(visitor, &admin, &id).await?;
    answer.refused(&["404 not_found"])
}

async fn demoted(visitor: &Visitor<'_>) -> Result<Seen> {
    let write = visitor.core(Method::POST, RETRY)?;
    let admin = visitor.admin().await?;
    let (operator, id) = member(visitor, &admin, "operator").await?;
    let request = visitor.auth(Method::PATCH, &format!("/api/v1/auth/members/{id}"));
    let changed = visitor
        .ask(
            request
                .bearer_auth(&admin.token)
                .json(&json!({"role": "viewer"})),
        )
        .await?;
    // A write reads the role from Postgres and is refused at once: for the role of viewer, or because the token is revoked.
    let answer = visitor
        .ask(write.bearer_auth(&operator.token).json(&json!({})))
        .await?;
    remove(visitor, &admin, &id).await?;
    let seen = answer.refused(&["403 forbidden", "401 unauthenticated"])?;
    Seen::all(
        [
            Seen::new(changed.is_success(), changed.status_and_code())?,
            seen,
        ],
        &answer.status_and_code(),
    )
}

async fn walk(visitor: &Visitor<'_>) -> Result<Seen> {
    let admin = visitor.admin().await?;
    let (viewer, id) = member(visitor, &admin, "viewer").await?;
    let document = visitor
        .ask(visitor.bare_auth(Method::GET, "/openapi.json"))
        .await?
        .json();
    let mut seen = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        // Routes about the user's own account need no role.
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
            let other = visitor.other()?;
            let request = other.auth(method.clone(), &path).bearer_auth(&viewer.token);
            let answer = other.ask(request.json(&json!({}))).await?;
            let refused = answer.refused(&["403 forbidden"])?;
            seen.push(match refused {
                Seen::Broken(what) => Seen::Broken(format!("{method} {path}: {what}")),
                held @ Seen::Held(_) => held,
            });
        }
    }
    remove(visitor, &admin, &id).await?;
    if seen.is_empty() {
        return Seen::new(false, "no route in /openapi.json");
    }
    let summary = format!("403 on {} routes", seen.len());
    Seen::all(seen, &summary)
}

async fn last_admin(visitor: &Visitor<'_>) -> Result<Seen> {
    let admin = visitor.admin().await?;
    let list = visitor
        .ask(
            visitor
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
        return Err(super::seen::Skip("needs an account with a single admin").into());
    }
    let id = Forge::parse(&admin.token)?.claims["sub"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let request = visitor.auth(Method::PATCH, &format!("/api/v1/auth/members/{id}"));
    let answer = visitor
        .ask(
            request
                .bearer_auth(&admin.token)
                .json(&json!({"role": "viewer"})),
        )
        .await?;
    answer.refused(&["409 last_admin"])
}

async fn audit(visitor: &Visitor<'_>) -> Result<Seen> {
    let admin = visitor.admin().await?;
    let (_, id) = member(visitor, &admin, "viewer").await?;
    remove(visitor, &admin, &id).await?;
    let list = visitor
        .ask(
            visitor
                .auth(Method::GET, "/api/v1/auth/audit?limit=100")
                .bearer_auth(&admin.token),
        )
        .await?
        .json();
    let who = Forge::parse(&admin.token)?.claims["sub"].clone();
    let records = list["data"].as_array().cloned().unwrap_or_default();
    let about: Vec<_> = records
        .iter()
        .filter(|record| record["target"] == id.as_str())
        .collect();
    let whole = about.iter().all(|record| {
        record["user_id"] == who && record["ip"].is_string() && record["created_at"].is_string()
    });
    Seen::new(
        about.len() >= 2 && whole,
        format!(
            "{} records of it, {}",
            about.len(),
            if whole { "whole" } else { "with gaps" }
        ),
    )
}
