//! A simulator on a port of its own, a client for it, and an endpoint that records the webhooks it receives.

use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use stripe_simulator::{Config, serve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running simulator.
pub(crate) struct Simulator {
    pub(crate) url: String,
    http: reqwest::Client,
    keys: AtomicU32,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

/// An answer with its body parsed as JSON.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn id(&self) -> String {
        self.body["id"]
            .as_str()
            .expect("an object with an id")
            .to_owned()
    }

    /// `status` of the object.
    pub(crate) fn object_status(&self) -> &str {
        self.body["status"].as_str().unwrap_or("none")
    }

    pub(crate) fn error(&self) -> &Value {
        &self.body["error"]
    }
}

/// A configuration with short waits.
pub(crate) fn quick() -> Config {
    Config {
        settle_after: Duration::from_millis(30),
        webhook_retries: vec![Duration::from_millis(20); 5],
        ..Config::default()
    }
}

impl Simulator {
    pub(crate) async fn start() -> Self {
        Self::with(quick()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(config, listener, stop.clone()));
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            url,
            http,
            keys: AtomicU32::new(1),
            stop,
            task,
        }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// A request with a test key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        request.bearer_auth("sk_test_simulator")
    }

    /// A request without any key.
    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) fn fresh_key(&self) -> String {
        format!("key-{}", self.keys.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.post_as(&self.fresh_key(), path, form).await
    }

    pub(crate) async fn post_as(&self, key: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        self.try_post(key, path, form).await.unwrap()
    }

    /// A POST whose answer may be dropped.
    pub(crate) async fn try_post(
        &self,
        key: &str,
        path: &str,
        form: &[(&str, &str)],
    ) -> reqwest::Result<Answer> {
        let request = self
            .request(Method::POST, path)
            .header("idempotency-key", key);
        send(request.form(form)).await
    }

    /// A POST that asks for a fault of its own.
    pub(crate) async fn post_with_fault(
        &self,
        fault: &str,
        key: &str,
        path: &str,
        form: &[(&str, &str)],
    ) -> reqwest::Result<Answer> {
        let request = self
            .request(Method::POST, path)
            .header("idempotency-key", key);
        send(request.header("pawl-sim-fault", fault).form(form)).await
    }

    pub(crate) async fn admin(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.anonymous(method, &format!("/_sim/{path}"));
        send(request.body(body.to_string())).await.unwrap()
    }

    pub(crate) async fn put_faults(&self, rules: Value) {
        let answer = self
            .admin(Method::PUT, "faults", &json!({"seed": 7, "rules": rules}))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub(crate) async fn fired(&self, fault: &str) -> u64 {
        let report = self.admin(Method::GET, "faults", &Value::Null).await;
        report.body["fired"][fault].as_u64().unwrap()
    }

    pub(crate) async fn ledger(&self, query: &str) -> Value {
        let path = format!("ledger{query}");
        self.admin(Method::GET, &path, &Value::Null).await.body
    }

    /// Creates an intent over 10 dollars with `method`, not confirmed.
    pub(crate) async fn intent(&self, method: &str) -> String {
        self.intent_with(method, &[]).await
    }

    pub(crate) async fn intent_with(&self, method: &str, more: &[(&str, &str)]) -> String {
        let mut form = vec![
            ("amount", "1000"),
            ("currency", "usd"),
            ("payment_method", method),
            ("automatic_payment_methods[enabled]", "true"),
            ("automatic_payment_methods[allow_redirects]", "never"),
        ];
        form.extend_from_slice(more);
        let answer = self.post("/v1/payment_intents", &form).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.id()
    }

    pub(crate) async fn confirm(&self, id: &str) -> Answer {
        self.post(&format!("/v1/payment_intents/{id}/confirm"), &[])
            .await
    }

    /// Creates an intent and pays it with `method`.
    pub(crate) async fn paid(&self, method: &str) -> String {
        let id = self.intent(method).await;
        let answer = self.confirm(&id).await;
        assert_eq!(answer.object_status(), "succeeded", "{answer:?}");
        id
    }

    pub(crate) async fn retrieve(&self, id: &str) -> Answer {
        self.get(&format!("/v1/payment_intents/{id}")).await
    }

    /// The types of all events so far, oldest first.
    pub(crate) async fn event_types(&self) -> Vec<String> {
        let events = self.get("/v1/events?limit=100").await;
        let events = events.body["data"].as_array().unwrap().iter().rev();
        events
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Registers `endpoint` for the events of `types`.
    pub(crate) async fn register(&self, endpoint: &Endpoint, types: &[&str]) {
        let body = json!({"url": endpoint.url, "secret": SECRET, "enabled_events": types});
        let answer = self.admin(Method::POST, "webhook_endpoints", &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

async fn send(request: RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.bytes().await?;
    let body = serde_json::from_slice(&text)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&text).into_owned()));
    Ok(Answer {
        status,
        headers,
        body,
    })
}

/// The signing secret of all tests.
pub(crate) const SECRET: &str = "whsec_of_the_tests";

/// One received webhook.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub(crate) body: Bytes,
    pub(crate) signature: String,
}

impl Webhook {
    pub(crate) fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether the signature is right for [`SECRET`], computed independently of the simulator.
    pub(crate) fn is_signed(&self) -> bool {
        let (time, signature) = self.signature.split_once(",v1=").unwrap();
        let time = time.strip_prefix("t=").unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let signed = [time.as_bytes(), b".", &self.body].concat();
        hmac::verify(&key, &signed, &hex::decode(signature).unwrap()).is_ok()
    }
}

/// An endpoint that answers 500 `failures` times, then 200.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    arrived: Arc<Mutex<Vec<Webhook>>>,
}

impl Endpoint {
    pub(crate) async fn start(failures: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let (kept, left) = (Arc::clone(&arrived), Arc::new(AtomicU32::new(failures)));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (kept, left) = (Arc::clone(&kept), Arc::clone(&left));
                let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let (kept, left) = (Arc::clone(&kept), Arc::clone(&left));
                    async move {
                        let signature = request.headers()["stripe-signature"]
                            .to_str()
                            .unwrap()
                            .to_owned();
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        kept.lock().unwrap().push(Webhook { body, signature });
                        let fails = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                            left.checked_sub(1)
                        });
                        let status = if fails.is_ok() { 500 } else { 200 };
                        let mut response = hyper::Response::new(Full::new(Bytes::new()));
                        *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
                        Ok::<_, Infallible>(response)
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { url, arrived }
    }

    pub(crate) fn arrived(&self) -> Vec<Webhook> {
        self.arrived.lock().unwrap().clone()
    }

    /// Waits until `count` webhooks have arrived.
    pub(crate) async fn receive(&self, count: usize) -> Vec<Webhook> {
        eventually(async || Some(self.arrived()).filter(|arrived| arrived.len() >= count)).await
    }
}

/// Waits, up to twenty seconds, until `found` returns a value.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    mut found: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(it) = found().await {
            return it;
        }
        assert!(
            Instant::now() < deadline,
            "it did not happen within twenty seconds"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
