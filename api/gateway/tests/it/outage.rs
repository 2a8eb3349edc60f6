//! With Postgres away nothing is promised; with Redis away payments go on.

use infra::testing::{TestDatabase, redis_url, unique};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::stage::{PAYMENTS, Stage, body, mug, path_of, problem};

/// A port on which no server listens: it is reserved, and never assigned.
const NOWHERE_POSTGRES: &str = "postgres://pawl@127.0.0.1:1/pawl";
const NOWHERE_REDIS: &str = "redis://127.0.0.1:1";

async fn unavailable(response: Response) {
    assert!(
        response.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse::<u32>()
            .unwrap()
            >= 1
    );
    let problem = problem(response, 503, "unavailable", None).await;
    assert_eq!(problem["retryable"], true);
    assert!(!problem.to_string().contains("127.0.0.1"), "{problem}");
}

#[tokio::test]
async fn with_postgres_away_every_door_says_503_and_when_to_come_back() {
    let database = TestDatabase::create(&engine::MIGRATIONS).await;
    let stage = Stage::with(database, NOWHERE_POSTGRES, &redis_url()).await;
    unavailable(stage.post(PAYMENTS, &mug()).await).await;
    unavailable(stage.get(PAYMENTS).await).await;
    unavailable(
        stage
            .get(&format!("{PAYMENTS}/pay_01h2xcejqtf2nbrexx3vqjhp41"))
            .await,
    )
    .await;
    let cancel = format!("{PAYMENTS}/pay_01h2xcejqtf2nbrexx3vqjhp41/cancel");
    unavailable(stage.post(&cancel, &json!({})).await).await;

    let health = stage.bare(Method::GET, "/health").send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
    let ready = stage.bare(Method::GET, "/readyz").send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(
        ready["checks"],
        json!({"postgres": "away", "schema": "ok", "clock": "ok", "tables": "ok", "loops": "ok", "callers": "ok", "redis": "ok"})
    );
}

#[tokio::test]
async fn with_redis_away_payments_are_accepted_and_read() {
    let database = TestDatabase::create(&engine::MIGRATIONS).await;
    let url = database.url().to_owned();
    let stage = Stage::with(database, &url, NOWHERE_REDIS).await;
    let payment = stage.payment().await;
    assert_eq!(
        body(stage.get(&path_of(&payment, "")).await, StatusCode::OK).await,
        payment
    );
    let key = unique("key");
    let first = stage
        .post_raw(&path_of(&payment, "/cancel"), &key, "")
        .await;
    assert_eq!(first.status(), StatusCode::OK);
    let ready = stage.bare(Method::GET, "/readyz").send().await.unwrap();
    let ready = body(ready, StatusCode::OK).await;
    assert_eq!(
        ready["checks"],
        json!({"postgres": "ok", "schema": "ok", "clock": "ok", "tables": "ok", "loops": "ok", "callers": "ok", "redis": "away"})
    );
}

#[tokio::test]
async fn when_connections_swallow_what_is_sent_payments_are_accepted_over_new_ones() {
    let database = TestDatabase::create(&engine::MIGRATIONS).await;
    let (proxy, url) = database.behind_proxy().await;
    let stage = Stage::with(database, &url, &redis_url()).await;
    stage.payment().await;
    proxy.swallow();
    let began = std::time::Instant::now();
    let key = unique("key");
    while stage
        .post_raw(PAYMENTS, &key, &mug().to_string())
        .await
        .status()
        != StatusCode::CREATED
    {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    let listed = std::time::Instant::now();
    body(stage.get(PAYMENTS).await, StatusCode::OK).await;
    assert!(listed.elapsed().as_secs() < 5, "{:?}", listed.elapsed());
}
