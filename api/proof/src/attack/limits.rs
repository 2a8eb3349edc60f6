//! Rate limits: exactly the allowed number of requests passes, and every answer gives the remaining number.

use anyhow::Result;
use futures::FutureExt as _;
use futures::future::join_all;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::answer::Answer;
use super::case::{Case, case};
use super::seen::{Seen, Skip};
use super::visitor::{Visitor, random_text};

const PATH: &str = "/api/v1/payments?limit=1";
/// Calls at the same time.
const EDGE: u64 = 50;
const HEADERS: [&str; 3] = [
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-retry-after",
];
const OFF: Skip = Skip("needs a rate limit below 50: it is off, or higher");

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "headers on every answer under /api/v1",
            "-Limit, -Remaining, -Retry-After on 200, 401, 404, 422",
            |visitor| remaining(visitor).boxed(),
        ),
        case("-Remaining", "counts down", |visitor| {
            counted(visitor).boxed()
        }),
        case(
            "50 calls of one user at once",
            "exactly the allowed number pass",
            |visitor| user(visitor).boxed(),
        ),
        case(
            "50 logins from one address at once",
            "exactly the allowed number pass",
            |visitor| login(visitor).boxed(),
        ),
        case(
            "a refusal",
            "429 rate_limited with Retry-After from 1 to 60",
            |visitor| refusal(visitor).boxed(),
        ),
        case("two users", "each has a limit of their own", |visitor| {
            apart(visitor).boxed()
        }),
        case(
            "a second token of the same user",
            "the same limit",
            |visitor| together(visitor).boxed(),
        ),
        case(
            "guessed tokens from one address",
            "429 after the allowed number",
            |visitor| guessed(visitor, "Authorization", "Bearer ").boxed(),
        ),
        case(
            "guessed API keys from one address",
            "429 after the allowed number",
            |visitor| guessed(visitor, "X-API-Key", "pawl_").boxed(),
        ),
        case(
            "guessed API keys at the auth service",
            "429 after the allowed number",
            |visitor| guessed_at_auth(visitor).boxed(),
        ),
        case(
            "a merchant's API key",
            "another limit than a user's",
            |visitor| merchant(visitor).boxed(),
        ),
        case(
            "a merchant's API key with a limit of its own",
            "that limit",
            |visitor| own(visitor).boxed(),
        ),
        case(
            "health, JWKS and webhooks",
            "60 answers, none limited",
            |visitor| exempt(visitor).boxed(),
        ),
    ]
}

/// The limit in an answer's headers; the case is skipped without a limit that it can reach.
fn limit(answer: &Answer) -> Result<u64> {
    let limit = answer.number("x-ratelimit-limit");
    limit
        .filter(|limit| (1..EDGE).contains(limit))
        .ok_or_else(|| OFF.into())
}

async fn remaining(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let answers = [
        ("200", visitor.get(&user.token, PATH).await?),
        (
            "404",
            visitor.get(&user.token, "/api/v1/payments/nothing").await?,
        ),
        (
            "422",
            visitor
                .post(&user.token, "/api/v1/payments", &json!({}))
                .await?,
        ),
        (
            "401",
            visitor
                .ask(visitor.gateway(Method::GET, PATH).bearer_auth("a.b.c"))
                .await?,
        ),
        (
            "login",
            visitor
                .post_auth(
                    "/api/v1/auth/login",
                    &json!({"email": user.email, "password": user.password}),
                )
                .await?,
        ),
        (
            "bad login",
            visitor
                .post_auth(
                    "/api/v1/auth/login",
                    &json!({"email": user.email, "password": random_text()}),
                )
                .await?,
        ),
    ];
    // Without a limit no answer has the headers.
    if answers
        .iter()
        .all(|(_, answer)| answer.number(HEADERS[0]).is_none())
    {
        return Err(OFF.into());
    }
    let seen = answers.iter().flat_map(|(name, answer)| {
        HEADERS.iter().map(move |header| {
            Seen::new(
                answer.number(header).is_some(),
                format!("{name}: no {header}"),
            )
        })
    });
    Seen::all(seen.collect::<Result<Vec<_>>>()?, "all three on each")
}

