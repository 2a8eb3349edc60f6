//! Payments from their acceptance to their end, on a real database and a Stripe of our own.

use engine::{Command, Error};
use serde_json::json;

use crate::world::World;

/// Takes this amount, or all, and releases the rest.
fn capture(amount: Option<i64>) -> Command {
    Command::Capture {
        amount,
        is_final: true,
    }
}

#[tokio::test]
async fn a_confirmed_payment_succeeds_and_its_webhooks_change_nothing() {
    let world = World::start().await;
    let payment = world.create("pm_card_visa").await;
    world.drain().await;
    let done = world.view(payment).await;
    assert_eq!(done.status, "succeeded");
    assert_eq!((done.amount_captured, done.amount_refunded), (1099, 0));
    assert_eq!(done.latest_attempt.as_ref().unwrap().status, "captured");
    assert_eq!(world.charges(payment).await, 1);

    for event in world.events().await {
        world.deliver(&event).await;
        world.deliver(&event).await;
    }
    world.drain().await;
    assert_eq!(world.view(payment).await.version, done.version);
    assert_eq!(
        world
            .count("select count(*) from inbox_status where status is distinct from 'ignored'")
            .await,
        0
    );
    assert_eq!(
        world
            .count("select count(*) from job where state <> 'done'")
            .await,
        0
    );
    assert_eq!(
        world.count("select count(*) from transition").await,
        done.version
    );
    // Accepted; intent made and attempt started; attempt and payment succeeded.
    assert_eq!(world.count("select count(*) from history").await, 3);
    assert_eq!(
        world.count("select sum(count) from outbox").await,
        done.version
    );
    // What is told of a move is the money as it was after that move, however late it is told.
    let sums: Vec<(i64, i64)> = sqlx::query_as(
        "select version, (data->>'amount_captured')::int8 from transition order by version",
    )
    .fetch_all(world.database.pool())
    .await
    .unwrap();
    assert_eq!(sums.first(), Some(&(1, 0)));
    assert_eq!(sums.last(), Some(&(done.version, 1099)));
}

#[tokio::test]
async fn a_declined_payment_takes_nothing_and_may_be_tried_again() {
    let world = World::start().await;
    let payment = world.create("pm_card_chargeDeclined").await;
    world.drain().await;
    let declined = world.view(payment).await;
    assert_eq!(declined.status, "requires_payment_method");
    assert_eq!(
        declined.last_error.unwrap().code.as_deref(),
        Some("card_declined")
    );
    assert_eq!(world.charges(payment).await, 0);

    let again = Command::Confirm {
        payment_method: Some("pm_card_visa".into()),
        return_url: None,
    };
    world.command(payment, again).await.unwrap();
    world.drain().await;
    let done = world.view(payment).await;
    assert_eq!(done.status, "succeeded");
    assert_eq!(done.latest_attempt.unwrap().number, 2);
    assert_eq!(world.charges(payment).await, 1);

    // The first attempt is kept as it ended, with its charge and its error.
    let earlier: Vec<(i32, String, bool, Option<String>)> =
        sqlx::query_as("select number, status, charge_id is not null, error->>'code' from attempt")
            .fetch_all(world.database.pool())
            .await
            .unwrap();
    let declined = (1, "failed".into(), true, Some("card_declined".into()));
    assert_eq!(earlier, [declined]);
}

#[tokio::test]
async fn a_refund_gives_back_what_it_says_and_never_more_than_was_taken() {
    let world = World::start().await;
    let payment = world.create("pm_card_visa").await;
    world.drain().await;
    let refund = |amount| Command::Refund {
        amount: Some(amount),
        reason: None,
    };
    world.command(payment, refund(400)).await.unwrap();
    let reserved = world.view(payment).await;
    assert_eq!(
        (reserved.amount_reserved, reserved.amount_refunded),
        (400, 0)
    );
    let too_much = world.command(payment, refund(700)).await;
    assert!(matches!(too_much, Err(Error::Refused(_))), "{too_much:?}");
    world.command(payment, refund(699)).await.unwrap();
    world.drain().await;
    let done = world.view(payment).await;
    assert_eq!((done.amount_reserved, done.amount_refunded), (0, 1099));
    assert_eq!(done.status, "succeeded");
}

