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
async fn the_same_letters_in_another_unicode_form_are_the_same_password() {
    let stage = Stage::start().await;
    let composed = "caf\u{e9} \u{fb01}n \u{212b}";
    let decomposed = "cafe\u{301} fin A\u{30a}";
    stage.register("ada@example.org", composed).await;
    let login = stage.login("ada@example.org", decomposed).await;
    assert_eq!(login.status(), StatusCode::OK);
    let login = stage.login("ada@example.org", "cafe fin A").await;
    assert_eq!(login.status(), StatusCode::UNAUTHORIZED);
    // Eight characters as they are sent, and four as they are hashed.
    let refused = stage
        .register("eve@example.org", &"e\u{301}".repeat(4))
        .await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
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
