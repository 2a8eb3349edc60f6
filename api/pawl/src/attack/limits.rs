//! Rate limits: exactly the allowed number passes, and every answer says how many are left.

use anyhow::Result;
use futures::FutureExt as _;
use futures::future::join_all;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::answer::Answer;
use super::case::{Case, Seen, Skip, case};
use super::visit::{Visit, word};

const PATH: &str = "/api/v1/payments?limit=1";
/// Calls at the same moment.
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
            |visit| told(visit).boxed(),
        ),
        case("-Remaining", "counts down", |visit| counted(visit).boxed()),
        case(
            "50 calls of one user at once",
            "exactly the allowed number pass",
            |visit| user(visit).boxed(),
        ),
        case(
            "50 logins from one address at once",
            "exactly the allowed number pass",
            |visit| login(visit).boxed(),
        ),
        case(
            "a refusal",
            "429 rate_limited with Retry-After from 1 to 60",
            |visit| refusal(visit).boxed(),
        ),
        case("two users", "each has a limit of their own", |visit| {
            apart(visit).boxed()
        }),
        case(
            "a second token of the same user",
            "the same limit",
            |visit| together(visit).boxed(),
        ),
        case(
            "guessed tokens from one address",
            "429 after the allowed number",
            |visit| guessed(visit, "Authorization", "Bearer ").boxed(),
        ),
        case(
            "guessed API keys from one address",
            "429 after the allowed number",
            |visit| guessed(visit, "X-API-Key", "pawl_").boxed(),
        ),
        case(
            "guessed API keys at the auth service",
            "429 after the allowed number",
            |visit| guessed_at_auth(visit).boxed(),
        ),
        case(
            "a merchant's API key",
            "another limit than a user's",
            |visit| merchant(visit).boxed(),
        ),
        case(
            "a merchant's API key with a limit of its own",
            "that limit",
            |visit| own(visit).boxed(),
        ),
        case(
            "health, JWKS and webhooks",
            "60 answers, none limited",
            |visit| exempt(visit).boxed(),
        ),
    ]
}

/// The limit that an answer tells of; the case is skipped if there is none that it could reach.
fn limit(answer: &Answer) -> Result<u64> {
    let limit = answer.number("x-ratelimit-limit");
    limit
        .filter(|limit| (1..EDGE).contains(limit))
        .ok_or_else(|| OFF.into())
}

async fn told(visit: &Visit<'_>) -> Result<Seen> {
    let user = visit.user().await?;
    let answers = [
        ("200", visit.get(&user.token, PATH).await?),
        (
            "404",
            visit.get(&user.token, "/api/v1/payments/nothing").await?,
        ),
        (
            "422",
            visit
                .post(&user.token, "/api/v1/payments", &json!({}))
                .await?,
        ),
        (
            "401",
            visit
                .ask(visit.gateway(Method::GET, PATH).bearer_auth("a.b.c"))
                .await?,
        ),
        (
            "login",
            visit
                .tell(
                    "/api/v1/auth/login",
                    &json!({"email": user.email, "password": user.password}),
                )
                .await?,
        ),
        (
            "bad login",
            visit
                .tell(
                    "/api/v1/auth/login",
                    &json!({"email": user.email, "password": word()}),
                )
                .await?,
        ),
    ];
    // A limit that is off has nothing to tell, and then no answer has.
    if answers
        .iter()
        .all(|(_, answer)| answer.number(HEADERS[0]).is_none())
    {
        return Err(OFF.into());
    }
    let seen = answers.iter().flat_map(|(name, answer)| {
        HEADERS.iter().map(move |header| {
            Seen::of(
                answer.number(header).is_some(),
                format!("{name}: no {header}"),
            )
        })
    });
    Seen::all(seen.collect::<Result<Vec<_>>>()?, "all three on each")
}

async fn counted(visit: &Visit<'_>) -> Result<Seen> {
    let user = visit.user().await?;
    let first = visit
        .once(visit.gateway(Method::GET, PATH).bearer_auth(&user.token))
        .await?;
    limit(&first)?;
    let second = visit
        .once(visit.gateway(Method::GET, PATH).bearer_auth(&user.token))
        .await?;
    let left = |answer: &Answer| answer.number("x-ratelimit-remaining");
    let held = left(&first)
        .zip(left(&second))
        .is_some_and(|(first, second)| first == second + 1);
    Seen::of(
        held,
        format!("{:?}, then {:?}", left(&first), left(&second)),
    )
}

/// How many of 50 requests at the same moment pass, and how many may.
async fn edge(
    visit: &Visit<'_>,
    ask: impl Fn() -> RequestBuilder,
    passed: impl Fn(&Answer) -> bool,
) -> Result<Seen> {
    let answers = join_all((0..EDGE).map(|_| visit.once(ask()))).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
    let limit = limit(&answers[0])?;
    if let Some(odd) = answers
        .iter()
        .find(|answer| !passed(answer) && answer.status != 429)
    {
        return Seen::of(false, odd.told());
    }
    let through = answers.iter().filter(|answer| passed(answer)).count();
    // All are sent at once, so that no token flows in meanwhile: at 10 a minute one takes 6 s.
    Seen::of(
        through as u64 == limit,
        format!("{through} passed, {limit} allowed"),
    )
}

async fn user(visit: &Visit<'_>) -> Result<Seen> {
    let token = visit.user().await?.token;
    edge(
        visit,
        || visit.gateway(Method::GET, PATH).bearer_auth(&token),
        |answer| answer.status == 200,
    )
    .await
}

