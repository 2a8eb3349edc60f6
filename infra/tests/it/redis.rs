//! Connections to Redis, with and without one.

use std::time::{Duration, Instant};

use infra::redis::{Lookups, manager, ping};
use infra::testing;
use infra::testing::Proxy;

#[tokio::test]
async fn a_connection_opens_at_its_first_command() {
    let mut redis = manager(&testing::redis_url(), Duration::from_secs(1)).unwrap();
    ping(&redis).await.unwrap();
    let key = testing::unique("infra");
    let set: () = redis::cmd("SET")
        .arg(&key)
        .arg("1")
        .arg("EX")
        .arg(60)
        .query_async(&mut redis)
        .await
        .unwrap();
    let read: String = redis::cmd("GETDEL")
        .arg(&key)
        .query_async(&mut redis)
        .await
        .unwrap();
    assert_eq!(((), "1"), (set, read.as_str()));
}

#[tokio::test]
async fn a_redis_that_is_away_fails_soon_and_is_found_when_it_comes() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let redis = manager(&format!("redis://{address}"), Duration::from_secs(1)).unwrap();
    let started = Instant::now();
    for _ in 0..3 {
        ping(&redis).await.unwrap_err();
    }
    assert!(
        started.elapsed() < Duration::from_secs(6),
        "{:?}",
        started.elapsed()
    );

    // It comes: the real one, behind the port that was dead.
    let real = testing::redis_url();
    let real = real
        .trim_start_matches("redis://")
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    let front = tokio::net::TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = front.accept().await.unwrap();
            let mut server = tokio::net::TcpStream::connect(&real).await.unwrap();
            tokio::spawn(
                async move { tokio::io::copy_bidirectional(&mut client, &mut server).await },
            );
        }
    });
    let came = Instant::now();
    while ping(&redis).await.is_err() {
        assert!(
            came.elapsed() < Duration::from_secs(10),
            "Redis is back and not found"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_is_no_redis_url_is_an_error() {
    assert!(manager("postgres://127.0.0.1", Duration::from_secs(1)).is_err());
}

/// A proxy in front of the tests' Redis, and the URL of Redis there.
async fn behind_proxy() -> (Proxy, String) {
    let url = testing::redis_url();
    let server = url.trim_start_matches("redis://");
    let server = server.split('/').next().unwrap().to_owned();
    let proxy = Proxy::start(server).await;
    let url = format!("redis://{}", proxy.address());
    (proxy, url)
}

#[tokio::test]
async fn a_connection_that_swallows_what_is_sent_costs_one_wait() {
    let (proxy, url) = behind_proxy().await;
    let redis = manager(&url, Duration::from_millis(500)).unwrap();
    ping(&redis).await.unwrap();
    proxy.swallow();
    let began = Instant::now();
    ping(&redis).await.unwrap_err();
    ping(&redis).await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn lookups_go_on_over_a_new_connection_after_one_wait() {
    let (proxy, url) = behind_proxy().await;
    let lookups = Lookups::connect(&url).unwrap();
    let key = testing::unique("infra");
    lookups.get(key.clone()).await.unwrap();
    proxy.swallow();
    lookups.get(key.clone()).await.unwrap_err();
    // The breaker's pause.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(lookups.get(key).await.unwrap(), None);
}
