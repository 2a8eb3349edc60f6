//! Merchants read the log of deliveries, and resend one.

use engine::cache::Cache;
use engine::delivery;
use engine::delivery::{Guard, Reach};
use engine::queue::Queue;
use engine::stripe::{Client, ClientConfig};
use engine::worker::{Worker, WorkerParts};
use infra::testing::{redis_url, unique};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::stage::{Stage, body, problem};
use crate::webhook_endpoints::{Merchant, PATH, UNKNOWN, path_of};

/// A worker that calls merchants on this machine; its address of Stripe is one where no server listens.
fn worker(stage: &Stage) -> Worker {
    let stripe = ClientConfig::new("http://127.0.0.1:9", "sk_test_of_the_tests".into());
    Worker::new(WorkerParts {
        pool: stage.database.pool().clone(),
        queue: Queue::connect(&redis_url(), &unique("queue")).unwrap(),
        cache: Cache::connect(&redis_url()).unwrap(),
        stripe: Client::new(&stripe).unwrap(),
        audit_key: engine::audit::AuditKey::derive(&"sk_test_gateway".into()),
        source: engine::webhook::Source::default(),
        concurrency: 4,
        lease: std::time::Duration::from_secs(30),
        webhooks: delivery::Config {
            guard: Guard::new(Reach::Anywhere),
            timeout: std::time::Duration::from_secs(5),
        },
    })
    .unwrap()
}

#[tokio::test]
async fn endpoints_and_deliveries_of_another_account_are_unknown() {
    let stage = Stage::start().await;
    let (owner, stranger) = (Merchant::of(&stage), Merchant::of(&stage));
    let endpoint = owner.endpoint("http://127.0.0.1:9/").await;
    owner.pay().await;
    let list = body(
        owner.get(&path_of(&endpoint, "/deliveries")).await,
        StatusCode::OK,
    )
    .await;
    let delivery = list["data"][0]["id"].as_str().unwrap().to_owned();
    let theirs = endpoint["id"].as_str().unwrap();
    for (method, below) in [
        (Method::GET, String::new()),
        (Method::PATCH, String::new()),
        (Method::DELETE, String::new()),
        (Method::POST, "/rotate_secret".to_owned()),
        (Method::GET, "/deliveries".to_owned()),
        (Method::GET, format!("/deliveries/{delivery}")),
        (Method::POST, format!("/deliveries/{delivery}/resend")),
    ] {
        for id in [theirs, UNKNOWN, "we_nonsense", "%ff"] {
            let path = format!("{PATH}/{id}{below}");
            let response = stranger
                .request(method.clone(), &path)
                .send()
                .await
                .unwrap();
            problem(response, 404, "not_found", None).await;
        }
    }
    // Nor is a delivery found under another endpoint of its own account.
    let other = owner.endpoint("http://127.0.0.1:9/other").await;
    let elsewhere = path_of(&other, &format!("/deliveries/{delivery}"));
    problem(owner.get(&elsewhere).await, 404, "not_found", None).await;
    for cursor in ["starting_after", "ending_before"] {
        let foreign = stranger.get(&format!("{PATH}?{cursor}={theirs}")).await;
        problem(foreign, 404, "not_found", None).await;
    }
    let empty = body(stranger.get(PATH).await, StatusCode::OK).await;
    assert_eq!(empty["data"], json!([]));
    assert_eq!(stage.count("webhook_secret").await, 2);
}

