//! Limits against a real Redis, and without one.

use std::time::Duration;

use futures::future::join_all;
use infra::limit::{Bucket, Decision, Limiter, WithoutRedis};
use infra::testing::{redis_url, unique};

const NOWHERE: &str = "redis://127.0.0.1:1";

fn bucket(per_minute: u32) -> Bucket {
    Bucket::new(unique("test"), per_minute).unwrap()
}

async fn take(limiter: &Limiter, buckets: &[Bucket]) -> Decision {
    limiter.take(buckets, WithoutRedis::Pass).await.unwrap()
}

#[tokio::test]
async fn of_fifty_at_once_exactly_the_allowed_number_pass() {
    let bucket = bucket(10);
    // Two processes, as far as Redis can tell.
    let limiters = [
        Limiter::connect(&redis_url()).unwrap(),
        Limiter::connect(&redis_url()).unwrap(),
    ];
    let taken = (0..50).map(|at| take(&limiters[at % 2], std::slice::from_ref(&bucket)));
    let decisions = join_all(taken).await;
    assert_eq!(
        decisions.iter().filter(|decision| decision.allowed).count(),
        10
    );
    let mut left: Vec<u32> = decisions
        .iter()
        .filter(|decision| decision.allowed)
        .map(|decision| decision.remaining)
        .collect();
    left.sort_unstable();
    assert_eq!(left, (0..10).collect::<Vec<_>>());
    for decision in decisions {
        assert_eq!(decision.limit, 10);
        let wait = decision.retry_after;
        assert_eq!(wait.is_zero(), decision.remaining > 0, "{decision:?}");
        assert!(wait <= Duration::from_secs(6), "{decision:?}");
    }
}

#[tokio::test]
async fn an_empty_bucket_fills_evenly() {
    let limiter = Limiter::connect(&redis_url()).unwrap();
    // One token every 20 ms.
    let bucket = bucket(3000);
    let buckets = std::slice::from_ref(&bucket);
    let mut last = take(&limiter, buckets).await;
    while last.allowed {
        last = take(&limiter, buckets).await;
    }
    assert!(last.retry_after <= Duration::from_millis(20), "{last:?}");
    tokio::time::sleep(last.retry_after).await;
    assert!(take(&limiter, buckets).await.allowed);
}

#[tokio::test]
async fn what_one_limit_refuses_does_not_use_up_the_other() {
    let limiter = Limiter::connect(&redis_url()).unwrap();
    let (narrow, wide) = (bucket(1), bucket(5));
    let both = [wide.clone(), narrow.clone()];
    assert_eq!(take(&limiter, &both).await.remaining, 0);
    for _ in 0..10 {
        let refused = take(&limiter, &both).await;
        assert!(!refused.allowed);
        assert_eq!(refused.limit, 1);
    }
    assert_eq!(
        take(&limiter, std::slice::from_ref(&wide)).await.remaining,
        3
    );
}

#[tokio::test]
async fn without_redis_a_limit_is_kept_here_or_not_at_all() {
    let limiter = Limiter::connect(NOWHERE).unwrap();
    let bucket = bucket(3);
    let buckets = std::slice::from_ref(&bucket);
    for _ in 0..10 {
        assert!(take(&limiter, buckets).await.allowed);
    }
    let mut passed = 0;
    for _ in 0..10 {
        let decision = limiter
            .take(buckets, WithoutRedis::CountInProcess)
            .await
            .unwrap();
        passed += u32::from(decision.allowed);
        assert_eq!(
            decision.allowed,
            decision.retry_after.is_zero(),
            "{decision:?}"
        );
    }
    assert_eq!(passed, 3);
}

#[tokio::test]
async fn no_bucket_is_no_limit() {
    let limiter = Limiter::connect(&redis_url()).unwrap();
    assert_eq!(Bucket::new("off", 0), None);
    assert_eq!(limiter.take(&[], WithoutRedis::CountInProcess).await, None);
}
