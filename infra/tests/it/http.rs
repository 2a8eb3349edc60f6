//! Serving: what every request gets, and what no client can do to the others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use infra::http::{BODY_LIMIT, Limits, RequestId, bind, request_id, serve_within};
use reqwest::{Client, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    pub(crate) http: Client,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: tokio::task::JoinHandle<anyhow::Result<()>>,
}

pub(crate) async fn start(router: Router) -> Stage {
    start_within(Limits::default(), router).await
}

pub(crate) async fn start_within(limits: Limits, router: Router) -> Stage {
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(serve_within(
        limits,
        "test",
        listener,
        router,
        shutdown.clone(),
    ));
    Stage {
        address,
        http: Client::new(),
        shutdown,
        served,
    }
}

impl Stage {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    /// Sends bytes as they are and reads until the server closes.
    pub(crate) async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

async fn names(
    axum::Extension(id): axum::Extension<RequestId>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> String {
    format!(
        "{} {} {}",
        id.as_str(),
        request_id().unwrap().as_str(),
        peer.ip()
    )
}

#[tokio::test]
async fn a_request_keeps_a_good_id_and_gets_one_otherwise() {
    let stage = start(Router::new().route("/", get(names))).await;
    let long = "x".repeat(129);
    for (sent, kept) in [
        ("order-17", true),
        ("", false),
        ("two words", false),
        (long.as_str(), false),
    ] {
        let request = stage.http.get(stage.url("/")).header("x-request-id", sent);
        let response = request.send().await.unwrap();
        let id = response.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        assert_eq!(id == sent, kept, "{sent:?} became {id:?}");
        assert!(kept || id.starts_with("req_"), "{id}");
        assert_eq!(
            response.text().await.unwrap(),
            format!("{id} {id} 127.0.0.1")
        );
    }
    assert!(
        request_id().is_none(),
        "outside of a request there is no id"
    );
}

async fn panics() {
    panic!("a secret");
}

#[tokio::test]
async fn a_handler_that_panics_is_a_500_and_the_next_request_is_served() {
    let router = Router::new()
        .route("/panic", get(panics))
        .route("/", get(|| async { "fine" }));
    let stage = start(router).await;
    let response = stage.get("/panic").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let id = response.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let body = response.text().await.unwrap();
    assert!(
        body.contains("\"internal_error\"") && body.contains(&id),
        "{body}"
    );
    assert!(!body.contains("a secret"), "{body}");
    assert_eq!(stage.get("/").await.text().await.unwrap(), "fine");
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413_however_it_is_sent() {
    let stage = start(Router::new().route(
        "/",
        post(|body: Bytes| async move { body.len().to_string() }),
    ))
    .await;
    let send = |length: usize| {
        stage
            .http
            .post(stage.url("/"))
            .body(vec![b'x'; length])
            .send()
    };
    let fits = send(BODY_LIMIT).await.unwrap();
    assert_eq!(fits.text().await.unwrap(), BODY_LIMIT.to_string());
    let over = send(BODY_LIMIT + 1).await.unwrap();
    assert_eq!(over.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let over = over.text().await.unwrap();
    assert!(
        over.contains("\"body_too_large\"") && over.contains("\"The body is too large\""),
        "{over}"
    );
    let mut chunked =
        b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    chunked.extend(format!("{:x}\r\n", BODY_LIMIT + 1).bytes());
    chunked.extend(vec![b'x'; BODY_LIMIT + 1]);
    chunked.extend(b"\r\n0\r\n\r\n");
    let answer = stage.raw(&chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn what_is_not_http_is_answered_400() {
    let stage = start(Router::new().route("/", get(|| async { "fine" }))).await;
    let answer = stage.raw(b"GET / HTTP/1.1\r\nno header\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn every_answer_tells_browsers_to_keep_away() {
    let own = || async { ([("content-security-policy", "script-src 'self'")], "page") };
    let router = Router::new()
        .route("/", get(|| async { "fine" }))
        .route("/own", get(own));
    let stage = start(router).await;
    for path in ["/", "/nowhere"] {
        let answer = stage.get(path).await;
        let headers = answer.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert_eq!(policy, "default-src 'none'; frame-ancestors 'none'");
        for absent in ["server", "x-powered-by", "strict-transport-security"] {
            assert!(!headers.contains_key(absent), "{absent}");
        }
    }
    let answer = stage.get("/own").await;
    assert_eq!(
        answer.headers()["content-security-policy"],
        "script-src 'self'"
    );

    let over_tls = stage
        .http
        .get(stage.url("/"))
        .header("x-forwarded-proto", "https");
    let answer = over_tls.send().await.unwrap();
    let policy = answer.headers()["strict-transport-security"]
        .to_str()
        .unwrap();
    assert!(policy.starts_with("max-age=31536000"), "{policy}");
}

#[tokio::test]
async fn a_compressed_body_is_refused_and_never_unpacked() {
    let stage = start(Router::new().route("/", post(|body: Bytes| async move { body }))).await;
    for (encoding, status) in [("gzip", 415), ("br, gzip", 415), ("identity", 200)] {
        let request = stage.http.post(stage.url("/"));
        let answer = request
            .header("content-encoding", encoding)
            .body("{}")
            .send();
        assert_eq!(answer.await.unwrap().status(), status, "{encoding}");
    }
    let large = stage
        .http
        .post(stage.url("/"))
        .header("content-encoding", "gzip");
    let answer = large.body(vec![0; BODY_LIMIT + 1]).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn shutdown_finishes_open_requests_and_accepts_no_more() {
    let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, ends) = (begun.clone(), end.clone());
    let slow = move || async move {
        begins.notify_one();
        ends.notified().await;
        "done"
    };
    let stage = start(Router::new().route("/", get(slow))).await;
    let open = tokio::spawn(stage.http.get(stage.url("/")).send());
    begun.notified().await;
    stage.shutdown.cancel();
    let refused = Instant::now();
    while TcpStream::connect(stage.address).await.is_ok() {
        assert!(
            refused.elapsed() < Duration::from_secs(5),
            "connections are still accepted"
        );
        tokio::task::yield_now().await;
    }
    assert!(!stage.served.is_finished(), "an open request was abandoned");
    end.notify_one();
    assert_eq!(open.await.unwrap().unwrap().text().await.unwrap(), "done");
    tokio::time::timeout(Duration::from_secs(5), stage.served)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_busy_port_is_named_in_the_error() {
    let first = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = first.local_addr().unwrap();
    let error = format!("{:#}", bind(address).await.unwrap_err());
    assert!(
        error.contains(&address.to_string()) && error.contains("another process"),
        "{error}"
    );
}
