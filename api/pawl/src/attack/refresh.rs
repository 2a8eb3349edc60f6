//! Refresh tokens: each works once, and one that comes twice ends its family.

use anyhow::Result;
use futures::FutureExt as _;
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::answer::Answer;
use super::case::{Case, Seen, case};
use super::visit::Visit;

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "rotated at each use",
            "200 with two new tokens that work",
            |visit| rotated(visit).boxed(),
        ),
        case("used twice", "401, and its whole family ends", |visit| {
            reused(visit).boxed()
        }),
        case(
            "used twice at the same moment",
            "one 200 at most, and the family ends",
            |visit| raced(visit).boxed(),
        ),
        case("another login is another family", "200", |visit| {
            families(visit).boxed()
        }),
        case("after logout", "204, then 401", |visit| {
            logged_out(visit).boxed()
        }),
        case("logout again, and of nothing", "204 or 401", |visit| {
            nothing(visit).boxed()
        }),
        case("garbage and an access token", "401", |visit| {
            garbage(visit).boxed()
        }),
        case("without API key", "401", |visit| keyless(visit).boxed()),
        case(
            "tokens are kept by nobody on the way",
            "Cache-Control: no-store",
            |visit| stored(visit).boxed(),
        ),
    ]
}

async fn refresh(visit: &Visit<'_>, token: &str) -> Result<Answer> {
    visit
        .other()?
        .tell("/api/v1/auth/refresh", &json!({"refresh_token": token}))
        .await
}

async fn rotated(visit: &Visit<'_>) -> Result<Seen> {
    let user = visit.user().await?;
    let answer = refresh(visit, &user.refresh).await?;
    let (token, next) = (answer.field("token"), answer.field("refresh_token"));
    if answer.status != 200 || next.is_empty() || next == user.refresh || token == user.token {
        return Seen::of(false, answer.told());
    }
    let works = visit.get(&token, "/api/v1/payments").await?;
    let again = refresh(visit, &next).await?;
    Seen::of(
        works.status == 200 && again.status == 200,
        format!("200, then {} and {}", works.told(), again.told()),
    )
}

async fn reused(visit: &Visit<'_>) -> Result<Seen> {
    let user = visit.user().await?;
    let first = refresh(visit, &user.refresh).await?;
    let reused = refresh(visit, &user.refresh).await?;
    let heir = refresh(visit, &first.field("refresh_token")).await?;
    let held = first.status == 200 && reused.status == 401 && heir.status == 401;
    Seen::of(
        held,
        format!(
            "{}, again {}, its heir {}",
            first.told(),
            reused.told(),
            heir.told()
        ),
    )
}

async fn raced(visit: &Visit<'_>) -> Result<Seen> {
    let user = visit.user().await?;
    let answers = join_all((0..5).map(|_| refresh(visit, &user.refresh))).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
    let won: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .collect();
    let odd = answers
        .iter()
        .find(|answer| !matches!(answer.status, 200 | 401));
    if let Some(odd) = odd {
        return Seen::of(false, odd.told());
    }
    // The losers proved that there is a copy, so what the winner got must not live on.
    for answer in &won {
        let heir = refresh(visit, &answer.field("refresh_token")).await?;
        if heir.status != 401 {
            return Seen::of(
                false,
                format!("{} won, and an heir lives: {}", won.len(), heir.told()),
            );
        }
    }
    Seen::of(
        won.len() <= 1,
        format!("{} of 5 won, the family ended", won.len()),
    )
}

async fn families(visit: &Visit<'_>) -> Result<Seen> {
    let one = visit.user().await?;
    let two = visit.log_in(&one.email, &one.password, None).await?;
    refresh(visit, &one.refresh).await?;
    refresh(visit, &one.refresh).await?;
    let other = refresh(visit, &two.refresh).await?;
    Seen::of(other.status == 200, other.told())
}

async fn logged_out(visit: &Visit<'_>) -> Result<Seen> {
    let user = visit.user().await?;
    let body = json!({"refresh_token": user.refresh});
    let out = visit.tell("/api/v1/auth/logout", &body).await?;
    let after = refresh(visit, &user.refresh).await?;
    Seen::of(
        out.status == 204 && after.status == 401,
        format!("{}, then {}", out.told(), after.told()),
    )
}

async fn nothing(visit: &Visit<'_>) -> Result<Seen> {
    let user = visit.user().await?;
    let mut seen = Vec::new();
    for token in [user.refresh.as_str(), user.refresh.as_str(), "nothing"] {
        let answer = visit
            .tell("/api/v1/auth/logout", &json!({"refresh_token": token}))
            .await?;
        seen.push(Seen::of(matches!(answer.status, 204 | 401), answer.told())?);
    }
    Seen::all(seen, "204 or 401")
}

async fn garbage(visit: &Visit<'_>) -> Result<Seen> {
    let user = visit.user().await?;
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
        seen.push(refresh(visit, token).await?.refused(&["401", "422"])?);
    }
    Seen::all(seen, "401")
}

async fn keyless(visit: &Visit<'_>) -> Result<Seen> {
    let user = visit.user().await?;
    let request = visit.bare_auth(Method::POST, "/api/v1/auth/refresh");
    let refused = visit
        .ask(request.json(&json!({"refresh_token": user.refresh})))
        .await?;
    let after = refresh(visit, &user.refresh).await?;
    Seen::of(
        refused.status == 401 && after.status == 200,
        format!("{}; the token stays: {}", refused.told(), after.status),
    )
}

async fn stored(visit: &Visit<'_>) -> Result<Seen> {
    let user = visit.user().await?;
    let login = json!({"email": user.email, "password": user.password});
    let answers = [
        visit.tell("/api/v1/auth/login", &login).await?,
        refresh(visit, &user.refresh).await?,
    ];
    let seen = answers.iter().map(|answer| {
        let said = answer.header("cache-control").unwrap_or("nothing");
        Seen::of(
            answer.is_success() && said.contains("no-store"),
            format!("{}: {said}", answer.status),
        )
    });
    Seen::all(seen.collect::<Result<Vec<_>>>()?, "no-store")
}
