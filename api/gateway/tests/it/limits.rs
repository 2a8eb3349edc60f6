//! How often a caller may ask, over HTTP and against a real Redis.

use std::net::IpAddr;

use authz::api_key;
use futures::future::join_all;
use infra::env::ExposeSecret;
use infra::testing::{redis_url, unique};
use reqwest::{Client, Method, Response, StatusCode};
use uuid::Uuid;

use crate::stage::{PAYMENTS, Stage, created, mug, path_of, problem};

/// An address of this machine, and one behind a proxy, that no other test uses: buckets outlive a test.
fn address_of_this_machine() -> IpAddr {
    let bytes = Uuid::now_v7().into_bytes();
    IpAddr::from([127, bytes[13].max(1), bytes[14], bytes[15].max(1)])
}

fn address_somewhere() -> String {
    let bytes = Uuid::now_v7().into_bytes();
    IpAddr::from([203, bytes[13], bytes[14], bytes[15]]).to_string()
}

fn number(response: &Response, name: &str) -> u32 {
    response.headers()[name].to_str().unwrap().parse().unwrap()
}

async fn with_key(stage: &Stage, key: &str) -> Response {
    stage
        .bare(Method::GET, PAYMENTS)
        .header("x-api-key", key)
        .send()
        .await
        .unwrap()
}

/// A key of a new account.
async fn key(stage: &Stage, per_minute: Option<i32>) -> String {
    let pool = stage.database.pool();
    let account = auth_service::demo::account(pool, &unique("shop"))
        .await
        .unwrap();
    let key = api_key::generate().unwrap();
    api_key::insert(pool, Some(account), "shop", &key)
        .await
        .unwrap();
    sqlx::query("update api_key set rate_limit_per_minute = $2 where account_id = $1")
        .bind(account)
        .bind(per_minute)
        .execute(pool)
        .await
        .unwrap();
    key.expose_secret().to_owned()
}

#[tokio::test]
async fn of_fifty_requests_of_a_user_at_once_ten_pass() {
    let stage = Stage::limited(&redis_url(), &[]).await;
    let answers = join_all((0..50).map(|_| stage.get(PAYMENTS))).await;
    let (passed, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| answer.status() == StatusCode::OK);
    assert_eq!(passed.len(), 10);
    let mut left: Vec<u32> = passed
        .iter()
        .map(|answer| number(answer, "x-ratelimit-remaining"))
        .collect();
    left.sort_unstable();
    assert_eq!(left, (0..10).collect::<Vec<_>>());
    for answer in refused {
        assert_eq!(number(&answer, "x-ratelimit-limit"), 10);
        assert_eq!(number(&answer, "x-ratelimit-remaining"), 0);
        let wait = number(&answer, "retry-after");
        assert_eq!(number(&answer, "x-ratelimit-retry-after"), wait);
        assert!((1..=6).contains(&wait), "{wait}");
        let body = problem(answer, 429, "rate_limited", None).await;
        assert_eq!(body["retryable"], true);
    }
    // Nobody else is held up.
    let other = stage.get_as(&stage.stranger(), PAYMENTS).await;
    assert_eq!(number(&other, "x-ratelimit-remaining"), 9);
}

#[tokio::test]
async fn every_answer_tells_what_is_left() {
    let stage = Stage::limited(&redis_url(), &[]).await;
    let payment = created(stage.post(PAYMENTS, &mug()).await).await;
    for (left, path) in [
        (8, path_of(&payment, "")),
        (7, format!("{PAYMENTS}/unknown")),
    ] {
        let answer = stage.get(&path).await;
        assert_eq!(number(&answer, "x-ratelimit-limit"), 10, "{path}");
        assert_eq!(number(&answer, "x-ratelimit-remaining"), left, "{path}");
        assert_eq!(number(&answer, "x-ratelimit-retry-after"), 0, "{path}");
    }
    let invalid = stage
        .post(PAYMENTS, &serde_json::json!({"amount": 0}))
        .await;
    assert_eq!(number(&invalid, "x-ratelimit-remaining"), 6);
}

#[tokio::test]
async fn a_key_has_a_limit_of_its_own() {
    let stage = Stage::limited(&redis_url(), &[("RATE_LIMIT_KEY_PER_MINUTE", "600")]).await;
    let plain = with_key(&stage, &key(&stage, None).await).await;
    assert_eq!(number(&plain, "x-ratelimit-limit"), 600);

    let narrow = key(&stage, Some(2)).await;
    let answers = [(); 3].map(|()| with_key(&stage, &narrow));
    let mut statuses: Vec<_> = join_all(answers)
        .await
        .iter()
        .map(|answer| answer.status().as_u16())
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 429]);

    let free = with_key(&stage, &key(&stage, Some(0)).await).await;
    assert!(!free.headers().contains_key("x-ratelimit-limit"));
}

