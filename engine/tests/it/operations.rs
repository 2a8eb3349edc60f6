//! What operators see of jobs: their tries, their errors by class, and the timeline of a payment.

use contracts::operations::{JobDetail, TimelineItem};
use engine::{Error, JobFilter, JobState, Scope};
use serde_json::json;
use uuid::Uuid;

use crate::world::World;

pub(crate) async fn job_of(world: &World, payment: Uuid, kind: &str) -> Uuid {
    sqlx::query_scalar(
        "select id from job where payment_id = $1 and kind = $2 order by id desc limit 1",
    )
    .bind(payment)
    .bind(kind)
    .fetch_one(world.database.pool())
    .await
    .unwrap()
}

/// A payment whose confirmation was tried twice and is dead.
async fn dead(world: &World) -> (Uuid, JobDetail) {
    let payment = world.create("pm_card_visa").await;
    // The intent is created; each confirmation ends without an answer.
    world.worker.round().await.unwrap();
    let confirm = job_of(world, payment, "confirm_intent").await;
    for _ in 0..2 {
        sqlx::query("update job set state = 'queued', lease = null, lease_until = null, due_at = now() where id = $1 and state <> 'dead'")
            .bind(confirm)
            .execute(world.database.pool())
            .await
            .unwrap();
        world.worker.round().await.unwrap();
    }
    sqlx::query("update job set state = 'dead', error = 'no answer for pi_3Nxyz12345678 after 30 s' where id = $1")
        .bind(confirm)
        .execute(world.database.pool())
        .await
        .unwrap();
    let job = world.engine.job(Scope::All, confirm).await.unwrap();
    (payment, job)
}

#[tokio::test]
async fn each_try_of_a_job_is_kept_also_after_a_retry() {
    let world = World::start().await;
    world
        .fault(json!([{"fault": "drop_before", "route": "payment_intents.confirm", "count": 3}]))
        .await;
    let (_, job) = dead(&world).await;
    assert!(job.log.len() >= 2, "{:#?}", job.log);
    for kept in &job.log {
        assert_eq!(kept.outcome, "again", "{kept:#?}");
        assert!(kept.started_at.unwrap() <= kept.ended_at);
        assert!(kept.worker.as_deref().is_some_and(|it| !it.is_empty()));
        assert!(kept.error.is_some());
        let call = &kept.calls[0];
        assert_eq!(call.call, "confirm_intent");
        assert_eq!(call.idempotency_key.as_ref(), Some(&job.idempotency_key));
    }
    world.fault(json!([])).await;
    let id = job.job.id.uuid();
    world
        .engine
        .retry_job(Scope::All, id, Some(job.job.version))
        .await
        .unwrap();
    world.drain().await;
    let after = world.engine.job(Scope::All, id).await.unwrap();
    assert_eq!(after.job.state, "done");
    assert_eq!(after.log[..job.log.len()], job.log[..]);
    let last = after.log.last().unwrap();
    assert_eq!((last.outcome.as_str(), &last.error), ("done", &None));
    let call = &last.calls[0];
    assert_eq!(call.status, Some(200));
    assert!(call.request_id.as_deref().unwrap().starts_with("req_"));
}

#[tokio::test]
async fn a_retry_that_is_clicked_twice_acts_once() {
    let world = World::start().await;
    world
        .fault(json!([{"fault": "drop_before", "route": "payment_intents.confirm", "count": 3}]))
        .await;
    let (_, job) = dead(&world).await;
    assert!(job.retry.allowed && job.retry.stripe_may_have_answered);
    assert_eq!(job.retry.idempotency_key, job.idempotency_key);
    let id = job.job.id.uuid();
    let version = Some(job.job.version);
    let stranger = Scope::Account(Uuid::now_v7());
    let refused = world.engine.retry_job(stranger, id, version).await;
    assert!(matches!(refused, Err(Error::NotFound)), "{refused:?}");
    let first = world.engine.retry_job(Scope::All, id, version).await;
    assert_eq!(first.unwrap().state, "unknown");
    let second = world.engine.retry_job(Scope::All, id, version).await;
    assert!(matches!(second, Err(Error::NotRetried(_))), "{second:?}");
    // Dead again: the second click of the first error is about a job that has changed.
    sqlx::query("update job set state = 'dead' where id = $1")
        .bind(id)
        .execute(world.database.pool())
        .await
        .unwrap();
    let late = world.engine.retry_job(Scope::All, id, version).await;
    assert!(matches!(late, Err(Error::Changed)), "{late:?}");
}

