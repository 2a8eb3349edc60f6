//! What operators do: they pause queues, cancel jobs, search payments and replay webhooks.

use contracts::explanation::{NextKind, WaitsFor};
use engine::{Error, PaymentSearch, Scope, WebhookStatus};
use serde_json::json;
use uuid::Uuid;

use crate::disputes::{deliver_all, dispute, evidence, only, paid};
use crate::operations::job_of;
use crate::world::World;

#[tokio::test]
async fn jobs_of_a_paused_kind_wait_until_their_queue_is_resumed() {
    let world = World::start().await;
    assert!(
        world
            .engine
            .pause_queue("confirm_intent", Some("a test"), "somebody")
            .await
            .unwrap()
    );
    assert!(
        !world
            .engine
            .pause_queue("confirm_intent", None, "another")
            .await
            .unwrap()
    );
    let unknown = world.engine.pause_queue("sleep", None, "somebody").await;
    assert!(matches!(unknown, Err(Error::NotFound)));
    world.worker.sweep().await.unwrap();
    let payment = world.create("pm_card_visa").await;
    // The worker leases the confirmation to itself when the intent is created: that one waits too.
    for _ in 0..3 {
        world.worker.drain().await.unwrap();
    }
    let confirm = job_of(&world, payment, "confirm_intent").await;
    let job = world.engine.job(Scope::All, confirm).await.unwrap();
    assert_eq!((job.job.state.as_str(), job.job.tries), ("queued", 0));
    assert_eq!(world.charges(payment).await, 0);
    let queues = world.engine.queues().await.unwrap();
    let queue = queues
        .iter()
        .find(|queue| queue.kind == "confirm_intent")
        .unwrap();
    assert!(queue.paused && queue.waiting == 1, "{queue:?}");
    assert_eq!(queue.paused_by.as_deref(), Some("somebody"));
    assert!(world.engine.resume_queue("confirm_intent").await.unwrap());
    world.worker.sweep().await.unwrap();
    world.drain().await;
    assert_eq!(world.view(payment).await.status, "succeeded");
}

#[tokio::test]
async fn a_job_that_was_never_sent_is_canceled_and_its_payment_ends() {
    let world = World::start().await;
    let payment = world.create("pm_card_visa").await;
    let create = job_of(&world, payment, "create_intent").await;
    let until = time::OffsetDateTime::now_utc() + time::Duration::HOUR;
    let version = world
        .engine
        .job(Scope::All, create)
        .await
        .unwrap()
        .job
        .version;
    let put_off = world
        .engine
        .snooze_job(Scope::All, create, Some(version), until)
        .await;
    assert!(put_off.unwrap().due_at > time::OffsetDateTime::now_utc());
    let stale = world
        .engine
        .cancel_job(Scope::All, create, Some(version))
        .await;
    assert!(matches!(stale, Err(Error::Changed)), "{stale:?}");
    let stranger = Scope::Account(Uuid::now_v7());
    let unseen = world.engine.cancel_job(stranger, create, None).await;
    assert!(matches!(unseen, Err(Error::NotFound)), "{unseen:?}");
    let canceled = world.engine.cancel_job(Scope::All, create, None).await;
    assert_eq!(canceled.unwrap().state, "done");
    assert_eq!(world.view(payment).await.status, "local_rejected");
    assert!(world.history(payment).await[0].cause.starts_with("op_"));
    let again = world.engine.cancel_job(Scope::All, create, None).await;
    assert!(matches!(again, Err(Error::NotCanceled(_))), "{again:?}");
}

#[tokio::test]
async fn a_job_whose_call_may_have_been_sent_is_not_canceled() {
    let world = World::start().await;
    world
        .fault(json!([{"fault": "drop_before", "route": "payment_intents.create", "count": 1}]))
        .await;
    let payment = world.create("pm_card_visa").await;
    world.worker.round().await.unwrap();
    let create = job_of(&world, payment, "create_intent").await;
    let refused = world.engine.cancel_job(Scope::All, create, None).await;
    assert!(matches!(refused, Err(Error::NotCanceled(_))), "{refused:?}");
    let job = world.engine.job(Scope::All, create).await.unwrap();
    assert_eq!(job.job.state, "unknown");
}

#[tokio::test]
async fn payments_are_found_by_any_id_order_address_metadata_and_amount() {
    let world = World::start().await;
    let mut order = World::order("pm_card_visa");
    order.notes.reference = Some("order-1042".into());
    order.notes.customer = Some(contracts::request::Customer {
        email: Some("Ada@Example.com".into()),
        ..Default::default()
    });
    order.notes.metadata = [("cart".to_owned(), "7".to_owned())].into();
    let key = world.key("/api/v1/payments");
    let payment = world.engine.create(order, key).await.unwrap().payment;
    let other = world.create("pm_card_visa").await;
    world.drain().await;
    let found = async |scope: Scope, search: PaymentSearch| -> Vec<Uuid> {
        let found = world.engine.search_payments(scope, &search, None, 10).await;
        found.unwrap().0.iter().map(|it| it.id.uuid()).collect()
    };
    let text = |text: &str| PaymentSearch {
        text: Some(text.to_owned()),
        ..PaymentSearch::default()
    };
    let view = world.view(payment).await;
    let job = job_of(&world, payment, "confirm_intent").await;
    let event = world.history(payment).await[0].id;
    let intent = view.intent_id.clone().unwrap();
    for text in [
        text(&view.id.to_string()),
        text(&payment.to_string()),
        text(&intent),
        text(&contracts::id::JobId::from_uuid(job).to_string()),
        text(&event.to_string()),
        text(" order-1042 "),
        text("ada@example.com"),
        PaymentSearch {
            metadata: [("cart".to_owned(), "7".to_owned())].into(),
            ..PaymentSearch::default()
        },
    ] {
        for scope in [Scope::All, Scope::Account(world.account)] {
            assert_eq!(found(scope, text.clone()).await, [payment], "{text:?}");
        }
        let stranger = Scope::Account(Uuid::now_v7());
        assert!(found(stranger, text.clone()).await.is_empty(), "{text:?}");
    }
    let any = PaymentSearch::default;
    assert_eq!(found(Scope::All, any()).await, [other, payment]);
    let dearer = PaymentSearch {
        amount: (Some(1100), None),
        ..any()
    };
    assert!(found(Scope::All, dearer).await.is_empty());
    let ended = PaymentSearch {
        status: Some(workflows::payment::Status::Succeeded),
        ..any()
    };
    assert_eq!(found(Scope::All, ended).await.len(), 2);
}

