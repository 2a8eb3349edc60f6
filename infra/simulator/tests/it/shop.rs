//! The shop page and its requests to the gateway.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use reqwest::Method;
use serde_json::{Value, json};
use stripe_simulator::{Config, Shop};
use tokio::net::TcpListener;

use crate::support::{Simulator, quick};

/// A request as the gateway received it: method, path, headers, body.
type Seen = (String, String, hyper::HeaderMap, Value);

/// A gateway that answers every request with one payment and records the requests.
async fn gateway() -> (String, Arc<Mutex<Vec<Seen>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let kept = Arc::clone(&kept);
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let kept = Arc::clone(&kept);
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                    let path = parts.uri.to_string();
                    kept.lock().unwrap().push((
                        parts.method.to_string(),
                        path,
                        parts.headers,
                        body,
                    ));
                    let payment = json!({"id": "pay_1", "status": "local_created"}).to_string();
                    Ok::<_, Infallible>(hyper::Response::new(Full::<bytes::Bytes>::from(payment)))
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (url, seen)
}

async fn shop() -> (Simulator, Arc<Mutex<Vec<Seen>>>) {
    let (gateway_url, seen) = gateway().await;
    let shop = Shop {
        gateway_url,
        api_key: "the-shops-key".to_owned(),
    };
    let config = Config {
        shop: Some(shop),
        ..quick()
    };
    (Simulator::with(config).await, seen)
}

#[tokio::test]
async fn the_page_has_a_strict_policy_and_loads_nothing_from_other_hosts() {
    let stripe = Simulator::start().await;
    let page = stripe.anonymous(Method::GET, "/shop").send().await.unwrap();
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let mut all = page.text().await.unwrap();
    for file in ["shop.js", "shop.css"] {
        let answer = stripe
            .anonymous(Method::GET, &format!("/shop/{file}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        all.push_str(&answer.text().await.unwrap());
    }
    assert!(
        !all.contains("https://") && !all.contains("innerHTML"),
        "our own files, and text as text"
    );
}

#[tokio::test]
async fn a_click_pays_through_the_gateway_with_the_shops_key() {
    let (stripe, seen) = shop().await;
    let request = stripe.anonymous(Method::POST, "/shop/api/payments");
    let request = request
        .header("content-type", "application/json")
        .header("idempotency-key", "click-1");
    let answer = request
        .body(r#"{"payment_method":"pm_card_visa"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json::<Value>().await.unwrap()["id"], "pay_1");
    let (method, path, headers, body) = seen.lock().unwrap().remove(0);
    assert_eq!(
        (method.as_str(), path.as_str()),
        ("POST", "/api/v1/payments")
    );
    assert_eq!(headers["x-api-key"], "the-shops-key");
    assert_eq!(headers["idempotency-key"], "click-1");
    assert!(headers["prefer"].to_str().unwrap().starts_with("wait="));
    assert_eq!(
        (&body["payment_method"], &body["confirm"]),
        (&json!("pm_card_visa"), &json!(true))
    );
    assert_eq!(body["return_url"], format!("{}/shop", stripe.url));
}

#[tokio::test]
async fn a_payment_and_its_events_are_read_from_the_gateway() {
    let (stripe, seen) = shop().await;
    for (path, asked) in [
        ("payments/pay_1", "/api/v1/payments/pay_1"),
        (
            "payments/pay_1/events",
            "/api/v1/payments/pay_1/events?limit=100",
        ),
        ("payment_intents/pi_1", "/api/v1/payment_intents/pi_1"),
    ] {
        let answer = stripe
            .anonymous(Method::GET, &format!("/shop/api/{path}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(seen.lock().unwrap().remove(0).1, asked);
    }
    for path in ["payments/..%2Fops", "accounts/1", "payments/a%3Fb"] {
        let answer = stripe
            .anonymous(Method::GET, &format!("/shop/api/{path}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_form_of_another_site_cannot_buy() {
    let (stripe, seen) = shop().await;
    let request = stripe
        .anonymous(Method::POST, "/shop/api/payments")
        .header("idempotency-key", "k");
    let answer = request
        .form(&[("payment_method", "pm_card_visa")])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 404);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn without_a_gateway_the_shop_answers_503() {
    let stripe = Simulator::start().await;
    let answer = stripe
        .anonymous(Method::GET, "/shop/api/payments/pay_1")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.text().await.unwrap().contains("SHOP_GATEWAY_URL"));
}
