//! Refresh tokens: each works once, and a second use revokes its whole family.

use anyhow::Result;
use futures::FutureExt as _;
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::answer::Answer;
use super::case::{Case, case};
use super::seen::Seen;
use super::visitor::Visitor;

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "rotated at each use",
            "200 with two new tokens that work",
            |visitor| rotated(visitor).boxed(),
        ),
        case("used twice", "401, and its whole family ends", |visitor| {
            reused(visitor).boxed()
        }),
        case(
            "used twice at the same moment",
            "one 200 at most, and the family ends",
            |visitor| raced(visitor).boxed(),
        ),
        case("another login is another family", "200", |visitor| {
            families(visitor).boxed()
        }),
        case("after logout", "204, then 401", |visitor| {
            logged_out(visitor).boxed()
        }),
        case("logout again, and of nothing", "204 or 401", |visitor| {
            nothing(visitor).boxed()
        }),
        case("garbage and an access token", "401", |visitor| {
            garbage(visitor).boxed()
        }),
        case("without API key", "401", |visitor| keyless(visitor).boxed()),
        case(
            "answers with tokens are not cached",
            "Cache-Control: no-store",
            |visitor| stored(visitor).boxed(),
        ),
    ]
}

async fn refresh(visitor: &Visitor<'_>, token: &str) -> Result<Answer> {
    visitor
        .other()?
        .post_auth("/api/v1/auth/refresh", &json!({"refresh_token": token}))
        .await
}

async fn rotated(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let answer = refresh(visitor, &user.refresh).await?;
    let (token, next) = (answer.field("token"), answer.field("refresh_token"));
    if answer.status != 200 || next.is_empty() || next == user.refresh || token == user.token {
        return Seen::new(false, answer.status_and_code());
    }
    let works = visitor.get(&token, "/api/v1/payments").await?;
    let again = refresh(visitor, &next).await?;
    Seen::new(
        works.status == 200 && again.status == 200,
        format!(
            "200, then {} and {}",
            works.status_and_code(),
            again.status_and_code()
        ),
    )
}

async fn reused(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let first = refresh(visitor, &user.refresh).await?;
    let reused = refresh(visitor, &user.refresh).await?;
    let heir = refresh(visitor, &first.field("refresh_token")).await?;
    let held = first.status == 200 && reused.status == 401 && heir.status == 401;
    Seen::new(
        held,
        format!(
            "{}, again {}, its heir {}",
            first.status_and_code(),
            reused.status_and_code(),
            heir.status_and_code()
        ),
    )
}

async fn raced(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let answers = join_all((0..5).map(|_| refresh(visitor, &user.refresh))).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
    let won: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .collect();
    let odd = answers
        .iter()
        .find(|answer| !matches!(answer.status, 200 | 401));
    if let Some(odd) = odd {
        return Seen::new(false, odd.status_and_code());
    }
    // The refused requests proved that the token was copied, so the new token of the accepted one must be revoked.
    for answer in &won {
        let heir = refresh(visitor, &answer.field("refresh_token")).await?;
        if heir.status != 401 {
            return Seen::new(
                false,
                format!(
                    "{} won, and an heir lives: {}",
                    won.len(),
                    heir.status_and_code()
                ),
            );
        }
    }
    Seen::new(
        won.len() <= 1,
        format!("{} of 5 won, the family ended", won.len()),
    )
}

async fn families(visitor: &Visitor<'_>) -> Result<Seen> {
    let one = visitor.user().await?;
    let two = visitor.log_in(&one.email, &one.password, None).await?;
    refresh(visitor, &one.refresh).await?;
    refresh(visitor, &one.refresh).await?;
    let other = refresh(visitor, &two.refresh).await?;
    Seen::new(other.status == 200, other.status_and_code())
}

async fn logged_out(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let body = json!({"refresh_token": user.refresh});
    let out = visitor.post_auth("/api/v1/auth/logout", &body).await?;
    let after = refresh(visitor, &user.refresh).await?;
    Seen::new(
        out.status == 204 && after.status == 401,
        format!(
            "{}, then {}",
            out.status_and_code(),
            after.status_and_code()
        ),
    )
}

async fn nothing(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let mut seen = Vec::new();
    for token in [user.refresh.as_str(), user.refresh.as_str(), "nothing"] {
        let answer = visitor
            .post_auth("/api/v1/auth/logout", &json!({"refresh_token": token}))
            .await?;
        seen.push(Seen::new(
            matches!(answer.status, 204 | 401),
            answer.status_and_code(),
        )?);
    }
    Seen::all(seen, "204 or 401")
}

async fn garbage(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let long = "x".repeat(10_000);
    let mut seen = Vec::new();
    for token in [
        "",
        "nothing",
        "' or 1=1 --",
        "\u{0}",
        long.as_str(),
        user.token.as_str(),
    ] {
        seen.push(refresh(visitor, token).await?.refused(&["401", "422"])?);
    }
    Seen::all(seen, "401")
}

async fn keyless(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let request = visitor.bare_auth(Method::POST, "/api/v1/auth/refresh");
    let refused = visitor
        .ask(request.json(&json!({"refresh_token": user.refresh})))
        .await?;
    let after = refresh(visitor, &user.refresh).await?;
    Seen::new(
        refused.status == 401 && after.status == 200,
        format!(
            "{}; the token stays: {}",
            refused.status_and_code(),
            after.status
        ),
    )
}

async fn stored(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let login = json!({"email": user.email, "password": user.password});
    let answers = [
        visitor.post_auth("/api/v1/auth/login", &login).await?,
        refresh(visitor, &user.refresh).await?,
    ];
    let seen = answers.iter().map(|answer| {
        let said = answer.header("cache-control").unwrap_or("nothing");
        Seen::new(
            answer.is_success() && said.contains("no-store"),
            format!("{}: {said}", answer.status),
        )
    });
    Seen::all(seen.collect::<Result<Vec<_>>>()?, "no-store")
}
