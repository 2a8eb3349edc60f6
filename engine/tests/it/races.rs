//! Commands that arrive at the same moment.

use std::collections::BTreeSet;

use engine::{Command, NewPayment};
use futures::future::join_all;
use workflows::money::Money;
use workflows::payment::CaptureMethod;

use crate::world::World;

#[tokio::test]
async fn of_fifty_refunds_of_a_tenth_at_once_ten_are_accepted() {
    let world = World::start().await;
    let order = NewPayment {
        money: Money::parse(1000, "eur").unwrap(),
        ..World::order("pm_card_visa")
    };
    let key = world.key("/api/v1/payments");
    let payment = world.engine.create(order, key).await.unwrap().payment;
    world.drain().await;
    let refund = || Command::Refund {
        amount: Some(100),
        reason: None,
    };
    let asked = (0..50).map(|_| world.command(payment, refund()));
    let accepted = join_all(asked).await;
    assert_eq!(accepted.iter().filter(|it| it.is_ok()).count(), 10);
    world.drain().await;
    let view = world.view(payment).await;
    assert_eq!((view.amount_refunded, view.amount_reserved), (1000, 0));
    let made = "select count(*) from refund where status = 'succeeded'";
    assert_eq!(world.count(made).await, 10);
}

#[tokio::test]
async fn a_cancel_a_capture_and_webhooks_at_once_end_as_stripe_decided() {
    let world = World::start().await;
    let mut ends = BTreeSet::new();
    for round in 0..8 {
        let order = NewPayment {
            capture_method: CaptureMethod::Manual,
            ..World::order("pm_card_visa")
        };
        let key = world.key("/api/v1/payments");
        let payment = world.engine.create(order, key).await.unwrap().payment;
        world.drain().await;
        let events = world.events().await;
        let webhooks = async {
            for event in &events {
                world.deliver(event).await;
            }
        };
        let cancel = world.command(payment, Command::Cancel { reason: None });
        let capture = Command::Capture {
            amount: Some(500),
            is_final: true,
        };
        let capture = world.command(payment, capture);
        // Whoever is first by chance is not first each time.
        let (canceled, captured) = if round % 2 == 0 {
            let ((), canceled, captured) = tokio::join!(webhooks, cancel, capture);
            (canceled, captured)
        } else {
            let (captured, canceled, ()) = tokio::join!(capture, cancel, webhooks);
            (canceled, captured)
        };
        assert!(canceled.is_ok() || captured.is_ok());
        world.drain().await;
        for event in world.events().await {
            world.deliver(&event).await;
        }
        world.drain().await;
        let view = world.view(payment).await;
        let taken = view.captures.iter().filter(|it| it.status == "succeeded");
        assert_eq!(taken.map(|it| it.amount).sum::<i64>(), view.amount_captured);
        let open = |status: &str| matches!(status, "requested" | "submitted");
        assert!(!view.captures.iter().any(|it| open(&it.status)));
        match &*view.status {
            "succeeded" => assert_eq!(view.amount_captured, 500),
            "canceled" => assert_eq!(view.amount_captured, 0),
            other => panic!("the payment is {other}"),
        }
        ends.insert(view.status.into_owned());
    }
    assert_eq!(
        world
            .count("select count(*) from job where state <> 'done'")
            .await,
        0
    );
    assert!(!ends.is_empty());
}

#[tokio::test]
async fn a_hundred_equal_requests_make_one_payment() {
    let world = World::start().await;
    let key = world.key("/api/v1/payments");
    let asked = (0..100).map(|_| {
        world
            .engine
            .create(World::order("pm_card_visa"), key.clone())
    });
    let answers = join_all(asked).await;
    let payments: BTreeSet<_> = answers
        .iter()
        .map(|answer| answer.as_ref().unwrap().payment)
        .collect();
    assert_eq!(payments.len(), 1);
    let repeated = answers.iter().flatten().filter(|it| it.replayed).count();
    assert_eq!(repeated, 99);
    world.drain().await;
    assert_eq!(world.count("select count(*) from payment").await, 1);
    assert_eq!(world.charges(*payments.first().unwrap()).await, 1);
}
