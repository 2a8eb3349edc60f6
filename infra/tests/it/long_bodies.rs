//! A route with longer bodies than the others: how long they may be, and how many are in memory.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::post;
use infra::http::{BODY_LIMIT, LONG_BODY_LIMIT, Limits, LongBodies, LongBodyError};
use reqwest::StatusCode;
use tokio::sync::Notify;

use crate::http::{Stage, start_within};

/// A server that answers the length of bodies at `/long` and `/short`.
async fn stage() -> Stage {
    let bodies = Arc::new(LongBodies::new(1));
    let long = move |body: Body| async move {
        match bodies.read(body).await {
            Ok(body) => Ok(body.bytes.len().to_string()),
            Err(LongBodyError::Request(error)) => Err(error),
            Err(LongBodyError::Busy) => panic!("nobody else sends a body"),
        }
    };
    let short = |body: Bytes| async move { body.len().to_string() };
    let router = Router::new()
        .route("/long", post(long))
        .route("/short", post(short));
    let limits = Limits {
        long_bodies: |path| path == "/long",
        ..Limits::default()
    };
    start_within(limits, router).await
}

#[tokio::test]
async fn one_path_takes_longer_bodies_and_no_other_does() {
    let stage = stage().await;
    let post = async |path: &str, length: usize| {
        let body = vec![b'x'; length];
        let sent = stage.http.post(stage.url(path)).body(body).send().await;
        sent.unwrap().status()
    };
    assert_eq!(post("/long", LONG_BODY_LIMIT).await, StatusCode::OK);
    let over = post("/short", BODY_LIMIT + 1).await;
    assert_eq!(over, StatusCode::PAYLOAD_TOO_LARGE);
    // Refused for what the head says, before anything of the body is sent.
    for (path, length) in [("/long", LONG_BODY_LIMIT), ("/short", BODY_LIMIT)] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            length + 1
        );
        let answer = stage.raw(head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_off_at_the_limit() {
    let bodies = LongBodies::new(1);
    let endless = futures::stream::repeat(Ok::<_, Infallible>(Bytes::from(vec![b'x'; 4096])));
    let read = bodies.read(Body::from_stream(endless));
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    let Err(LongBodyError::Request(error)) = read.unwrap() else {
        panic!("an endless body was read to its end");
    };
    assert_eq!(error.code.as_str(), "body_too_large");
}

#[tokio::test]
async fn of_long_bodies_only_so_many_are_in_memory_and_short_ones_are_always_read() {
    let bodies = LongBodies::new(1);
    let long = || Body::from(vec![b'x'; BODY_LIMIT + 1]);
    let short = || Body::from(vec![b'x'; BODY_LIMIT]);
    let held = bodies.read(long()).await.unwrap();
    assert_eq!(held.bytes.len(), BODY_LIMIT + 1);
    assert_eq!(bodies.read(long()).await.unwrap_err(), LongBodyError::Busy);
    assert_eq!(bodies.read(short()).await.unwrap().bytes.len(), BODY_LIMIT);
    drop(held);
    assert!(bodies.read(long()).await.is_ok());
}

#[tokio::test]
async fn a_body_that_is_given_up_gives_its_place_back() {
    let bodies = Arc::new(LongBodies::new(1));
    let arrived = Arc::new(Notify::new());
    let told = arrived.clone();
    let stalled = futures::stream::unfold(0, move |piece| {
        let told = told.clone();
        async move {
            if piece == 1 {
                told.notify_one();
                std::future::pending::<()>().await;
            }
            Some((
                Ok::<_, Infallible>(Bytes::from(vec![b'x'; BODY_LIMIT + 1])),
                piece + 1,
            ))
        }
    });
    let reader = bodies.clone();
    let reading = tokio::spawn(async move { reader.read(Body::from_stream(stalled)).await });
    arrived.notified().await;
    let long = || Body::from(vec![b'x'; BODY_LIMIT + 1]);
    assert_eq!(bodies.read(long()).await.unwrap_err(), LongBodyError::Busy);
    reading.abort();
    assert!(reading.await.unwrap_err().is_cancelled());
    assert!(bodies.read(long()).await.is_ok());
}
