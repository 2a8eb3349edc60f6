//! HAProxy before three real gateways: balance, clients' addresses, a killed gateway and a restarted one.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use reqwest::{Client, Method};
use serde_json::json;

use crate::fleet::{Fleet, free_addresses};
use crate::haproxy::HaProxy;
use crate::program::signal;

/// The services with two more gateways, and HAProxy before all three.
struct Balanced {
    proxy: HaProxy,
    /// The second and the third gateway.
    more: Vec<(SocketAddr, Child)>,
    fleet: Fleet,
}

impl Balanced {
    async fn start(more: &[(&str, &str)]) -> Balanced {
        let settings = [("RUST_LOG", "warn"), ("TRUSTED_PROXIES", "127.0.0.1")];
        let settings: Vec<_> = settings.iter().chain(more).copied().collect();
        let fleet = Fleet::start(&settings).await;
        let more: Vec<_> = free_addresses(2)
            .into_iter()
            .map(|address| (address, another_gateway(&fleet, address)))
            .collect();
        for (address, _) in &more {
            // HAProxy takes a server that it has not checked yet for a healthy one.
            is_ready(*address).await;
        }
        let first: SocketAddr = fleet.variable("GATEWAY_ADDR").parse().unwrap();
        let gateways: Vec<SocketAddr> = [first]
            .into_iter()
            .chain(more.iter().map(|(address, _)| *address))
            .collect();
        let proxy = HaProxy::start(fleet.directory(), &gateways, None).await;
        Balanced { proxy, more, fleet }
    }

    /// A request to a path of the API, with the merchant's key.
    fn request(&self, http: &Client, method: Method, path: &str) -> reqwest::RequestBuilder {
        http.request(method, format!("{}{path}", self.proxy.url()))
            .header("X-API-Key", &self.fleet.api_key)
    }
}

impl Drop for Balanced {
    fn drop(&mut self) {
        for (_, process) in &mut self.more {
            process.kill().ok();
            process.wait().ok();
        }
    }
}

fn another_gateway(fleet: &Fleet, address: SocketAddr) -> Child {
    let variables = [("GATEWAY_ADDR", address.to_string())];
    fleet.spawn_as("gateway", &format!("gateway-{address}"), &variables)
}