async fn counted(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let first = visitor
        .once(visitor.gateway(Method::GET, PATH).bearer_auth(&user.token))
        .await?;
    limit(&first)?;
    let second = visitor
        .once(visitor.gateway(Method::GET, PATH).bearer_auth(&user.token))
        .await?;
    let left = |answer: &Answer| answer.number("x-ratelimit-remaining");
    let held = left(&first)
        .zip(left(&second))
        .is_some_and(|(first, second)| first == second + 1);
    Seen::new(
        held,
        format!("{:?}, then {:?}", left(&first), left(&second)),
    )
}

/// How many of 50 requests at the same time pass, and how many may.
async fn edge(
    visitor: &Visitor<'_>,
    ask: impl Fn() -> RequestBuilder,
    passed: impl Fn(&Answer) -> bool,
) -> Result<Seen> {
    let answers = join_all((0..EDGE).map(|_| visitor.once(ask()))).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
    let limit = limit(&answers[0])?;
    if let Some(odd) = answers
        .iter()
        .find(|answer| !passed(answer) && answer.status != 429)
    {
        return Seen::new(false, odd.status_and_code());
    }
    let through = answers.iter().filter(|answer| passed(answer)).count();
    // All are sent at once, so that the bucket gets no new token meanwhile: at 10 a minute one takes 6 s.
    Seen::new(
        through as u64 == limit,
        format!("{through} passed, {limit} allowed"),
    )
}

async fn user(visitor: &Visitor<'_>) -> Result<Seen> {
    let token = visitor.user().await?.token;
    edge(
        visitor,
        || visitor.gateway(Method::GET, PATH).bearer_auth(&token),
        |answer| answer.status == 200,
    )
    .await
}

async fn login(visitor: &Visitor<'_>) -> Result<Seen> {
    // No user is needed: a request that passes the limit is refused for its password.
    let body = json!({"email": "nobody@pawl.example", "password": random_text()});
    edge(
        visitor,
        || visitor.auth(Method::POST, "/api/v1/auth/login").json(&body),
        |answer| answer.status == 401,
    )
    .await
}

/// Sends requests until one is refused.
async fn until_refused(
    visitor: &Visitor<'_>,
    ask: impl Fn() -> RequestBuilder,
) -> Result<(u64, Answer)> {
    let first = visitor.once(ask()).await?;
    let most = limit(&first)? + 2;
    let mut passed = 1;
    loop {
        let answer = visitor.once(ask()).await?;
        if answer.status == 429 || passed > most {
            return Ok((passed, answer));
        }
        passed += 1;
    }
}

async fn refusal(visitor: &Visitor<'_>) -> Result<Seen> {
    let token = visitor.user().await?.token;
    let (_, answer) = until_refused(visitor, || {
        visitor.gateway(Method::GET, PATH).bearer_auth(&token)
    })
    .await?;
    let wait = answer.number("retry-after").unwrap_or_default();
    let agreed = answer.number("x-ratelimit-retry-after") == Some(wait)
        && answer.number("x-ratelimit-remaining") == Some(0);
    let seen = answer.refused(&["429 rate_limited"])?;
    let waits = Seen::new(
        (1..=60).contains(&wait) && agreed,
        format!("Retry-After {wait}, headers that disagree"),
    )?;
    Seen::all(
        [seen, waits],
        &format!("429 rate_limited, Retry-After {wait}"),
    )
}

async fn apart(visitor: &Visitor<'_>) -> Result<Seen> {
    let (one, two) = (visitor.user().await?.token, visitor.user().await?.token);
    until_refused(visitor, || {
        visitor.gateway(Method::GET, PATH).bearer_auth(&one)
    })
    .await?;
    let other = visitor
        .once(visitor.gateway(Method::GET, PATH).bearer_auth(&two))
        .await?;
    Seen::new(other.status == 200, other.status_and_code())
}

