//! A client that is slow, to send or to receive, does not hold up others for long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::routing::{get, post};
use infra::http::Limits;
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::http::start_within;

/// Limits that a test can wait for.
fn short() -> Limits {
    Limits {
        read: Duration::from_millis(300),
        idle: Duration::from_secs(2),
        body: Duration::from_millis(900),
        write: Duration::from_millis(300),
        request: Duration::from_secs(3),
        notice: Duration::from_secs(1),
        drain: Duration::from_millis(300),
        long_bodies: |_| false,
    }
}

#[test]
fn by_default_slow_clients_are_cut_within_30_seconds() {
    let limits = Limits::default();
    for time in [limits.read, limits.body, limits.write, limits.drain] {
        assert!(time <= Duration::from_secs(30), "{limits:?}");
    }
}

#[tokio::test]
async fn a_client_that_never_ends_its_headers_is_cut() {
    let stage = start_within(short(), Router::new()).await;
    for beginning in ["", "GET / HTTP/1.1\r\nhost: x\r\n"] {
        let started = Instant::now();
        let answer = stage.raw(beginning.as_bytes()).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
            "{answer}"
        );
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{:?}",
            started.elapsed()
        );
    }
}

#[tokio::test]
async fn a_client_that_never_ends_its_body_is_cut() {
    let echo = post(|body: Result<Bytes, BytesRejection>| async move {
        body.map(|body| body.len().to_string())
    });
    let stage = start_within(short(), Router::new().route("/", echo)).await;
    let answer = stage
        .raw(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhalf")
        .await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_although_it_never_pauses_for_long() {
    let echo = post(|body: Result<Bytes, BytesRejection>| async move {
        body.map(|body| body.len().to_string())
    });
    let stage = start_within(short(), Router::new().route("/", echo)).await;
    let stream = TcpStream::connect(stage.address).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n";
    write.write_all(head).await.unwrap();
    let trickle = tokio::spawn(async move {
        // Ends by itself when the server has closed.
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), read.read_to_end(&mut answer))
        .await
        .expect("the connection is cut")
        .ok();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    drop(read);
    trickle.await.unwrap();
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_an_answer_is_cut() {
    let taken = Arc::new(Notify::new());
    let gone = taken.clone();
    let endless = get(|| async move {
        let piece = Bytes::from(vec![b'x'; 64 * 1024]);
        // Dropped with the connection.
        let guard = NotifyOnDrop(gone);
        let pieces = futures::stream::repeat_with(move || {
            let _held = &guard;
            Ok::<_, std::io::Error>(piece.clone())
        });
        axum::body::Body::from_stream(pieces)
    });
    let stage = start_within(short(), Router::new().route("/", endless)).await;
    let mut open = TcpStream::connect(stage.address).await.unwrap();
    open.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    tokio::time::timeout(Duration::from_secs(10), taken.notified())
        .await
        .expect("the answer is given up");
}

/// Notifies when it is dropped.
struct NotifyOnDrop(Arc<Notify>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_handler_that_never_ends_is_a_503() {
    let stage = start_within(
        short(),
        Router::new().route("/", get(std::future::pending::<()>)),
    )
    .await;
    let answer = stage.get("/").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert!(answer.text().await.unwrap().contains("\"timeout\""));
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let stage = start_within(
        short(),
        Router::new().route("/", get(std::future::pending::<()>)),
    )
    .await;
    let mut open = TcpStream::connect(stage.address).await.unwrap();
    open.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    stage.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), stage.served)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

/// Sends a request over a connection that stays open, and reads what comes until the answer's body is there.
async fn ask(open: &mut TcpStream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    open.write_all(request.as_bytes()).await.unwrap();
    let (mut answer, mut piece) = (String::new(), [0; 4096]);
    while !answer.contains("done") {
        let read = open.read(&mut piece).await.unwrap();
        assert!(read > 0, "cut after {answer:?}");
        answer.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    answer
}

#[tokio::test]
async fn a_connection_may_be_idle_for_longer_than_headers_may_take() {
    let stage = start_within(short(), Router::new().route("/", get(async || "done"))).await;
    let mut open = TcpStream::connect(stage.address).await.unwrap();
    ask(&mut open, "/").await;
    tokio::time::sleep(short().read * 3).await;
    ask(&mut open, "/").await;
    let idle = Instant::now();
    assert_eq!(open.read(&mut [0; 16]).await.unwrap_or(0), 0);
    let idle = idle.elapsed();
    assert!(
        idle > short().read * 3 && idle < Duration::from_secs(10),
        "{idle:?}"
    );
    // The next headers have their own limit.
    let mut open = TcpStream::connect(stage.address).await.unwrap();
    ask(&mut open, "/").await;
    open.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let began = Instant::now();
    assert_eq!(open.read(&mut [0; 16]).await.unwrap_or(0), 0);
    assert!(began.elapsed() < short().idle, "{:?}", began.elapsed());
}

#[tokio::test]
async fn who_keeps_connections_alive_is_told_to_close_them_before_the_end() {
    let ready = infra::health::routes("test", async |()| infra::health::Readiness::new("done"));
    let router = ready.route("/", get(async || "done"));
    let stage = start_within(short(), router).await;
    let mut open = TcpStream::connect(stage.address).await.unwrap();
    let mut other = TcpStream::connect(stage.address).await.unwrap();
    assert!(!ask(&mut open, "/").await.contains("connection: close"));
    assert!(ask(&mut other, "/readyz").await.starts_with("HTTP/1.1 200"));
    stage.shutdown.cancel();
    let answer = ask(&mut open, "/").await;
    assert!(answer.contains("connection: close"), "{answer}");
    let ready = ask(&mut other, "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(
        ready.contains("send requests to another instance"),
        "{ready}"
    );
    let mut late = TcpStream::connect(stage.address).await.unwrap();
    assert!(ask(&mut late, "/").await.contains("connection: close"));
    // All have closed: nothing is waited for.
    drop((open, other, late));
    let began = Instant::now();
    stage.served.await.unwrap().unwrap();
    assert!(began.elapsed() < short().notice, "{:?}", began.elapsed());
    assert!(TcpStream::connect(stage.address).await.is_err());
}
