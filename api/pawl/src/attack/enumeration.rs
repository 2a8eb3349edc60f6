//! Who has a user here is nobody's business.

use anyhow::Result;
use futures::FutureExt as _;
use reqwest::Method;
use serde_json::json;

use super::answer::Answer;
use super::case::{Case, Seen, case};
use super::visit::{Visit, word};

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "unknown user and wrong password",
            "the same 401, with the same headers",
            |visit| login(visit).boxed(),
        ),
        case(
            "wrong API key, none, and a revoked one's shape",
            "the same 401",
            |visit| key(visit).boxed(),
        ),
        case(
            "an e-mail address in another case",
            "one user: 409 email_taken",
            |visit| spelling(visit).boxed(),
        ),
    ]
}

/// The names of headers, without what belongs to one request or to a limit's count.
fn headers(answer: &Answer) -> Vec<String> {
    let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort();
    names
}

async fn login(visit: &Visit<'_>) -> Result<Seen> {
    let user = visit.user().await?;
    let wrong = json!({"email": user.email, "password": word()});
    let unknown = json!({"email": format!("nobody-{}@pawl.example", word()), "password": word()});
    let wrong = visit.other()?.tell("/api/v1/auth/login", &wrong).await?;
    let unknown = visit.other()?.tell("/api/v1/auth/login", &unknown).await?;
    if !wrong.same(&unknown) || headers(&wrong) != headers(&unknown) {
        return Seen::of(
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

async fn key(visit: &Visit<'_>) -> Result<Seen> {
    let ask = |key: Option<&str>| {
        let request = visit
            .bare_auth(Method::POST, "/api/v1/auth/login")
            .json(&json!({}));
        match key {
            Some(key) => request.header("X-API-Key", key),
            None => request,
        }
    };
    let none = visit.ask(ask(None)).await?;
    let mut seen = vec![none.generic()?];
    for key in [
        "wrong",
        "pawl_0123456789abcdefghijklmnopqrstuvwxyz0123456",
        "",
    ] {
        let answer = visit.ask(ask(Some(key))).await?;
        seen.push(Seen::of(
            answer.same(&none),
            format!("another body for {key:?}: {}", answer.text),
        )?);
    }
    Seen::all(seen, "401 unauthenticated, one body for all")
}

async fn spelling(visit: &Visit<'_>) -> Result<Seen> {
    let user = visit.user().await?;
    let body = json!({"email": user.email.to_uppercase(), "password": word()});
    let answer = visit.tell("/api/v1/auth/register", &body).await?;
    answer.refused(&["409 email_taken"])
}