#[tokio::test]
async fn a_manual_payment_is_captured_in_part_or_canceled() {
    let world = World::start().await;
    let mut order = World::order("pm_card_visa");
    order.capture_method = workflows::payment::CaptureMethod::Manual;
    let made = |order| world.engine.create(order, world.key("/api/v1/payments"));
    let (captured, canceled) = (
        made(order.clone()).await.unwrap().payment,
        made(order).await.unwrap().payment,
    );
    world.drain().await;
    assert_eq!(world.view(captured).await.status, "requires_capture");
    assert_eq!(world.view(captured).await.amount_capturable, 1099);

    world.command(captured, capture(Some(1000))).await.unwrap();
    world
        .command(
            canceled,
            Command::Cancel {
                reason: Some("duplicate".to_owned()),
            },
        )
        .await
        .unwrap();
    world.drain().await;
    assert_eq!(world.view(captured).await.status, "succeeded");
    assert_eq!(world.view(captured).await.amount_captured, 1000);
    assert_eq!(world.view(canceled).await.status, "canceled");
    let reason = world.view(canceled).await.cancellation_reason;
    assert_eq!(reason.as_deref(), Some("duplicate"));
    assert_eq!(
        world.view(canceled).await.latest_attempt.unwrap().status,
        "voided"
    );
}

#[tokio::test]
async fn a_cancel_waits_for_the_call_that_is_in_the_air() {
    let world = World::start().await;
    let mut order = World::order("pm_card_visa");
    order.confirm = false;
    let payment = world
        .engine
        .create(order, world.key("/api/v1/payments"))
        .await
        .unwrap()
        .payment;
    let answer = world
        .command(payment, Command::Cancel { reason: None })
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(
        world
            .count("select count(*) from job where kind = 'cancel_intent'")
            .await,
        0
    );
    world.drain().await;
    assert_eq!(world.view(payment).await.status, "canceled");
}

#[tokio::test]
async fn every_lost_or_broken_answer_is_resolved_without_a_second_charge() {
    let faults = [
        json!([{"fault": "drop_after", "count": 4}]),
        json!([{"fault": "drop_before", "count": 4}]),
        json!([{"fault": "error_during", "count": 2, "should_retry": false}]),
        json!([{"fault": "error_after", "count": 2, "should_retry": false}]),
        json!([{"fault": "error_before", "count": 4, "should_retry": true}]),
        json!([{"fault": "html_after", "count": 3}]),
        json!([{"fault": "truncated_after", "count": 3}]),
        json!([{"fault": "rate_limited", "count": 3}]),
        json!([{"fault": "conflict", "count": 3}]),
    ];
    for fault in faults {
        let world = World::start().await;
        world.fault(fault.clone()).await;
        let payment = world.create("pm_card_visa").await;
        world.drain().await;
        assert_eq!(world.view(payment).await.status, "succeeded", "{fault}");
        world.fault(fault.clone()).await;
        let refund = Command::Refund {
            amount: Some(99),
            reason: None,
        };
        world.command(payment, refund).await.unwrap();
        world.drain().await;
        let done = world.view(payment).await;
        assert_eq!(
            (done.amount_refunded, done.amount_reserved),
            (99, 0),
            "{fault}"
        );
        assert_eq!(world.charges(payment).await, 1, "{fault}");
        assert_eq!(
            world
                .count("select count(*) from job where state <> 'done'")
                .await,
            0,
            "{fault}"
        );
    }
}