/// Three dead jobs of three payments: two of the same class of errors, and another one.
async fn three_dead(world: &World) -> Vec<Uuid> {
    let mut payments = Vec::new();
    for number in 0..3 {
        let payment = world.create("pm_card_visa").await;
        let error = format!("no answer for pi_3Nxyz1234567{number} after 3{number} s");
        sqlx::query("update job set state = 'dead', error = $2 where payment_id = $1")
            .bind(payment)
            .bind(if number == 2 { "card_declined" } else { &error })
            .execute(world.database.pool())
            .await
            .unwrap();
        payments.push(payment);
    }
    payments
}

/// How many dead jobs the list and the count agree on.
async fn dead_of(world: &World, scope: Scope, filter: &JobFilter) -> usize {
    let listed = world.engine.jobs(scope, JobState::Dead, filter, None, 10);
    let listed = listed.await.unwrap().0.len();
    let counts = world.engine.job_counts(scope, filter).await.unwrap();
    let dead = counts.iter().find(|count| count.state == "dead").unwrap();
    assert_eq!(dead.count, i64::try_from(listed).unwrap(), "{filter:?}");
    listed
}

#[tokio::test]
async fn jobs_are_listed_counted_and_grouped_by_what_they_have_in_common() {
    let world = World::start().await;
    let payments = three_dead(&world).await;
    let scope = Scope::Account(world.account);
    let groups = world.engine.job_errors(scope).await.unwrap();
    let sizes: Vec<i64> = groups.iter().map(|group| group.count).collect();
    assert_eq!(sizes, [2, 1], "{groups:?}");
    let any = JobFilter::default;
    for (scope, expected) in [
        (scope, 3),
        (Scope::All, 3),
        (Scope::Account(Uuid::now_v7()), 0),
    ] {
        assert_eq!(dead_of(&world, scope, &any()).await, expected, "{scope:?}");
    }
    let mut filters = vec![any(); 7];
    filters[0].error_class = Some(groups[0].error_class.clone());
    filters[1].error = Some("DECLINED".into());
    filters[2].kind = Some("create_intent".into());
    filters[3].kind = Some("resync".into());
    filters[4].payment = Some(payments[1]);
    let later = time::OffsetDateTime::now_utc() + time::Duration::HOUR;
    filters[5].created.0 = Some(later);
    filters[6].created.1 = Some(later);
    for (filter, expected) in filters.iter().zip([2, 1, 3, 0, 1, 0, 3]) {
        assert_eq!(dead_of(&world, scope, filter).await, expected, "{filter:?}");
    }
    for state in JobState::ALL {
        let listed = world.engine.jobs(scope, state, &any(), None, 10).await;
        let expected = if state == JobState::Dead { 3 } else { 0 };
        assert_eq!(listed.unwrap().0.len(), expected, "{state}");
    }
}

#[tokio::test]
async fn the_timeline_shows_all_that_happened_to_a_payment_in_one_order() {
    let world = World::start().await;
    let payment = world.create("pm_card_visa").await;
    world.drain().await;
    for event in world.events().await {
        world.deliver(&event).await;
    }
    world.drain().await;
    let entries = world
        .engine
        .timeline(Scope::Account(world.account), payment);
    let entries = entries.await.unwrap();
    assert!(entries.is_sorted_by_key(|entry| entry.at));
    let calls: Vec<&str> = entries
        .iter()
        .filter_map(|entry| match &entry.entry {
            TimelineItem::StripeCall { request, .. } => {
                assert!(request.request_id.is_some(), "{request:?}");
                Some(request.call.as_str())
            }
            _ => None,
        })
        .collect();
    assert_eq!(calls, ["create_intent", "confirm_intent"]);
    let count = |is: fn(&TimelineItem) -> bool| entries.iter().filter(|it| is(&it.entry)).count();
    let transitions = count(|item| matches!(item, TimelineItem::Transition { .. }));
    assert_eq!(transitions, world.history(payment).await.len());
    let versions = entries.iter().filter_map(|entry| match &entry.entry {
        TimelineItem::Transition { transition } => Some(transition.id.version),
        _ => None,
    });
    assert!(versions.is_sorted(), "those of one step are in order too");
    let waiting = |item: &TimelineItem| {
        matches!(
            item,
            TimelineItem::KafkaMessage {
                acknowledged: false,
                ..
            }
        )
    };
    assert_eq!(count(waiting), transitions);
    assert!(count(|item| matches!(item, TimelineItem::Webhook { .. })) > 0);
    assert_eq!(count(|item| matches!(item, TimelineItem::JobTry { .. })), 2);
    let stranger = world
        .engine
        .timeline(Scope::Account(Uuid::now_v7()), payment)
        .await;
    assert!(matches!(stranger, Err(Error::NotFound)));
}
