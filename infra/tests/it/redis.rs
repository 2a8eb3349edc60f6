//! Connections to Redis, with and without one.

use std::time::{Duration, Instant};

use infra::redis::{manager, ping};
use infra::testing;

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
