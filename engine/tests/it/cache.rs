//! Views in a real Redis.

use std::time::Duration;

use bytes::Bytes;
use engine::cache::{Cache, Cached, Entry};
use futures::future::join_all;
use infra::limit::{Bucket, Limiter, WithoutRedis};
use infra::redis::Lookups;
use infra::testing::{redis_url, unique};
use tokio::time::Instant;
use uuid::Uuid;

use crate::redis_server::RedisServer;
use crate::wait::until;

fn view(payment: Uuid, version: i64) -> Entry {
    Entry {
        payment,
        account: Uuid::from_u128(7),
        intent_id: None,
        version,
        settled: version % 2 == 0,
        body: Bytes::from(format!(r#"{{"version":{version}}}"#)),
    }
}

fn found(entry: &Entry) -> Cached {
    Cached {
        account: entry.account,
        version: entry.version,
        settled: entry.settled,
        body: entry.body.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_version_stays_in_whatever_order_they_are_written() {
    let cache = Cache::connect(&redis_url()).unwrap();
    let orders = [
        [1, 2, 10],
        [1, 10, 2],
        [2, 1, 10],
        [2, 10, 1],
        [10, 1, 2],
        [10, 2, 1],
    ];
    for order in orders {
        let payment = Uuid::now_v7();
        assert_eq!(cache.read(payment).await.unwrap(), None);
        for version in order {
            cache.put(&[view(payment, version)]).await.unwrap();
        }
        assert_eq!(
            cache.read(payment).await.unwrap(),
            Some(found(&view(payment, 10))),
            "{order:?}"
        );

        let at_once = Uuid::now_v7();
        cache
            .put(&order.map(|version| view(at_once, version)))
            .await
            .unwrap();
        assert_eq!(
            cache.read(at_once).await.unwrap(),
            Some(found(&view(at_once, 10))),
            "{order:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_found_by_its_intent_and_kept_for_a_day() {
    let redis = RedisServer::start().await;
    let cache = Cache::connect(&redis.url()).unwrap();
    let (payment, intent) = (Uuid::now_v7(), unique("pi"));
    cache.put(&[view(payment, 1)]).await.unwrap();
    assert_eq!(cache.read_intent(&intent).await.unwrap(), None);
    let entry = Entry {
        intent_id: Some(intent.clone()),
        ..view(payment, 2)
    };
    cache.put(std::slice::from_ref(&entry)).await.unwrap();
    assert_eq!(cache.read_intent(&intent).await.unwrap(), Some(payment));
    assert_eq!(cache.read(payment).await.unwrap(), Some(found(&entry)));
    for key in [
        format!("pawl:view:{payment}"),
        format!("pawl:intent:{intent}"),
    ] {
        let seconds: u64 = redis::from_redis_value(redis.command(&["TTL", &key]).await).unwrap();
        assert!(
            (86_000..=86_400).contains(&seconds),
            "{key} lives for {seconds} s"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn offered_views_arrive_and_the_latest_of_a_payment_wins() {
    let cache = Cache::connect(&redis_url()).unwrap();
    let payments: Vec<Uuid> = (0..500).map(|_| Uuid::now_v7()).collect();
    cache.offer(
        payments
            .iter()
            .flat_map(|payment| [3, 1, 2].map(|version| view(*payment, version))),
    );
    for payment in payments {
        until("the view arrives", async || {
            cache.read(payment).await.unwrap() == Some(found(&view(payment, 3)))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_read_more_than_five_seconds_ago_is_not_written() {
    let cache = Cache::connect(&redis_url()).unwrap();
    let (old, new) = (Uuid::now_v7(), Uuid::now_v7());
    cache.fill(view(old, 1), Instant::now() - Duration::from_secs(6));
    cache.fill(view(new, 1), Instant::now());
    until("the fresh one arrives", async || {
        cache.read(new).await.unwrap().is_some()
    })
    .await;
    assert_eq!(cache.read(old).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_reading_fails_at_once() {
    let mut redis = RedisServer::start().await;
    let cache = Cache::connect(&redis.url()).unwrap();
    assert_eq!(cache.read(Uuid::now_v7()).await.unwrap(), None);
    redis.kill().await;
    let start = Instant::now();
    for _ in 0..1_000 {
        assert!(cache.read(Uuid::now_v7()).await.is_err());
    }
    let spent = start.elapsed();
    assert!(spent < Duration::from_secs(1), "1,000 reads took {spent:?}");

    redis.start_again().await;
    until("reads work again", async || {
        cache.read(Uuid::now_v7()).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_costs_its_readers_little() {
    let redis = RedisServer::start().await;
    let cache = Cache::connect(&redis.url()).unwrap();
    assert_eq!(cache.read(Uuid::now_v7()).await.unwrap(), None);
    redis.command(&["CLIENT", "PAUSE", "2500", "ALL"]).await;
    let start = Instant::now();
    for _ in 0..1_000 {
        assert!(cache.read(Uuid::now_v7()).await.is_err());
    }
    let spent = start.elapsed();
    assert!(spent < Duration::from_secs(1), "1,000 reads took {spent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_made_while_redis_is_away_leaves_no_old_view_behind() {
    let redis = RedisServer::start().await;
    let cache = Cache::connect(&redis.url()).unwrap();
    let (soon, late) = (Uuid::now_v7(), Uuid::now_v7());
    cache.put(&[view(soon, 1), view(late, 1)]).await.unwrap();
    redis.command(&["CLIENT", "PAUSE", "1500", "ALL"]).await;
    cache.offer([view(soon, 2)].into_iter());
    // As if Redis had been away for longer than a view may wait.
    cache.fill(view(late, 2), Instant::now() - Duration::from_secs(6));
    // What another process sees: this one reads no view of a payment whose change is not yet written.
    let other = Cache::connect(&redis.url()).unwrap();
    until("the new view is there", async || {
        other
            .read(soon)
            .await
            .is_ok_and(|view| view.is_some_and(|view| view.version == 2))
    })
    .await;
    until("the old view is gone", async || {
        other.read(late).await.is_ok_and(|view| view.is_none())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_older_than_what_the_world_was_told_is_removed_and_no_other() {
    let cache = Cache::connect(&redis_url()).unwrap();
    let (old, same, newer) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    cache
        .put(&[view(old, 9), view(same, 10), view(newer, 11)])
        .await
        .unwrap();
    cache.invalidate([newer, same, old].map(|payment| (payment, 10)).into_iter());
    let other = Cache::connect(&redis_url()).unwrap();
    until("the old view is gone", async || {
        other.read(old).await.unwrap().is_none()
    })
    .await;
    assert_eq!(
        other.read(same).await.unwrap(),
        Some(found(&view(same, 10)))
    );
    assert_eq!(
        other.read(newer).await.unwrap(),
        Some(found(&view(newer, 11)))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_payment_moves_no_older_view_is_shown_or_written() {
    let cache = Cache::connect(&redis_url()).unwrap();
    let payment = Uuid::now_v7();
    cache.put(&[view(payment, 5)]).await.unwrap();
    cache.moved([(payment, 6)].into_iter());
    assert_eq!(
        cache.read(payment).await.unwrap(),
        None,
        "its writer never reads the view from before its change"
    );
    let other = Cache::connect(&redis_url()).unwrap();
    until("the version is there", async || {
        other.read(payment).await.unwrap().is_none()
    })
    .await;
    other.put(&[view(payment, 5)]).await.unwrap();
    assert_eq!(other.read(payment).await.unwrap(), None);

    other.put(&[view(payment, 6)]).await.unwrap();
    let six = Some(found(&view(payment, 6)));
    assert_eq!(other.read(payment).await.unwrap(), six);
    cache.moved([(payment, 6), (payment, 4)].into_iter());
    until("the versions are written", async || {
        cache.read(payment).await.unwrap().is_some()
    })
    .await;
    assert_eq!(cache.read(payment).await.unwrap(), six);
}

/// How many commands of this name the server has performed, and `None` before the first.
async fn calls(redis: &RedisServer, command: &str) -> Option<usize> {
    let statistics = redis.command(&["INFO", "commandstats"]).await;
    let statistics: String = redis::from_redis_value(statistics).unwrap();
    let (_, rest) = statistics.split_once(&format!("cmdstat_{command}:calls="))?;
    rest.split(',').next()?.parse().ok()
}

#[tokio::test]
async fn reads_and_tokens_that_are_wanted_together_share_a_round_trip() {
    let redis = RedisServer::start().await;
    let lookups = Lookups::connect(&redis.url()).unwrap();
    let cache = Cache::with_reads(&redis.url(), lookups.clone()).unwrap();
    let limiter = Limiter::new(lookups);
    let payments: Vec<Uuid> = (0..64).map(|_| Uuid::now_v7()).collect();
    let views: Vec<Entry> = payments.iter().map(|id| view(*id, 1)).collect();
    cache.put(&views).await.unwrap();
    let bucket = |name: &str| [Bucket::new(name, 40).unwrap()];
    let (mine, yours) = (bucket("mine"), bucket("yours"));
    // The script is known to Redis from here on.
    limiter.take(&yours, WithoutRedis::Pass).await.unwrap();
    let (reads, scripts) = (calls(&redis, "mget").await, calls(&redis, "evalsha").await);

    let asked = payments.iter().map(|payment| async {
        let token = limiter.take(&mine, WithoutRedis::Pass);
        let (view, decision) = tokio::join!(cache.read(*payment), token);
        assert_eq!(view.unwrap(), Some(found(&self::view(*payment, 1))));
        decision.unwrap()
    });
    let decisions = join_all(asked).await;
    let mut left: Vec<u32> = decisions
        .iter()
        .filter(|decision| decision.allowed)
        .map(|decision| decision.remaining)
        .collect();
    left.sort_unstable();
    assert_eq!(left, (0..40).collect::<Vec<_>>(), "one token, one request");
    let other = limiter.take(&yours, WithoutRedis::Pass).await.unwrap();
    assert_eq!(other.remaining, 38, "a bucket of its own");

    assert_eq!(reads, None);
    let reads = calls(&redis, "mget").await.unwrap();
    assert!(reads <= 2, "64 reads took {reads} commands");
    let scripts = calls(&redis, "evalsha").await.unwrap() - scripts.unwrap();
    assert!(scripts <= 4, "65 tokens took {scripts} commands");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_longer_for_a_redis_that_hangs_because_others_wait_too() {
    let redis = RedisServer::start().await;
    let cache = Cache::connect(&redis.url()).unwrap();
    assert_eq!(cache.read(Uuid::now_v7()).await.unwrap(), None);
    redis.command(&["CLIENT", "PAUSE", "5000", "ALL"]).await;
    let readers = (0..300_u64).map(|number| {
        let cache = cache.clone();
        async move {
            // The later ones ask while the call of the first ones is waited for.
            tokio::time::sleep(Duration::from_millis(number / 2)).await;
            let begun = Instant::now();
            assert!(cache.read(Uuid::now_v7()).await.is_err());
            begun.elapsed()
        }
    });
    let longest = join_all(readers).await.into_iter().max().unwrap();
    assert!(longest < Duration::from_millis(300), "{longest:?}");
}
