//! What HAProxy sends to a gateway, byte for byte, and which lost requests it sends again. A server of this test stands in
//! the gateway's place: it records each request, and closes connections when it is told to.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use reqwest::{Client, Method};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::haproxy::HaProxy;

/// HAProxy before the recording server.
struct Proxied {
    proxy: HaProxy,
    requests: mpsc::UnboundedReceiver<String>,
    /// How many of the next requests lose their connection without an answer.
    lose: Arc<AtomicU32>,
    http: Client,
    _directory: TempDir,
}

impl Proxied {
    async fn start(certificate: Option<PathBuf>) -> Proxied {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (recorded, requests) = mpsc::unbounded_channel();
        let lose = Arc::new(AtomicU32::new(0));
        let losing = Arc::clone(&lose);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(record(stream, recorded.clone(), Arc::clone(&losing)));
            }
        });
        let directory = tempfile::tempdir().unwrap();
        let proxy = HaProxy::start(directory.path(), &[address], certificate.as_deref()).await;
        Proxied {
            proxy,
            requests,
            lose,
            http: Client::builder()
                .no_proxy()
                // After an answer of its own HAProxy closes the connection.
                .pool_max_idle_per_host(0)
                .danger_accept_invalid_certs(true)
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            _directory: directory,
        }
    }

    /// The requests that the gateway got since the last call.
    fn recorded(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }

    /// Sends these bytes on a connection, and returns everything that comes back until it is closed.
    async fn raw(&self, bytes: &str) -> String {
        let mut stream = TcpStream::connect(self.proxy.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        String::from_utf8(answer).unwrap()
    }
}

/// Answers each request of a connection, or loses the connection.
async fn record(
    mut stream: TcpStream,
    recorded: mpsc::UnboundedSender<String>,
    lose: Arc<AtomicU32>,
) {
    let mut bytes = Vec::new();
    loop {
        let Some(request) = next_request(&mut stream, &mut bytes).await else {
            return;
        };
        if request.starts_with("GET /readyz ") {
            // Health checks are no requests of clients.
        } else {
            recorded.send(request).ok();
            if lose
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                })
                .is_ok()
            {
                return;
            }
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// The head of the next request with its body, which is short and of a declared length or in one chunk.
async fn next_request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<String> {
    loop {
        let text = String::from_utf8_lossy(bytes).into_owned();
        if let Some(head) = text.find("\r\n\r\n").map(|at| at + 4) {
            let headers = text[..head].to_lowercase();
            let length = headers
                .split("content-length: ")
                .nth(1)
                .map_or(0, |it| it.split("\r\n").next().unwrap().parse().unwrap());
            let is_chunked = headers.contains("transfer-encoding: chunked");
            let end = if is_chunked {
                text[head..].find("0\r\n\r\n").map(|at| head + at + 5)
            } else {
                Some(head + length).filter(|end| *end <= bytes.len())
            };
            if let Some(end) = end {
                bytes.drain(..end);
                return Some(text[..end].to_owned());
            }
        }
        let mut more = [0; 4096];
        match stream.read(&mut more).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&more[..count]),
        }
    }
}

/// The values of a header in a recorded request.
fn values<'a>(request: &'a str, header: &str) -> Vec<&'a str> {
    request
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| name.eq_ignore_ascii_case(header))
        .map(|(_, value)| value)
        .collect()
}