/// Waits until a gateway is ready.
async fn is_ready(address: SocketAddr) {
    let http = Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{address}/readyz");
    let deadline = Instant::now() + Duration::from_mins(1);
    let asks = || async { http.get(&url).send().await };
    while !asks().await.is_ok_and(|answer| answer.status() == 200) {
        assert!(Instant::now() < deadline, "{url} is not ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A client whose connections come from this address of the loopback network.
fn client(address: &str) -> Client {
    let address: IpAddr = address.parse().unwrap();
    let builder = Client::builder().no_proxy().local_address(address);
    builder.build().unwrap()
}

#[tokio::test]
async fn requests_reach_every_gateway_and_are_limited_by_their_clients_real_address() {
    let balanced = Balanced::start(&[("RATE_LIMIT_IP_PER_MINUTE", "5")]).await;
    let http = client("127.0.0.1");
    for _ in 0..30 {
        let request = balanced.request(&http, Method::GET, "/api/v1/payments");
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let servers = balanced.proxy.servers().await;
    assert!(
        servers.len() == 3 && servers.iter().all(|it| it.sent >= 5),
        "{servers:?}"
    );

    // The limit of an address without credentials: a forged header neither widens it nor takes it from somebody else.
    let path = format!("{}/api/v1/payments", balanced.proxy.url());
    let mut statuses = Vec::new();
    for number in 0..8 {
        let forged = format!("203.0.113.{number}");
        let request = client("127.0.0.2").get(&path);
        let request = ["X-Forwarded-For", "X-Real-IP"]
            .into_iter()
            .fold(request, |request, name| request.header(name, &forged))
            .header("Forwarded", format!("for={forged}"));
        statuses.push(request.send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
    let other = client("127.0.0.3")
        .get(&path)
        .header("X-Forwarded-For", "127.0.0.2");
    assert_eq!(other.send().await.unwrap().status(), 401);
}

/// The answers to requests that may be repeated, sent by several clients until the load ends.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: tokio::task::JoinSet<Vec<String>>,
}

impl Load {
    fn start(balanced: &Balanced) -> Load {
        let mut load = Load {
            stop: Arc::default(),
            answered: Arc::default(),
            clients: tokio::task::JoinSet::new(),
        };
        for number in 0..6 {
            let (stop, answered) = (Arc::clone(&load.stop), Arc::clone(&load.answered));
            let (base, key) = (balanced.proxy.url(), balanced.fleet.api_key.clone());
            load.clients.spawn(async move {
                let http = Client::builder().no_proxy().build().unwrap();
                let mut failures = Vec::new();
                let mut round = 0;
                while !stop.load(Ordering::SeqCst) {
                    round += 1;
                    let (request, expected) = match number % 3 {
                        0 => (http.get(format!("{base}/api/v1/payments?limit=3")), 200),
                        1 => (
                            http.post(format!("{base}/api/v1/payments"))
                                .header("Idempotency-Key", format!("load-{number}-{round}"))
                                .json(&json!({"amount": 500, "currency": "eur"})),
                            201,
                        ),
                        // The signature is none, and a gateway says so.
                        _ => (http.post(format!("{base}/webhooks/stripe")).body("{}"), 400),
                    };
                    match request.header("X-API-Key", &key).send().await {
                        Ok(answer) if answer.status() == expected => {}
                        Ok(answer) => {
                            failures.push(format!("client {number}: {}", answer.status()));
                        }
                        Err(error) => failures.push(format!("client {number}: {error:?}")),
                    }
                    answered.fetch_add(1, Ordering::SeqCst);
                }
                failures
            });
        }
        load
    }

    /// Waits until so many more requests were answered.
    async fn answers(&self, count: u64) {
        let enough = self.answered.load(Ordering::SeqCst) + count;
        let answered = async {
            while self.answered.load(Ordering::SeqCst) < enough {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let limit = Duration::from_mins(2);
        tokio::time::timeout(limit, answered)
            .await
            .expect("the load goes on");
    }

    /// Ends the load and returns what failed.
    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.clients.join_all().await.concat()
    }
}

#[tokio::test]
async fn neither_a_killed_nor_a_restarted_gateway_fails_a_request_that_may_be_repeated() {
    let mut balanced = Balanced::start(&[("SHUTDOWN_NOTICE_SECONDS", "5")]).await;
    let load = Load::start(&balanced);
    load.answers(100).await;

    // Killed in the middle of requests; those that it had, and those until the next health check, go to the others.
    let (address, killed) = &mut balanced.more[0];
    killed.kill().unwrap();
    killed.wait().unwrap();
    balanced.proxy.has_gateways(2).await;
    load.answers(100).await;
    let tried_again: u64 = balanced
        .proxy
        .servers()
        .await
        .iter()
        .map(|it| it.tried_again)
        .sum();
    assert!(tried_again > 0, "the load met no killed gateway");
    *killed = another_gateway(&balanced.fleet, *address);
    balanced.proxy.has_gateways(3).await;

    // Told to stop: it is unready and finishes what it has, while new requests go to the others.
    let (address, stopped) = &mut balanced.more[1];
    // While a connection is open, the gateway does not end before its notice.
    let open = TcpStream::connect(*address).unwrap();
    signal(stopped, Signal::SIGTERM);
    balanced.proxy.has_gateways(2).await;
    let is_running = stopped.try_wait().unwrap().is_none();
    assert!(is_running, "it was taken out only after its end");
    drop(open);
    assert!(stopped.wait().unwrap().success());
    load.answers(50).await;
    *stopped = another_gateway(&balanced.fleet, *address);
    balanced.proxy.has_gateways(3).await;
    load.answers(100).await;
    let failures = load.end().await;
    assert!(
        failures.is_empty(),
        "{failures:#?}\n{}",
        balanced.proxy.wrote()
    );
}