#[tokio::test]
async fn a_refusal_without_a_move_is_seen_by_the_next_reader() {
    let world = World::start().await;
    let mut order = World::order("pm_card_visa");
    order.confirm = false;
    let payment = world
        .engine
        .create(order, world.key("/api/v1/payments"))
        .await
        .unwrap()
        .payment;
    world.drain().await;
    let cancel = Command::Cancel { reason: None };
    world.command(payment, cancel).await.unwrap();
    let before = world.view(payment).await.version;
    sqlx::query("update job set effect = jsonb_set(effect, '{reason}', '\"no reason of Stripe\"') where kind = 'cancel_intent'")
        .execute(world.database.pool())
        .await
        .unwrap();
    world.drain().await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while world.cached(payment).await["last_error"].is_null() {
        assert!(tokio::time::Instant::now() < deadline, "the old view stays");
        tokio::task::yield_now().await;
    }
    assert_eq!(world.view(payment).await.version, before);
}

#[tokio::test]
async fn a_payment_that_nobody_finishes_in_its_time_is_canceled() {
    let world = World::start().await;
    let mut order = World::order("pm_card_visa");
    order.confirm = false;
    order.expires_in = Some(std::time::Duration::from_mins(1));
    let payment = world
        .engine
        .create(order, world.key("/api/v1/payments"))
        .await
        .unwrap()
        .payment;
    world.drain().await;
    world.worker.sweep().await.unwrap();
    world.drain().await;
    assert_eq!(world.view(payment).await.status, "requires_confirmation");

    world.fire_timers("expire").await;
    assert_eq!(world.view(payment).await.status, "canceled");
    assert_eq!(world.count("select count(*) from timer").await, 0);
}

#[tokio::test]
async fn a_payment_that_stripe_refuses_is_rejected_with_the_reason() {
    let world = World::start().await;
    let payment = world.create("pm_of_nobody").await;
    world.drain().await;
    let rejected = world.view(payment).await;
    assert_eq!(rejected.status, "local_rejected");
    assert_eq!(
        rejected.last_error.unwrap().code.as_deref(),
        Some("resource_missing")
    );
}

#[tokio::test]
async fn a_payment_that_stripe_refuses_releases_its_reference_to_one_other() {
    let world = World::start().await;
    let order = |method: &str| {
        let mut order = World::order(method);
        order.notes.reference = Some("order-1042".into());
        world.engine.create(order, world.key("/api/v1/payments"))
    };
    let rejected = order("pm_of_nobody").await.unwrap().payment;
    let Err(Error::ReferenceTaken { payment }) = order("pm_card_visa").await else {
        panic!("the reference is free before Stripe has answered");
    };
    assert_eq!(payment, rejected);
    world.drain().await;
    assert_eq!(world.view(rejected).await.status, "local_rejected");

    let both = tokio::join!(order("pm_card_visa"), order("pm_card_visa"));
    let (won, lost) = match both {
        (Ok(won), lost) => (won.payment, lost),
        (lost, won) => (won.unwrap().payment, lost),
    };
    assert!(
        matches!(lost, Err(Error::ReferenceTaken { payment }) if payment == won),
        "{lost:?}"
    );
    world.drain().await;
    assert_eq!(world.view(won).await.status, "succeeded");
    assert!(matches!(
        order("pm_card_visa").await,
        Err(Error::ReferenceTaken { .. })
    ));
    assert_eq!(
        world
            .count("select count(*) from payment where reference = 'order-1042'")
            .await,
        2
    );
}

#[tokio::test]
async fn a_refund_made_in_the_dashboard_is_imported() {
    let world = World::start().await;
    let payment = world.create("pm_card_visa").await;
    world.drain().await;
    let intent = world.view(payment).await.intent_id.unwrap();
    world
        .post(
            "/v1/refunds",
            &[("payment_intent", &intent), ("amount", "300")],
        )
        .await;
    for event in world.events().await {
        world.deliver(&event).await;
    }
    world.drain().await;
    assert_eq!(world.view(payment).await.amount_refunded, 300);
    assert_eq!(
        world
            .count("select count(*) from refund where status = 'succeeded'")
            .await,
        1
    );
}

#[test]
fn each_kind_of_job_has_its_crash_points() {
    let names: Vec<String> = infra::crash::names().collect();
    for kind in workflows::effect::Kind::all() {
        for point in ["claimed", "called", "finished"] {
            let name = format!("{kind}.{point}");
            assert!(names.contains(&name), "{name} is not in infra/src/crash.rs");
        }
    }
}