#[tokio::test]
async fn a_clients_own_headers_about_its_address_do_not_survive() {
    let mut proxied = Proxied::start(None).await;
    let request = proxied
        .http
        .get(format!("{}/api/v1/payments", proxied.proxy.url()))
        .header("X-Forwarded-For", "203.0.113.1, 203.0.113.2")
        .header("X-Forwarded-For", "203.0.113.3")
        .header("X-Real-IP", "203.0.113.4")
        .header("Forwarded", "for=203.0.113.5")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "elsewhere.example");
    assert_eq!(request.send().await.unwrap().status(), 200);
    let requests = proxied.recorded();
    let [request] = &requests[..] else {
        panic!("{requests:?}")
    };
    assert!(
        !request.contains("203.0.113.") && !request.contains("elsewhere"),
        "{request}"
    );
    assert_eq!(values(request, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(values(request, "x-real-ip"), ["127.0.0.1"]);
    assert_eq!(values(request, "x-forwarded-proto"), ["http"]);
}

#[tokio::test]
async fn a_request_that_two_programs_could_read_differently_is_refused_or_made_clear() {
    let mut proxied = Proxied::start(None).await;
    let head = "POST /api/v1/payments HTTP/1.1\r\nHost: pawl\r\n";
    for refused in [
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "Content-Length: +5\r\n\r\nhello",
        "Content-Length: 5, 6\r\n\r\nhello!",
        "Content-Length : 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        "Bad Name: x\r\n\r\n",
    ] {
        let answer = proxied.raw(&format!("{head}{refused}")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{refused:?}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{refused:?}: {answer}"
        );
    }
    assert_eq!(proxied.recorded(), [""; 0]);
    // Both lengths: the gateway is told one of them, and what follows the body is no request of this connection.
    let both = "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: pawl\r\n\r\n";
    proxied.raw(&format!("{head}{both}")).await;
    for request in proxied.recorded() {
        assert!(!request.contains("/smuggled"), "{request}");
        let lengths = values(&request, "content-length").len();
        assert_eq!(
            lengths + values(&request, "transfer-encoding").len(),
            1,
            "{request}"
        );
    }
}

#[tokio::test]
async fn a_lost_request_is_sent_again_only_if_it_may_be_repeated() {
    let mut proxied = Proxied::start(None).await;
    for (method, path, key, repeats) in [
        (Method::GET, "/api/v1/payments", None, true),
        (Method::POST, "/webhooks/stripe", None, true),
        (Method::POST, "/api/v1/payments", Some("order-1"), true),
        (Method::POST, "/api/v1/payments", None, false),
        (Method::PATCH, "/api/v1/payments/pay_1", None, false),
        (
            Method::DELETE,
            "/api/v1/webhook_endpoints/we_1",
            None,
            false,
        ),
    ] {
        proxied.lose.store(1, Ordering::SeqCst);
        let url = format!("{}{path}", proxied.proxy.url());
        let mut request = proxied.http.request(method.clone(), url).body("{}");
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let status = request.send().await.unwrap().status();
        let seen = proxied.recorded().len();
        let expected = if repeats { (200, 2) } else { (502, 1) };
        assert_eq!((status.as_u16(), seen), expected, "{method} {path} {key:?}");
    }
    // The largest body that the API takes is kept for the second try as well.
    proxied.lose.store(1, Ordering::SeqCst);
    let url = format!("{}/api/v1/payments", proxied.proxy.url());
    let request = proxied.http.post(url).body("x".repeat(64 << 10));
    let answer = request
        .header("Idempotency-Key", "order-2")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (answer.status().as_u16(), proxied.recorded().len()),
        (200, 2)
    );
}

#[tokio::test]
async fn metrics_are_for_operators_only() {
    let mut proxied = Proxied::start(None).await;
    for path in [
        "/metrics",
        "/metrics/",
        "//metrics",
        "/METRICS",
        "/metrics?x=1",
    ] {
        let answer = proxied.raw(&format!("GET {path} HTTP/1.0\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
    assert_eq!(proxied.recorded(), [""; 0]);
    for (path, holds) in [
        ("/stats", "gateways"),
        ("/metrics", "haproxy_backend_status"),
    ] {
        let url = format!("http://{}{path}", proxied.proxy.operators);
        let page = proxied.http.get(url).send().await.unwrap();
        let page = page.error_for_status().unwrap().text().await.unwrap();
        assert!(page.contains(holds), "{path}: {page}");
    }
}

#[tokio::test]
async fn slow_headers_end_within_their_time_and_an_end_waits_for_open_requests() {
    let mut proxied = Proxied::start(None).await;
    // A client that never ends its headers gets 408 after 10 s.
    let slow = tokio::time::timeout(
        Duration::from_secs(20),
        proxied.raw("GET / HTTP/1.1\r\nHost: pawl\r\nX-Slow: "),
    );
    let answer = slow.await.expect("the connection is closed");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(proxied.recorded(), [""; 0]);

    // SIGUSR1: a request whose body is still on its way is answered, and then the process ends.
    let mut open = TcpStream::connect(proxied.proxy.address).await.unwrap();
    let head = "POST /api/v1/payments HTTP/1.1\r\nHost: pawl\r\nContent-Length: 2\r\n\r\n{";
    open.write_all(head.as_bytes()).await.unwrap();
    // The proxy has accepted this connection once it answers a later one.
    proxied.http.get(proxied.proxy.url()).send().await.unwrap();
    proxied.proxy.signal(Signal::SIGUSR1);
    while TcpStream::connect(proxied.proxy.address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    open.write_all(b"}").await.unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(proxied.proxy.ended());
}

#[tokio::test]
async fn a_certificate_moves_clients_to_tls() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = directory.path().join("certificate.pem");
    let script = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout key.pem -out cert.pem \
                  && cat cert.pem key.pem >certificate.pem";
    let made = Command::new("sh")
        .args(["-c", script])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let mut proxied = Proxied::start(Some(certificate)).await;
    let plain = proxied.http.get(format!("{}/health", proxied.proxy.url()));
    let answer = plain.send().await.unwrap();
    let location = answer.headers()["location"].to_str().unwrap();
    assert!(
        answer.status() == 308 && location.starts_with("https://"),
        "{answer:?}"
    );
    assert_eq!(proxied.recorded(), [""; 0]);
    let over_tls = format!("https://{}/health", proxied.proxy.over_tls);
    assert_eq!(
        proxied.http.get(over_tls).send().await.unwrap().status(),
        200
    );
    let requests = proxied.recorded();
    assert_eq!(values(&requests[0], "x-forwarded-proto"), ["https"]);
}