#[tokio::test]
async fn a_route_may_have_a_limit_of_its_own() {
    let routes =
        "POST /api/v1/payments=2, get /api/v1/payments/{id}=100, key:GET /api/v1/payments=1";
    let stage = Stage::limited(&redis_url(), &[("RATE_LIMIT_ROUTES", routes)]).await;
    let payment = created(stage.post(PAYMENTS, &mug()).await).await;
    let second = stage.post(PAYMENTS, &mug()).await;
    assert_eq!(number(&second, "x-ratelimit-remaining"), 0);
    problem(
        stage.post(PAYMENTS, &mug()).await,
        429,
        "rate_limited",
        None,
    )
    .await;
    // Other routes have other buckets.
    let read = stage.get(&path_of(&payment, "")).await;
    assert_eq!(number(&read, "x-ratelimit-limit"), 100);
    assert_eq!(number(&stage.get(PAYMENTS).await, "x-ratelimit-limit"), 10);

    let key = key(&stage, None).await;
    assert_eq!(with_key(&stage, &key).await.status(), StatusCode::OK);
    problem(with_key(&stage, &key).await, 429, "rate_limited", None).await;
}

#[tokio::test]
async fn wrong_credentials_are_counted_by_address_and_no_header_widens_that() {
    let stage = Stage::limited(&redis_url(), &[]).await;
    let http = Client::builder()
        .local_address(address_of_this_machine())
        .build()
        .unwrap();
    let mut seen = Vec::new();
    for at in 0..12 {
        let request = http.get(format!("{}{PAYMENTS}", stage.base));
        let answer = request
            .bearer_auth("wrong")
            .header("x-forwarded-for", format!("203.0.113.{at}"))
            .header("x-real-ip", format!("203.0.114.{at}"))
            .header("forwarded", format!("for=203.0.115.{at}"))
            .send()
            .await
            .unwrap();
        assert_eq!(number(&answer, "x-ratelimit-limit"), 10);
        seen.push(answer.status().as_u16());
    }
    assert_eq!(seen, [[401; 10].as_slice(), &[429, 429]].concat());
    // Valid credentials from the same address are another matter.
    let valid = http
        .get(format!("{}{PAYMENTS}", stage.base))
        .bearer_auth(&stage.token)
        .send()
        .await
        .unwrap();
    assert_eq!(valid.status(), StatusCode::OK);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_counts_for_itself() {
    let stage = Stage::limited(&redis_url(), &[("TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let (one, other) = (address_somewhere(), address_somewhere());
    let ask = async |hops: String| {
        let request = stage.bare(Method::GET, PAYMENTS).bearer_auth("wrong");
        let answer = request.header("x-forwarded-for", hops).send().await;
        answer.unwrap().status().as_u16()
    };
    for at in 0..10 {
        assert_eq!(ask(format!("6.6.6.{at}, {one}")).await, 401);
    }
    assert_eq!(ask(format!("6.6.6.10, {one}")).await, 429);
    assert_eq!(ask(other).await, 401);
}

#[tokio::test]
async fn what_counts_against_no_client_tells_no_limit() {
    let stage = Stage::limited(&redis_url(), &[("RATE_LIMIT_IP_PER_MINUTE", "1")]).await;
    for _ in 0..3 {
        for (method, path) in [
            (Method::GET, "/health"),
            (Method::GET, "/livez"),
            (Method::GET, "/readyz"),
            (Method::GET, "/openapi.json"),
            (Method::GET, "/docs/errors.md"),
            (Method::POST, "/webhooks/stripe"),
        ] {
            let answer = stage.bare(method, path).send().await.unwrap();
            assert_ne!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "{path}");
            assert!(
                !answer.headers().contains_key("x-ratelimit-limit"),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn with_redis_away_payments_go_on_and_guesses_stay_limited() {
    let stage = Stage::limited("redis://127.0.0.1:1", &[]).await;
    let answers = join_all((0..20).map(|_| stage.get(PAYMENTS))).await;
    for answer in answers {
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(number(&answer, "x-ratelimit-limit"), 10);
    }
    let mut passed = 0;
    for _ in 0..20 {
        let guess = stage.get_as("wrong", PAYMENTS).await;
        passed += u32::from(guess.status() == StatusCode::UNAUTHORIZED);
    }
    // A token of the bucket may flow in while the test runs.
    assert!((10..=12).contains(&passed), "{passed}");
}