#[tokio::test]
async fn a_webhook_that_is_dead_is_applied_again_and_a_second_replay_changes_nothing() {
    let world = World::start().await;
    let payment = world.create("pm_card_visa").await;
    world.drain().await;
    let events = world.events().await;
    let event = events.last().unwrap();
    let id = event["id"].as_str().unwrap();
    world.deliver(event).await;
    sqlx::query("update inbox_open set status = 'dead', error = 'a test'")
        .execute(world.database.pool())
        .await
        .unwrap();
    let listed = world
        .engine
        .received_webhooks(WebhookStatus::Dead, None, 10);
    assert_eq!(listed.await.unwrap().0[0].id, id);
    let shown = world.engine.received_webhook(Scope::All, id).await.unwrap();
    assert!(shown.body.contains(id));
    assert!(
        shown.replay.explanation.contains("already reflects"),
        "{:?}",
        shown.replay
    );
    let versions = world.history(payment).await.len();
    for _ in 0..2 {
        let replayed = world.engine.replay_webhook(Scope::All, id).await.unwrap();
        assert_eq!(replayed.status, "retrying");
        // Clicked twice before a worker takes it.
        world.engine.replay_webhook(Scope::All, id).await.unwrap();
        world.drain().await;
        let shown = world.engine.received_webhook(Scope::All, id).await.unwrap();
        assert_eq!(shown.webhook.status, "ignored");
        assert!(shown.webhook.done_at.is_some());
    }
    let results = "select count(*) from inbox_result";
    assert_eq!(world.count(results).await, 1);
    assert_eq!(world.history(payment).await.len(), versions);
    let own = Scope::Account(world.account);
    assert!(world.engine.received_webhook(own, id).await.is_ok());
    let stranger = Scope::Account(Uuid::now_v7());
    let unseen = world.engine.replay_webhook(stranger, id).await;
    assert!(matches!(unseen, Err(Error::NotFound)));
    let done = world
        .engine
        .received_webhooks(WebhookStatus::Done(Some("ignored")), None, 10);
    assert_eq!(done.await.unwrap().0.len(), 1);
}

#[tokio::test]
async fn the_numbers_of_payments_in_each_status_are_shown_beside_the_rules() {
    let world = World::start().await;
    world.create("pm_card_visa").await;
    world.drain().await;
    for (scope, expected) in [
        (Scope::All, 1),
        (Scope::Account(world.account), 1),
        (Scope::Account(Uuid::now_v7()), 0),
    ] {
        let counts = world.engine.status_counts(scope).await.unwrap();
        let succeeded = counts.iter().find(|it| it.status == "succeeded").unwrap();
        assert_eq!((succeeded.count, succeeded.exact), (expected, true));
    }
    let machines = engine::Engine::machines();
    assert!(
        machines
            .iter()
            .any(|it| it.machine == "payment" && it.rules.len() > 10)
    );
}

#[tokio::test]
async fn an_operator_sees_no_evidence_and_cancels_a_call_that_was_not_sent() {
    let world = World::start().await;
    let (payment, intent) = paid(&world).await;
    dispute(&world, &intent, "needs_response").await;
    deliver_all(&world).await;
    let opened = only(&world, payment).await;
    world
        .command(payment, evidence(&opened, true))
        .await
        .unwrap();
    let job = job_of(&world, payment, "update_dispute").await;
    let seen = world.engine.job(Scope::All, job).await.unwrap();
    let expected =
        json!({"dispute": opened.id.uuid(), "evidence": ["product_description"], "submit": true});
    assert_eq!(seen.arguments, expected);
    let explained = world.engine.explain(world.account, payment).await.unwrap();
    assert_eq!(explained.waits_for, WaitsFor::Pawl, "{}", explained.summary);

    world
        .engine
        .cancel_job(Scope::All, job, None)
        .await
        .unwrap();
    let canceled = only(&world, payment).await;
    let code = canceled.error.and_then(|it| it.code);
    assert_eq!(code.as_deref(), Some("canceled_by_operator"));
    assert_eq!(
        (&*canceled.status, canceled.open_call),
        ("needs_response", None)
    );
    assert!(world.view(payment).await.last_error.is_none());
    let explained = world.engine.explain(world.account, payment).await.unwrap();
    assert_eq!(explained.waits_for, WaitsFor::Client);
    assert!(
        explained.summary.contains(&opened.id.to_string()),
        "{}",
        explained.summary
    );
    let kinds: Vec<NextKind> = explained.next.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [NextKind::Check, NextKind::EvidenceReminder]);
    let commands = explained.client_can.iter().map(|it| &*it.name);
    assert_eq!(commands.count(), 0, "a disputed payment takes no refund");
    // Another try is free to go.
    world
        .command(payment, evidence(&opened, true))
        .await
        .unwrap();
}