async fn together(visitor: &Visitor<'_>) -> Result<Seen> {
    let user = visitor.user().await?;
    let second = visitor
        .log_in(&user.email, &user.password, None)
        .await?
        .token;
    until_refused(visitor, || {
        visitor.gateway(Method::GET, PATH).bearer_auth(&user.token)
    })
    .await?;
    let answer = visitor
        .once(visitor.gateway(Method::GET, PATH).bearer_auth(&second))
        .await?;
    answer.refused(&["429 rate_limited"])
}

async fn guessed(visitor: &Visitor<'_>, header: &str, start: &str) -> Result<Seen> {
    let ask = || {
        visitor
            .gateway(Method::GET, PATH)
            .header(header, format!("{start}{}", random_text()))
    };
    let (passed, answer) = until_refused(visitor, ask).await?;
    Seen::new(
        answer.status == 429,
        format!("{} after {passed}", answer.status_and_code()),
    )
}

async fn guessed_at_auth(visitor: &Visitor<'_>) -> Result<Seen> {
    let ask = || {
        visitor
            .bare_auth(Method::POST, "/api/v1/auth/login")
            .header("X-API-Key", random_text())
            .json(&json!({}))
    };
    let (passed, answer) = until_refused(visitor, ask).await?;
    Seen::new(
        answer.status == 429,
        format!("{} after {passed}", answer.status_and_code()),
    )
}

/// The limit of a new key in the gateway's headers.
async fn limit_of_key(visitor: &Visitor<'_>, per_minute: Option<u64>) -> Result<Option<u64>> {
    let admin = visitor.admin().await?;
    let mut body = json!({"name": "pawl attack"});
    if let Some(per_minute) = per_minute {
        body["rate_limit_per_minute"] = per_minute.into();
    }
    let keys = "/api/v1/auth/api_keys";
    let made = visitor
        .ask(
            visitor
                .auth(Method::POST, keys)
                .bearer_auth(&admin.token)
                .json(&body),
        )
        .await?;
    let answer = visitor
        .once(
            visitor
                .gateway(Method::GET, PATH)
                .header("X-API-Key", made.field("key")),
        )
        .await?;
    let gone = visitor.auth(Method::DELETE, &format!("{keys}/{}", made.field("id")));
    visitor.ask(gone.bearer_auth(&admin.token)).await?;
    Ok(answer.number("x-ratelimit-limit"))
}

async fn merchant(visitor: &Visitor<'_>) -> Result<Seen> {
    let token = visitor.user().await?.token;
    let person = limit(
        &visitor
            .once(visitor.gateway(Method::GET, PATH).bearer_auth(&token))
            .await?,
    )?;
    let key = limit_of_key(visitor, None).await?;
    Seen::new(
        key.is_none_or(|key| key > person),
        format!("{person} for a user, {key:?} for a key"),
    )
}

async fn own(visitor: &Visitor<'_>) -> Result<Seen> {
    let key = limit_of_key(visitor, Some(7)).await?;
    Seen::new(
        key == Some(7),
        format!("{key:?} for a key that may ask 7 times"),
    )
}

async fn exempt(visitor: &Visitor<'_>) -> Result<Seen> {
    let mut seen = Vec::new();
    for _ in 0..20 {
        for (answer, usual) in [
            (
                visitor
                    .once(visitor.gateway(Method::GET, "/health"))
                    .await?,
                200,
            ),
            (
                visitor
                    .once(visitor.bare_auth(Method::GET, "/.well-known/jwks.json"))
                    .await?,
                200,
            ),
            (
                visitor
                    .once(visitor.gateway(Method::POST, "/webhooks/stripe").body("{}"))
                    .await?,
                400,
            ),
        ] {
            seen.push(Seen::new(answer.status == usual, answer.status_and_code())?);
        }
    }
    Seen::all(seen, "200, 200 and 400, twenty times")
}