#[tokio::test]
async fn the_log_of_deliveries_is_paged_and_narrowed() {
    let stage = Stage::start().await;
    let merchant = Merchant::of(&stage);
    // Nobody listens there.
    let endpoint = merchant.endpoint("http://127.0.0.1:9/hooks").await;
    for _ in 0..3 {
        merchant.pay().await;
    }
    worker(&stage).drain().await.unwrap();
    let path = path_of(&endpoint, "/deliveries");
    let list = async |query: &str| {
        let page = body(
            merchant.get(&format!("{path}{query}")).await,
            StatusCode::OK,
        )
        .await;
        let ids: Vec<String> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect();
        (ids, page["has_more"].as_bool().unwrap())
    };
    let (all, more) = list("").await;
    assert_eq!((all.len(), more), (3, false));
    assert!(all.is_sorted_by(|one, next| one > next), "newest first");
    assert_eq!(list("?limit=2").await, (all[..2].to_vec(), true));
    let next = format!("?limit=2&starting_after={}", all[1]);
    assert_eq!(list(&next).await, (all[2..].to_vec(), false));
    let back = format!("?limit=2&ending_before={}", all[2]);
    assert_eq!(list(&back).await, (all[..2].to_vec(), false));
    assert_eq!(list("?status=pending").await.0, all);
    assert_eq!(list("?status=delivered").await.0, Vec::<String>::new());
    for query in [
        "?status=lost",
        "?state=pending",
        "?limit=101",
        "?starting_after=pay_1",
    ] {
        let refused = merchant.get(&format!("{path}{query}")).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_delivery_shows_its_tries_and_is_sent_again_while_its_endpoint_is_enabled() {
    let stage = Stage::start().await;
    let merchant = Merchant::of(&stage);
    let endpoint = merchant.endpoint("http://127.0.0.1:9/hooks").await;
    merchant.pay().await;
    worker(&stage).drain().await.unwrap();
    let path = path_of(&endpoint, "/deliveries");
    let list = body(merchant.get(&path).await, StatusCode::OK).await;
    let one = format!("{path}/{}", list["data"][0]["id"].as_str().unwrap());
    let read = body(merchant.get(&one).await, StatusCode::OK).await;
    assert_eq!(read["object"], "delivery");
    assert_eq!(read["type"], "payment.created");
    assert_eq!((&read["tries"], &read["sequence"]), (&json!(1), &json!(1)));
    assert_eq!(read["log"][0]["number"], 1);
    assert!(
        read["log"][0]["error"]
            .as_str()
            .unwrap()
            .starts_with("it cannot be reached")
    );
    assert!(read["next_try_at"].is_string());

    let resend = format!("{one}/resend");
    for _ in 0..2 {
        let sent = merchant
            .request(Method::POST, &resend)
            .send()
            .await
            .unwrap();
        assert_eq!(body(sent, StatusCode::ACCEPTED).await["status"], "pending");
    }
    worker(&stage).drain().await.unwrap();
    let read = body(merchant.get(&one).await, StatusCode::OK).await;
    assert_eq!(read["tries"], 2);

    let disable = json!({"status": "disabled"});
    merchant
        .send(Method::PATCH, &path_of(&endpoint, ""), &disable)
        .await;
    let refused = merchant
        .request(Method::POST, &resend)
        .send()
        .await
        .unwrap();
    problem(refused, 409, "unexpected_state", None).await;
}

#[tokio::test]
async fn a_test_event_is_answered_with_what_the_endpoint_said() {
    let stage = Stage::start().await;
    let merchant = Merchant::of(&stage);
    let endpoint = merchant.endpoint("http://127.0.0.1:9/hooks").await;
    let test = path_of(&endpoint, "/test");
    let worker = worker(&stage);
    let working = async {
        loop {
            worker.drain().await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let response = tokio::select! {
        response = merchant.request(Method::POST, &test).send() => response.unwrap(),
        () = working => unreachable!(),
    };
    let sent = body(response, StatusCode::OK).await;
    assert_eq!(sent["type"], "endpoint.test");
    assert_eq!(sent["status"], "failed");
    let error = sent["log"][0]["error"].as_str().unwrap();
    assert!(error.starts_with("it cannot be reached"), "{error}");
    let kept = format!(
        "{}/{}",
        path_of(&endpoint, "/deliveries"),
        sent["id"].as_str().unwrap()
    );
    assert_eq!(body(merchant.get(&kept).await, StatusCode::OK).await, sent);

    let unknown = format!("{PATH}/{UNKNOWN}/test");
    let refused = merchant
        .request(Method::POST, &unknown)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
}
