//! The calls of a run, shown to stripe-mock, which checks each against Stripe's own description of its API.
//!
//! It runs where `STRIPE_MOCK` holds the address of a stripe-mock, as in `make prove`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use engine::delivery::{Guard, Reach};
use tokio::net::TcpListener;

use crate::messages::pay_in_every_way;
use crate::world::{WEBHOOK_TIMEOUT, World};

/// A request as it went to Stripe.
#[derive(Clone)]
struct Sent {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Sent {
    /// What distinguishes it from other calls: the route and the names of its parameters.
    fn shape(&self) -> String {
        let path: Vec<&str> = self
            .uri
            .path()
            .split('/')
            .map(|part| {
                if part.contains('_') && part.contains(char::is_uppercase) {
                    "{id}"
                } else {
                    part
                }
            })
            .collect();
        let mut names: Vec<String> = [self.uri.query().unwrap_or_default().as_bytes(), &self.body]
            .iter()
            .flat_map(|form| serde_urlencoded::from_bytes::<Vec<(String, String)>>(form).unwrap())
            .map(|(name, _)| name)
            .collect();
        names.sort();
        format!("{} {} {}", self.method, path.join("/"), names.join(" "))
    }

    async fn to(&self, base: &str, http: &reqwest::Client) -> reqwest::Response {
        let mut headers = self.headers.clone();
        headers.remove("host");
        http.request(self.method.clone(), format!("{base}{}", self.uri))
            .headers(headers)
            .body(self.body.clone())
            .send()
            .await
            .unwrap()
    }
}

/// Passes on what it gets, and keeps one call of each shape.
#[derive(Clone)]
struct Recorder {
    stripe: String,
    http: reqwest::Client,
    calls: Arc<Mutex<BTreeMap<String, Sent>>>,
}

async fn record(
    State(recorder): State<Recorder>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let sent = Sent {
        method,
        uri,
        headers,
        body,
    };
    let answer = sent.to(&recorder.stripe, &recorder.http).await;
    let shape = sent.shape();
    recorder.calls.lock().unwrap().entry(shape).or_insert(sent);
    let (status, headers) = (answer.status(), answer.headers().clone());
    (status, headers, answer.bytes().await.unwrap()).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn stripes_own_description_of_its_api_allows_every_call_of_a_run() {
    let Some(mock) = std::env::var("STRIPE_MOCK").ok() else {
        eprintln!("skipped: STRIPE_MOCK names no stripe-mock; `make prove` starts one");
        return;
    };
    let mut world = World::start().await;
    let recorder = Recorder {
        stripe: world.stripe.clone(),
        http: reqwest::Client::new(),
        calls: Arc::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    world.stripe = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(record).with_state(recorder.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    world.worker = world.worker_with(Guard::new(Reach::Anywhere), WEBHOOK_TIMEOUT);
    pay_in_every_way(&world).await;
    world.fire_timers("check").await;

    let calls = std::mem::take(&mut *recorder.calls.lock().unwrap());
    let (mut shown, mut refused) = (0, Vec::new());
    for (shape, sent) in calls
        .iter()
        .filter(|(_, sent)| sent.uri.path().starts_with("/v1/"))
    {
        let answer = sent.to(&mock, &recorder.http).await;
        shown += 1;
        if answer.status() != StatusCode::OK {
            refused.push(format!(
                "{shape}: {} {}",
                answer.status(),
                answer.text().await.unwrap()
            ));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    assert!(shown >= 10, "{shown} calls only: {:?}", calls.keys());
    eprintln!("stripe-mock has allowed {shown} calls");
}
