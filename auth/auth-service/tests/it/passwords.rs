//! What hashing costs and whom it holds up.

use std::time::{Duration, Instant};

use auth_service::Passwords;
use reqwest::StatusCode;

use crate::{Stage, secret};

#[tokio::test]
async fn an_unknown_user_costs_the_same_work_as_a_wrong_password() {
    let passwords = Passwords::new().unwrap();
    let hash = passwords.hash(secret("correct horse")).await.unwrap();
    assert!(
        hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{hash}"
    );
    let before = passwords.hashed();
    assert!(
        !passwords
            .verify(secret("wrong horse"), Some(&hash))
            .await
            .unwrap()
    );
    let known = passwords.hashed() - before;
    assert!(!passwords.verify(secret("wrong horse"), None).await.unwrap());
    let unknown = passwords.hashed() - before - known;
    assert_eq!((known, unknown), (1, 1));
    assert!(
        passwords
            .verify(secret("correct horse"), Some(&hash))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn equal_passwords_have_different_hashes() {
    let passwords = Passwords::new().unwrap();
    let one = passwords.hash(secret("correct horse")).await.unwrap();
    let other = passwords.hash(secret("correct horse")).await.unwrap();
    assert_ne!(one, other);
    assert!(!passwords.is_outdated(&one));
    assert!(
        passwords.is_outdated("$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_logins_at_once_leave_health_under_a_second() {
    let stage = Stage::start().await;
    stage.register("ada@example.org", "correct horse").await;
    let logins = futures::future::join_all(
        (0..100).map(|_| stage.login("ada@example.org", "correct horse")),
    );
    tokio::pin!(logins);
    let (mut slowest, mut asked) = (Duration::ZERO, 0);
    let answers = loop {
        let started = Instant::now();
        tokio::select! {
            answers = &mut logins => break answers,
            health = stage.get("/health") => {
                assert_eq!(health.status(), StatusCode::OK);
                slowest = slowest.max(started.elapsed());
                asked += 1;
            }
        }
    };
    assert!(
        asked > 10,
        "/health was asked {asked} times while passwords were hashed"
    );
    assert!(slowest < Duration::from_secs(1), "/health took {slowest:?}");
    let done = answers
        .iter()
        .filter(|answer| answer.status() == StatusCode::OK)
        .count();
    let busy = answers
        .iter()
        .filter(|answer| answer.status() == StatusCode::SERVICE_UNAVAILABLE)
        .count();
    assert!(done > 0);
    assert_eq!(done + busy, 100);
}