async fn login(visit: &Visit<'_>) -> Result<Seen> {
    // No user is needed: what counts is who was let through to the password.
    let body = json!({"email": "nobody@pawl.example", "password": word()});
    edge(
        visit,
        || visit.auth(Method::POST, "/api/v1/auth/login").json(&body),
        |answer| answer.status == 401,
    )
    .await
}

/// Asks until it is refused.
async fn until_refused(
    visit: &Visit<'_>,
    ask: impl Fn() -> RequestBuilder,
) -> Result<(u64, Answer)> {
    let first = visit.once(ask()).await?;
    let most = limit(&first)? + 2;
    let mut passed = 1;
    loop {
        let answer = visit.once(ask()).await?;
        if answer.status == 429 || passed > most {
            return Ok((passed, answer));
        }
        passed += 1;
    }
}

async fn refusal(visit: &Visit<'_>) -> Result<Seen> {
    let token = visit.user().await?.token;
    let (_, answer) = until_refused(visit, || {
        visit.gateway(Method::GET, PATH).bearer_auth(&token)
    })
    .await?;
    let wait = answer.number("retry-after").unwrap_or_default();
    let agreed = answer.number("x-ratelimit-retry-after") == Some(wait)
        && answer.number("x-ratelimit-remaining") == Some(0);
    let seen = answer.refused(&["429 rate_limited"])?;
    let waits = Seen::of(
        (1..=60).contains(&wait) && agreed,
        format!("Retry-After {wait}, headers that disagree"),
    )?;
    Seen::all(
        [seen, waits],
        &format!("429 rate_limited, Retry-After {wait}"),
    )
}

async fn apart(visit: &Visit<'_>) -> Result<Seen> {
    let (one, two) = (visit.user().await?.token, visit.user().await?.token);
    until_refused(visit, || visit.gateway(Method::GET, PATH).bearer_auth(&one)).await?;
    let other = visit
        .once(visit.gateway(Method::GET, PATH).bearer_auth(&two))
        .await?;
    Seen::of(other.status == 200, other.told())
}

async fn together(visit: &Visit<'_>) -> Result<Seen> {
    let user = visit.user().await?;
    let second = visit.log_in(&user.email, &user.password, None).await?.token;
    until_refused(visit, || {
        visit.gateway(Method::GET, PATH).bearer_auth(&user.token)
    })
    .await?;
    let answer = visit
        .once(visit.gateway(Method::GET, PATH).bearer_auth(&second))
        .await?;
    answer.refused(&["429 rate_limited"])
}

async fn guessed(visit: &Visit<'_>, header: &str, start: &str) -> Result<Seen> {
    let ask = || {
        visit
            .gateway(Method::GET, PATH)
            .header(header, format!("{start}{}", word()))
    };
    let (passed, answer) = until_refused(visit, ask).await?;
    Seen::of(
        answer.status == 429,
        format!("{} after {passed}", answer.told()),
    )
}

async fn guessed_at_auth(visit: &Visit<'_>) -> Result<Seen> {
    let ask = || {
        visit
            .bare_auth(Method::POST, "/api/v1/auth/login")
            .header("X-API-Key", word())
            .json(&json!({}))
    };
    let (passed, answer) = until_refused(visit, ask).await?;
    Seen::of(
        answer.status == 429,
        format!("{} after {passed}", answer.told()),
    )
}

/// What the gateway says of a new key's limit.
async fn limit_of_key(visit: &Visit<'_>, per_minute: Option<u64>) -> Result<Option<u64>> {
    let admin = visit.admin().await?;
    let mut body = json!({"name": "pawl attack"});
    if let Some(per_minute) = per_minute {
        body["rate_limit_per_minute"] = per_minute.into();
    }
    let keys = "/api/v1/auth/api_keys";
    let made = visit
        .ask(
            visit
                .auth(Method::POST, keys)
                .bearer_auth(&admin.token)
                .json(&body),
        )
        .await?;
    let answer = visit
        .once(
            visit
                .gateway(Method::GET, PATH)
                .header("X-API-Key", made.field("key")),
        )
        .await?;
    let gone = visit.auth(Method::DELETE, &format!("{keys}/{}", made.field("id")));
    visit.ask(gone.bearer_auth(&admin.token)).await?;
    Ok(answer.number("x-ratelimit-limit"))
}

async fn merchant(visit: &Visit<'_>) -> Result<Seen> {
    let token = visit.user().await?.token;
    let person = limit(
        &visit
            .once(visit.gateway(Method::GET, PATH).bearer_auth(&token))
            .await?,
    )?;
    let key = limit_of_key(visit, None).await?;
    Seen::of(
        key.is_none_or(|key| key > person),
        format!("{person} for a user, {key:?} for a key"),
    )
}

async fn own(visit: &Visit<'_>) -> Result<Seen> {
    let key = limit_of_key(visit, Some(7)).await?;
    Seen::of(
        key == Some(7),
        format!("{key:?} for a key that may ask 7 times"),
    )
}

async fn exempt(visit: &Visit<'_>) -> Result<Seen> {
    let mut seen = Vec::new();
    for _ in 0..20 {
        for (answer, usual) in [
            (
                visit.once(visit.gateway(Method::GET, "/health")).await?,
                200,
            ),
            (
                visit
                    .once(visit.bare_auth(Method::GET, "/.well-known/jwks.json"))
                    .await?,
                200,
            ),
            (
                visit
                    .once(visit.gateway(Method::POST, "/webhooks/stripe").body("{}"))
                    .await?,
                400,
            ),
        ] {
            seen.push(Seen::of(answer.status == usual, answer.told())?);
        }
    }
    Seen::all(seen, "200, 200 and 400, twenty times")
}
