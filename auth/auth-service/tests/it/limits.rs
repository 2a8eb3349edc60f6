//! How often one client may ask.

use std::net::Ipv4Addr;

use infra::Env;
use infra::client_ip::TrustedProxies;
use reqwest::{Response, StatusCode};
use serde_json::json;

use crate::{API_KEY, Settings, Stage, problem};

/// An address that no other test uses.
fn address() -> String {
    let [.., a, b, c] = uuid::Uuid::new_v4().into_bytes();
    Ipv4Addr::new(10, a, b, c).to_string()
}

async fn limited(limit: u32) -> Stage {
    Stage::with_settings(Settings {
        ip_per_minute: limit,
        ..Settings::new()
    })
    .await
}

/// A logout with an unknown token, which needs no hash.
async fn ask(stage: &Stage, key: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = stage
        .http
        .post(stage.url("/api/v1/auth/logout"))
        .header("x-api-key", key)
        .json(&json!({"refresh_token": "none"}));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn headers_of_limit(response: &Response) -> [u32; 3] {
    ["limit", "remaining", "retry-after"].map(|name| {
        let value = &response.headers()[format!("x-ratelimit-{name}")];
        value.to_str().unwrap().parse().unwrap()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_at_once_exactly_the_allowed_number_pass_and_every_answer_tells_the_limit() {
    let stage = limited(10).await;
    let ip = address();
    let headers = [("x-real-ip", ip.as_str())];
    let answers = futures::future::join_all((0..50).map(|_| ask(&stage, API_KEY, &headers))).await;
    let mut passed = 0;
    for answer in answers {
        let [limit, remaining, retry_after] = headers_of_limit(&answer);
        assert_eq!(limit, 10);
        if answer.status() == StatusCode::NO_CONTENT {
            passed += 1;
        } else {
            assert!(
                remaining == 0 && (1..=6).contains(&retry_after),
                "{retry_after}"
            );
            assert_eq!(answer.headers()["retry-after"], retry_after.to_string());
            problem(answer, StatusCode::TOO_MANY_REQUESTS, "rate_limited").await;
        }
    }
    assert_eq!(passed, 10);
    // Another client of the same back end has a bucket of its own; a request with a fault gets the headers too.
    let other = address();
    let answer = stage
        .http
        .post(stage.url("/api/v1/auth/login"))
        .header("x-api-key", API_KEY)
        .header("x-real-ip", &other)
        .body("{")
        .send()
        .await
        .unwrap();
    assert_eq!(headers_of_limit(&answer), [10, 9, 0]);
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn without_a_valid_key_nobody_speaks_for_another_address() {
    // The peer is 127.0.0.1 for every test, so only this one may count it.
    let stage = limited(3).await;
    let ip = address();
    let headers = [("x-real-ip", ip.as_str()), ("x-forwarded-for", ip.as_str())];
    let mut seen = Vec::new();
    for _ in 0..8 {
        let answer = ask(&stage, "not-a-key-of-anybody-at-all", &headers).await;
        assert_eq!(headers_of_limit(&answer)[0], 3);
        seen.push(answer.status());
    }
    assert!(seen.contains(&StatusCode::TOO_MANY_REQUESTS), "{seen:?}");
    // The address that was named lost nothing.
    assert_eq!(
        headers_of_limit(&ask(&stage, API_KEY, &headers).await),
        [3, 2, 0]
    );
}

#[tokio::test]
async fn behind_a_trusted_proxy_its_word_counts() {
    let proxies = TrustedProxies::from_env(&Env::from_pairs([("TRUSTED_PROXIES", "127.0.0.1")]));
    let stage = Stage::with_settings(Settings {
        ip_per_minute: 3,
        trusted_proxies: proxies,
        ..Settings::new()
    })
    .await;
    let (ip, other) = (address(), address());
    let forged = format!("{other}, {ip}");
    for (remaining, list) in [(2, ip.as_str()), (1, forged.as_str())] {
        let answer = ask(&stage, API_KEY, &[("x-forwarded-for", list)]).await;
        assert_eq!(headers_of_limit(&answer), [3, remaining, 0]);
    }
}

#[tokio::test]
async fn with_redis_away_logins_stay_limited() {
    let stage = Stage::with_settings(Settings {
        ip_per_minute: 3,
        redis_url: "redis://127.0.0.1:1".to_owned(),
        ..Settings::new()
    })
    .await;
    let ip = address();
    let mut passed = 0;
    for _ in 0..8 {
        let answer = ask(&stage, API_KEY, &[("x-real-ip", &ip)]).await;
        assert_eq!(headers_of_limit(&answer)[0], 3);
        passed += u32::from(answer.status() == StatusCode::NO_CONTENT);
    }
    assert_eq!(passed, 3);
}

#[tokio::test]
async fn health_and_keys_count_against_nobody() {
    let stage = limited(1).await;
    for _ in 0..3 {
        for path in ["/health", "/.well-known/jwks.json", "/openapi.json"] {
            let answer = stage.get(path).await;
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            assert!(
                !answer.headers().contains_key("x-ratelimit-limit"),
                "{path}"
            );
        }
    }
}
