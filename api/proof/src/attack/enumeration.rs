//! Enumeration: no answer reveals whether an e-mail address is registered.

use anyhow::Result;
use futures::FutureExt as _;
use reqwest::Method;
use serde_json::json;

use super::answer::Answer;
use super::case::{Case, case};
use super::seen::Seen;
use super::visitor::{Visitor, random_text};

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "unknown user and wrong password",
            "the same 401, with the same headers",
            |visitor| login(visitor).boxed(),
        ),
        case(
            "wrong API key, none, and a revoked one's shape",
            "the same 401",
            |visitor| key(visitor).boxed(),
        ),
        case(
            "an e-mail address in another case",
            "one user: 409 email_taken",
            |visitor| spelling(visitor).boxed(),
        ),
    ]
}

/// The names of headers, except those that belong to one request or to a rate limit.
fn headers(answer: &Answer) -> Vec<String> {
    let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort();
    names
}

async fn login(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let wrong = json!({"email": user.email, "password": random_text()});
    let unknown = json!({"email": format!("nobody-{}@pawl.example", random_text()), "password": random_text()});
    let wrong = visitor
        .other()?
        .post_auth("/api/v1/auth/login", &wrong)
        .await?;
    let unknown = visitor
        .other()?
        .post_auth("/api/v1/auth/login", &unknown)
        .await?;
    if !wrong.same(&unknown) || headers(&wrong) != headers(&unknown) {
        return Seen::new(
            false,
            format!(
                "{} {:?}, {} {:?}",
                wrong.text,
                headers(&wrong),
                unknown.text,
                headers(&unknown)
            ),
        );
    }
    wrong.generic()
}

async fn key(visitor: &Visitor<'_>) -> Result<Seen> {
    let ask = |key: Option<&str>| {
        let request = visitor
            .bare_auth(Method::POST, "/api/v1/auth/login")
            .json(&json!({}));
        match key {
            Some(key) => request.header("X-API-Key", key),
            None => request,
        }
    };
    let none = visitor.ask(ask(None)).await?;
    let mut seen = vec![none.generic()?];
    for key in [
        "wrong",
        "pawl_0123456789abcdefghijklmnopqrstuvwxyz0123456",
        "",
    ] {
        let answer = visitor.ask(ask(Some(key))).await?;
        seen.push(Seen::new(
            answer.same(&none),
            format!("another body for {key:?}: {}", answer.text),
        )?);
    }
    Seen::all(seen, "401 unauthenticated, one body for all")
}

async fn spelling(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let body = json!({"email": user.email.to_uppercase(), "password": random_text()});
    let answer = visitor.post_auth("/api/v1/auth/register", &body).await?;
    answer.refused(&["409 email_taken"])
}
